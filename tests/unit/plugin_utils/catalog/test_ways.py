# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The ways to install an engine: which version stands for each, and what it costs."""

from __future__ import annotations

from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.package_locks import LockFile
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import LockSummary, Way
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.ways import PLATFORM, UNPACKED
from real_catalog import load

ENGINE: dict[str, Any] = {
    "role": "llama_cpp",
    "command": ["vllm", "serve", "{path}"],
    "listen": {"address": "host", "port": "port"},
    "api": "chat",
    "port": 8000,
    "memory": None,
    "image": {"bytes": 30_000_000_000, "download_bytes": 10_000_000_000},
    "version": "i1",
    "versions": {
        "i1": {"image": "registry.example.org/e:1", "engine_version": "0.10.2"},
        "i2": {"image": "registry.example.org/e:2", "engine_version": "0.9.1", "download_bytes": 9_000_000_000},
        "p1": {"packages": "vllm==0.9.0", "engine_version": "0.9.0"},
        "p2": {"packages": "vllm==0.10.0", "engine_version": "0.10.0"},
    },
}
PROFILE = {"engine": "mine", "model": "qwen3-8b", "served_name": "m", "memory_gib": 20}
LOCKS = {"cp311-x86_64": 300, PLATFORM: 4_000_000_000, "cp313-aarch64": 500}


def ways(
    version: str = "i1",
    status: list[dict[str, Any]] | None = None,
    inputs: dict[str, Any] | None = None,
    **versions: Any,
) -> tuple[Way, ...]:
    """The ways to install a made-up engine; ``versions`` take the place of its own."""
    engine = {**ENGINE, "version": version, "versions": versions or ENGINE["versions"]}
    extra = {"engines": {"mine": engine}, "profiles": {"p": {**PROFILE, "status": status or []}}}
    catalog, problems = load(extra)
    assert problems == []
    catalog.locks = tuple(
        LockFile(
            path=f"/locks/{tag}-{stem}",
            stem=stem,
            tag=tag,
            requirement=stem.replace("vllm-", "vllm=="),
            summary=LockSummary(path="/locks/x", sha256="0" * 64, packages=199, bytes=size),
        )
        for stem in ("vllm-0.9.0", "vllm-0.10.0")
        for tag, size in LOCKS.items()
    )
    (service,) = resolve(Inputs(["p"], allow_broken=True, **(inputs or {})), catalog).services
    return service.ways


def test_the_chosen_version_stands_for_its_kind_and_the_newest_for_the_others() -> None:
    assert [(way.kind, way.version) for way in ways()] == [("image", "i1"), ("packages", "p2")]
    assert [(way.kind, way.version) for way in ways("p1")] == [("image", "i1"), ("packages", "p1")]


def test_newest_is_by_numbers_and_a_version_that_says_nothing_is_the_oldest() -> None:
    silent = {"packages": "vllm==0.9.0"}
    old, new = ({"packages": f"vllm=={one}", "engine_version": one} for one in ("0.9.0", "0.10.0"))
    image = ENGINE["versions"]["i1"]
    assert [way.version for way in ways("i1", i1=image, new=new, old=old, silent=silent)] == ["i1", "new"]


def test_an_engine_with_one_kind_of_version_has_nothing_to_compare() -> None:
    assert ways("i1", i1=ENGINE["versions"]["i1"]) == ()


def test_a_version_that_is_known_to_be_broken_is_not_offered_while_there_is_another() -> None:
    broken = {"state": "broken", "reason": "it crashes", "versions": ["p2"]}
    assert [(way.version, way.state) for way in ways(status=[broken])][1] == ("p1", "untested")
    both = {"state": "broken", "reason": "it crashes", "versions": ["p1", "p2"]}
    assert [(way.version, way.state) for way in ways(status=[both])][1] == ("p2", "broken")


def test_what_each_way_costs() -> None:
    image, packages = ways()
    assert (image.origin, image.download_bytes, image.estimated, image.disk_bytes, image.packages) == (
        "registry.example.org/e:1",
        10_000_000_000,
        True,
        30_000_000_000,
        None,
    )
    assert (packages.origin, packages.download_bytes, packages.estimated, packages.packages) == (
        "vllm==0.10.0",
        LOCKS[PLATFORM],
        False,
        199,
    )
    assert packages.disk_bytes == round(LOCKS[PLATFORM] * UNPACKED)
    assert (ways("i2")[0].download_bytes, ways("i2")[0].estimated) == (9_000_000_000, False)


def test_an_image_is_from_the_registry_that_takes_nvidias_place() -> None:
    image = {"image": "nvcr.io/nvidia/vllm:25.10-py3", "engine_version": "0.10.2"}
    found = ways("i1", inputs={"ngc_registry": "cache.example.org:5000"}, i1=image, p1=ENGINE["versions"]["p1"])
    assert found[0].origin == "cache.example.org:5000/nvidia/vllm:25.10-py3"


def test_a_build_is_from_its_sources() -> None:
    source = {"git": "https://example.org/e.git", "commit": "1" * 40}
    build, image = ways("i1", i1=ENGINE["versions"]["i1"], b1={"source": source, "engine_version": "0.1"})
    assert (build.kind, build.origin, build.download_bytes) == ("build", "https://example.org/e.git", None)
    assert image.kind == "image"
