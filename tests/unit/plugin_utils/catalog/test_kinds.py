# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The version of an engine decides how it is installed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import kinds
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.builds import RECIPES
from real_catalog import run

THREE: dict[str, dict[str, Any]] = {
    "one": {"image": "registry.test/vllm:1"},
    "two": {"packages": "vllm==0.33.0"},
    "three": {"source": {"git": "https://example.org/vllm.git", "commit": "a" * 40}},
}


@pytest.mark.parametrize(
    ("version", "kind", "role"),
    [("one", "image", "engine_image"), ("two", "packages", "python_engine"), ("three", "build", "llama_cpp")],
)
def test_each_version_of_one_engine_may_be_of_another_kind(version: str, kind: str, role: str) -> None:
    result = run(
        {"profile": "qwen3-8b-vllm", "version": version},
        extra={"engines": {"vllm": {"role": "llama_cpp", "versions": THREE}}},
    )
    (service,) = result.services
    assert (service.kind, service.role) == (kind, role)
    there = (service.image is not None, service.packages is not None, service.source is not None)
    assert there == (kind == "image", kind == "packages", kind == "build")
    # What the collection sets for the engine is the same; what only an image needs is only there.
    assert service.environment["VLLM_NO_USAGE_STATS"] == "1"
    assert ("TRITON_PTXAS_PATH" in service.environment) == (kind == "image")


@pytest.mark.parametrize(
    "version", [{"commit": "a" * 40, "source": {"git": "https://g.example/v.git"}}, THREE["three"]]
)
def test_a_build_of_an_engine_that_no_role_builds_is_refused(version: dict[str, Any]) -> None:
    extra = {"engines": {"vllm": {"versions": {"x": version}}}}
    problem, *_ = run("qwen3-8b-vllm", extra=extra, engine_versions={"vllm": "x"}).problems
    assert (problem.code, problem.variable) == ("THOR-VALUE-INVALID", "thor_extra_engines['vllm'].versions['x']")
    assert "no role builds vllm" in problem.reason and "script/lock --packages" in problem.remedy


@pytest.mark.parametrize(
    ("version", "code", "words"),
    [
        ({**THREE["one"], **THREE["two"]}, "THOR-VALUE-INVALID", "It has image and packages, but a version is installed in one way only"),
        ({**THREE["two"], "commit": "a" * 40}, "THOR-VALUE-INVALID", "but a version is installed in one way only"),
        ({"engine_version": "0.33.0"}, "THOR-KEY-MISSING", "Nothing says how this version is installed"),
    ],
)  # fmt: skip
def test_a_version_is_of_exactly_one_kind(version: dict[str, Any], code: str, words: str) -> None:
    extra = {"engines": {"vllm": {"versions": {"x": version}}}}
    problem, *_ = run("qwen3-8b-vllm", extra=extra, engine_versions={"vllm": "x"}).problems
    assert (problem.code, problem.variable) == (code, "thor_extra_engines['vllm'].versions['x']")
    assert words in problem.reason


def test_an_engine_names_only_roles_that_build() -> None:
    assert set(kinds.BUILDERS) == set(RECIPES)


def test_the_kinds_environment_comes_after_the_engines_then_the_versions_then_the_services() -> None:
    engine: dict[str, Any] = {
        "environment": dict.fromkeys("ABCD", "engine"),
        "image": {"environment": dict.fromkeys("BCD", "image")},
        "versions": {"25.10": {"environment": dict.fromkeys("CD", "version")}},
    }
    entry = {"profile": "qwen3-8b-vllm", "environment": {"D": "entry"}}
    environment = run(entry, extra={"engines": {"vllm": engine}}).services[0].environment
    assert [environment[key] for key in "ABCD"] == ["engine", "image", "version", "entry"]


def test_modelscope_is_asked_for_only_where_the_package_is_known_to_be() -> None:
    def variables(profile: str, version: str) -> set[str]:
        entry = {"profile": profile, "version": version}
        found = run(entry, allow_broken=True).services[0].environment
        return {name for name in found if "MODELSCOPE" in name}

    assert variables("qwen3-8b-vllm", "25.10") == {"VLLM_USE_MODELSCOPE"}
    assert variables("qwen3-8b-sglang", "25.10") == {"SGLANG_USE_MODELSCOPE"}
    assert variables("qwen3-8b-vllm", "26.05") == variables("qwen3-8b-vllm", "0.33.0") == set()


def test_a_version_that_is_not_there_counts_as_the_default_versions_kind() -> None:
    engine = {"version": "one", "versions": THREE}
    assert kinds.kind_of(engine, "nosuch") == "image"
    assert kinds.kind_of({**engine, "version": "three"}, "nosuch") == "build"


def test_packages_that_only_images_need_are_not_asked_of_other_kinds() -> None:
    extra = {"engines": {"vllm": {"role": "llama_cpp", "versions": THREE}}}
    for version, expected in (("one", True), ("two", False)):
        entry = {"profile": "whisper-small-vllm", "version": version}
        assert bool(run(entry, extra=extra).services[0].python_packages) == expected
