# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Nulls in entries of the inventory remove what is there and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from real_catalog import CHAT, only, run

OWN = {"m": {"huggingface": "a/b"}}


def test_own_debian_packages_are_added_to_those_that_the_engine_needs() -> None:
    def apt(packages: Any) -> tuple[str, ...]:
        (service,) = run(
            {"profile": "qwen3-8b-vllm", "version": "0.33.0"}, extra={"engines": {"vllm": {"packages": packages}}}
        ).services
        assert service.packages is not None
        return service.packages.apt

    assert apt({}) == ("g++", "python3-dev")
    assert apt({"apt": ["libnuma1", "g++"]}) == ("g++", "python3-dev", "libnuma1")
    assert apt({"apt": []}) == ("g++", "python3-dev"), "without them its kernels cannot be compiled"


@pytest.mark.parametrize("packages", [None, [], {"apt": "g++"}, {"apt": None}, {"apt": [5]}, {"apt": [["a"]]}])
def test_own_packages_of_a_wrong_type_are_refused(packages: Any) -> None:
    (problem, *_) = run("qwen3-8b-vllm", extra={"engines": {"vllm": {"packages": packages}}}).problems
    assert problem.variable.startswith("thor_extra_engines['vllm'].packages") and problem.code == "THOR-TYPE-INVALID"


def test_null_removes_an_option_that_is_set_and_nothing_else() -> None:
    assert not run({"profile": CHAT, "options": {"ctx-size": None}}).problems
    problem = only(run({"profile": CHAT, "options": {"threads": None}}))
    assert (problem.code, problem.variable) == ("THOR-FLAG-NULL", "thor_profiles[0].options['threads']")
    bare = only(run({"model": "m", "engine": "vllm", "options": {"enforce-eager": None}}, extra={"models": OWN}))
    assert bare.code == "THOR-FLAG-NULL" and "or write true for an option that takes no value" in bare.remedy
    near = {
        "p": {
            "engine": "vllm",
            "model": "qwen3-8b",
            "served_name": "q",
            "memory_gib": 30,
            "options": {"max-num-seqs": 4},
        }
    }
    mistyped = only(run({"profile": "p", "options": {"max-num-seq": None}}, extra={"profiles": near}))
    assert mistyped.code == "THOR-FLAG-UNKNOWN"


@pytest.mark.parametrize(
    ("extra", "variable"),
    [
        ({"profiles": {CHAT: {"options": {"threads": None}}}}, f"thor_extra_profiles['{CHAT}'].options['threads']"),
        ({"engines": {"vllm": {"options": {"seed": None}}}}, "thor_extra_engines['vllm'].options['seed']"),
        (
            {"engines": {"vllm": {"versions": {"25.10": {"options": {"seed": None}}}}}},
            "thor_extra_engines['vllm'].versions['25.10'].options['seed']",
        ),
    ],
)
def test_null_in_own_entries_too(extra: dict[str, Any], variable: str) -> None:
    problem = only(run(extra=extra))
    assert (problem.code, problem.variable) == ("THOR-FLAG-NULL", variable)
    assert not run(extra={"profiles": {CHAT: {"options": {"ctx-size": None}}}}).problems


@pytest.mark.parametrize("image", ["ghcr.io/me/vllm:1", "nvcr.io/nvidia/vllm:mine"])
def test_an_own_image_under_a_name_of_the_catalog_inherits_nothing_of_the_catalogs_image(image: str) -> None:
    extra = {"engines": {"vllm": {"versions": {"26.05.post1": {"image": image}}}}}
    entry = {"profile": "qwen3-8b-vllm", "version": "26.05.post1"}
    (catalogs,), (own,) = run(entry).services, run(entry, extra=extra).services
    assert (catalogs.engine_version, catalogs.flags_checked, catalogs.parser) == ("0.20.1", True, None)
    assert (own.engine_version, own.flags_checked, own.parser) == (None, False, "vllm"), "it is asked on the device"
    assert catalogs.image_expected and own.image_expected == {}
    (way,) = [one for one in own.ways if one.kind == "image"]
    if image.startswith("ghcr"):
        assert (own.image_bytes, way.download_bytes, way.disk_bytes) == (None, None, None), "nobody knows its size"
    else:
        assert way.download_bytes and way.estimated, "as large as others of its repository"


def test_what_an_inventory_states_about_its_own_image_holds() -> None:
    stated = {"engine_version": "0.31.0", "download_bytes": 5, "image_bytes": 7}
    versions = {"26.05.post1": {"image": "ghcr.io/me/vllm:1", **stated}, "new": {"image": "ghcr.io/me/vllm:2"}}
    extra: dict[str, Any] = {"engines": {"vllm": {"versions": versions}}}
    entry = {"profile": "qwen3-8b-vllm", "version": "26.05.post1"}
    (own,) = run(entry, extra=extra).services
    (way,) = [one for one in own.ways if one.kind == "image"]
    assert (own.engine_version, own.flags_checked, own.image_bytes) == ("0.31.0", True, 7)
    assert (way.download_bytes, way.estimated) == (5, False)
    extra = {"engines": {"vllm": {"versions": versions, "image": {"bytes": 9}}}}
    (new,) = run({**entry, "version": "new"}, extra=extra).services
    assert new.image_bytes == 9, "what it says about the engine's images holds for its own"


def test_own_packages_under_a_name_of_the_catalog_have_no_version_that_was_not_stated() -> None:
    extra = {"engines": {"vllm": {"versions": {"0.33.0": {"packages": "vllm==0.34.0"}}}}}
    (own,) = run({"profile": "qwen3-8b-vllm", "version": "0.33.0"}, extra=extra).services
    assert (own.engine_version, own.flags_checked, own.parser) == (None, False, "vllm")
