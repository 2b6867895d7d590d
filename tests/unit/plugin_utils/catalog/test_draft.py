# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a profile says about a version: the catalog's statements, and the inventory's own."""

from __future__ import annotations

from typing import Any

import pytest
from real_catalog import run

FP8 = "qwen3-8b-fp8-vllm"  # broken before vLLM 0.20


def state(profile: str, version: str | None = None, **extra: Any) -> str:
    """The state of a profile, with what a person has added."""
    entry = {"profile": profile, **({"version": version} if version else {})}
    result = run(entry, extra=extra, allow_broken=True)
    assert {problem.code for problem in result.problems} <= {"THOR-LOCK-MISSING"}  # these packages do not exist
    return result.services[0].status.state


def own(version: str, **known: Any) -> dict[str, Any]:
    return {"engines": {"vllm": {"versions": {version: known}}}}


def test_a_statement_is_about_the_engines_version_whatever_the_image_is_called() -> None:
    assert [state(FP8, version) for version in ("25.10", "26.03", "26.05", "0.27.1")] == [
        *("broken", "broken", "untested", "untested"),
    ]


@pytest.mark.parametrize("version", ["my-build", "25.11-mine", "24.01", "0.10.2", "0.19.0"])
@pytest.mark.parametrize("known", [{"image": "registry.test/vllm:mine"}, {"packages": "vllm==0.19.0"}])
def test_an_own_version_that_does_not_say_what_it_is_is_untested(version: str, known: dict[str, str]) -> None:
    assert state(FP8, version, **own(version, **known)) == "untested"


def test_a_foreign_image_is_untested_whatever_it_says() -> None:
    assert state(FP8, "mine", **own("mine", image="mine:1", engine_version="0.10.2")) == "untested"
    assert state("qwen3-8b-vllm", "25.10", **own("25.10", image="mine:1")) == "untested"
    assert state(FP8, "25.10", engines={"vllm": {"command": ["mine", "serve"]}}) == "untested"


def test_an_own_version_is_not_what_a_statement_names_or_means_by_every_version() -> None:
    taken = {"sglang": {"versions": {"25.10": {"image": "mine:1"}}}}
    assert [state("qwen3-8b-sglang", "25.10", engines=one) for one in ({}, taken)] == ["works", "untested"]
    profile, own_build = "qwen3-8b-q5-k-m-llama-cpp", {"llama.cpp": {"versions": {"mine": {"commit": "a" * 40}}}}
    assert (state(profile, "0c1e570"), state(profile, "mine", engines=own_build)) == ("works", "untested")


def test_own_python_packages_are_the_engines_own_release() -> None:
    assert state(FP8, "mine", **own("mine", packages="vllm==0.19.0", engine_version="0.19.0")) == "broken"
    assert state(FP8, "mine", **own("mine", packages="vllm==0.32.0", engine_version="0.32.0")) == "untested"
    assert state("qwen3-8b-vllm", "mine", **own("mine", packages="vllm==0.10.2", engine_version="0.10.2")) == "works"


def test_what_does_not_change_what_runs_leaves_the_statement_in_force() -> None:
    assert state(FP8, "25.10", engines={"vllm": {"start_timeout": 60}}) == "broken"


def test_the_catalogs_statements_do_not_cover_another_model_under_the_same_name() -> None:
    assert state("qwen3-8b-vllm", models={"qwen3-8b": {"bytes": 18000}}) == "works"
    assert state("qwen3-8b-vllm", models={"qwen3-8b": {"modelscope": "me/Mine", "bytes": 1}}) == "untested"
    assert state("qwen3-8b-vllm", profiles={"qwen3-8b-vllm": {"model": "qwen3-8b-fp4"}}) == "untested"


def test_an_inventorys_own_statement_holds() -> None:
    mine = own("my-build", image="mine:1")
    works = {FP8: {"status": [{"state": "works", "versions": ["my-build"]}]}}
    assert state(FP8, "my-build", **mine, profiles=works) == "works"
    ranged = {FP8: {"status": [{"state": "broken", "before": "0.25", "reason": "x"}, {"state": "untested"}]}}
    assert state(FP8, "my-build", **mine, profiles=ranged) == "untested"
    assert state(FP8, "26.05", profiles=ranged) == "broken"
    assert (
        state(FP8, "my-build", **own("my-build", image="mine:1", engine_version="0.24.0"), profiles=ranged) == "broken"
    )


def test_a_profile_may_be_for_a_version_and_the_host_or_the_service_may_say_otherwise() -> None:
    named = {"profiles": {"qwen3-8b-vllm": {"version": "26.05"}}}
    assert [
        run(entry, extra=named, engine_versions=versions).services[0].version
        for entry, versions in [
            ("qwen3-8b-vllm", {}),
            ("qwen3-8b-vllm", {"vllm": "26.03"}),
            ({"profile": "qwen3-8b-vllm", "version": "26.01"}, {"vllm": "26.03"}),
        ]
    ] == ["26.05", "26.03", "26.01"]


def test_a_profile_for_a_version_that_its_engine_lacks_is_refused() -> None:
    problem = run(extra={"profiles": {"qwen3-8b-vllm": {"version": "nosuch"}}}).problems[0]
    assert (problem.code, problem.variable) == ("THOR-VERSION-UNKNOWN", "thor_extra_profiles['qwen3-8b-vllm'].version")
    assert "25.10" in problem.remedy and "0.33.0" in problem.remedy
