# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The version of an engine decides how it is installed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import kinds
from real_catalog import run

THREE = {
    "one": {"image": "registry.test/vllm:1"},
    "two": {"packages": "vllm==0.33.0"},
    "three": {"source": {"git": "https://example.org/vllm.git", "commit": "a" * 40}},
}


@pytest.mark.parametrize(
    ("version", "kind", "role"),
    [("one", "image", "engine_image"), ("two", "packages", "python_engine"), ("three", "build", None)],
)
def test_each_version_of_one_engine_may_be_of_another_kind(version: str, kind: str, role: str | None) -> None:
    result = run(
        {"profile": "qwen3-8b-vllm", "version": version},
        extra={"engines": {"vllm": {"versions": THREE}}},
        allow_unchecked_flags=True,
    )
    (service,) = result.services
    assert (service.kind, service.role) == (kind, role)
    there = (service.image is not None, service.packages is not None, service.source is not None)
    assert there == (kind == "image", kind == "packages", kind == "build")
    # What the collection sets for the engine is the same; what only an image needs is only there.
    assert service.environment["VLLM_NO_USAGE_STATS"] == "1"
    assert ("TRITON_PTXAS_PATH" in service.environment) == (kind == "image")


def test_an_engines_own_environment_is_below_that_of_its_kind_and_both_below_the_profiles() -> None:
    engine: dict[str, Any] = {
        "environment": {"A": "engine", "B": "engine", "C": "engine"},
        "image": {"environment": {"B": "image", "C": "image"}},
    }
    entry = {"profile": "qwen3-8b-vllm", "environment": {"C": "entry"}}
    environment = run(entry, extra={"engines": {"vllm": engine}}).services[0].environment
    assert [environment[key] for key in "ABC"] == ["engine", "image", "entry"]


def test_a_version_that_is_not_there_counts_as_the_default_versions_kind() -> None:
    engine = {"version": "one", "versions": THREE}
    assert kinds.kind_of(engine, "nosuch") == "image"
    assert kinds.kind_of({**engine, "version": "three"}, "nosuch") == "build"


def test_packages_that_only_images_need_are_not_asked_of_other_kinds() -> None:
    extra = {"engines": {"vllm": {"versions": THREE}}}
    for version, expected in (("one", True), ("two", False)):
        entry = {"profile": "whisper-small-vllm", "version": version}
        assert bool(run(entry, extra=extra, allow_unchecked_flags=True).services[0].python_packages) == expected
