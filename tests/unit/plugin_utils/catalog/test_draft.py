# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a profile says about a version: the catalog's statements, and the inventory's own."""

from __future__ import annotations

from typing import Any

from real_catalog import run

FP8 = "qwen3-8b-fp8-vllm"  # broken before 26.05


def state(profile: str, version: str | None = None, **extra: Any) -> str:
    """The state of a profile, with what a person has added."""
    entry = {"profile": profile, **({"version": version} if version else {})}
    result = run(entry, extra=extra, allow_unchecked_flags=True, allow_broken=True)
    assert not result.problems
    return result.services[0].status.state


def test_the_catalogs_statements_do_not_cover_an_inventorys_own_version_or_image() -> None:
    assert state(FP8, "25.10") == "broken"
    for version in ("my-build", "25.11-mine", "24.01"):
        own = {"vllm": {"versions": {version: {"image": "registry.test/vllm:mine"}}}}
        assert not run(
            {"profile": FP8, "version": version}, extra={"engines": own}, allow_unchecked_flags=True
        ).problems
        assert state(FP8, version, engines=own) == "untested"
    assert state(FP8, "25.10", engines={"vllm": {"command": ["mine", "serve"]}}) == "untested"
    assert state("qwen3-8b-vllm", "25.10", engines={"vllm": {"versions": {"25.10": {"image": "mine:1"}}}}) == "untested"
    # What does not change what runs leaves the statement in force.
    assert state(FP8, "25.10", engines={"vllm": {"start_timeout": 60}}) == "broken"


def test_the_catalogs_statements_do_not_cover_another_model_under_the_same_name() -> None:
    assert state("qwen3-8b-vllm", models={"qwen3-8b": {"bytes": 18000}}) == "works"
    assert state("qwen3-8b-vllm", models={"qwen3-8b": {"id": "me/Mine", "bytes": 1}}) == "untested"
    assert state("qwen3-8b-vllm", profiles={"qwen3-8b-vllm": {"model": "qwen3-8b-fp4"}}) == "untested"


def test_an_inventorys_own_statement_holds_and_a_named_version_is_in_no_range() -> None:
    own = {"vllm": {"versions": {"my-build": {"image": "mine:1"}}}}
    works = {FP8: {"status": [{"state": "works", "versions": ["my-build"]}]}}
    assert state(FP8, "my-build", engines=own, profiles=works) == "works"
    ranged = {FP8: {"status": [{"state": "broken", "before": "26.05", "reason": "x"}, {"state": "untested"}]}}
    assert state(FP8, "my-build", engines=own, profiles=ranged) == "untested"
    assert state(FP8, "25.10", profiles=ranged) == "broken"
