# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Builds and environments that nothing needs, and what their jobs have left."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.prune import engines
from ansible_collections.jetson.thor.plugins.module_utils.removable import Removable
from host_tree import SERVICE, HostTree, named


@pytest.fixture
def host(tmp_path: Path) -> HostTree:
    """A host whose service runs one of three builds; a rollback needs another."""
    tree = HostTree(tmp_path)
    tree.tree("llama.cpp", "0c1e570-aaa", current="0c1e570", age=1)
    before = tree.tree("llama.cpp", "0b00000-bbb", current="0b00000", age=2)
    tree.tree("llama.cpp", "0a00000-ccc", current="0a00000", age=3)
    tree.unit("chat", f"{tree.path('/opt/thor/engines/llama.cpp/0c1e570')}/bin/llama-server")
    tree.write("/var/lib/thor/before.json", f'{{"unit": "ExecStart={tree.path(before)}/bin/llama-server"}}')
    return tree


def remove(host: HostTree, **settings: Any) -> None:
    needs = host.needs(SERVICE, **settings)
    for one in list(engines.find(needs)):
        if isinstance(one, Removable):
            engines.remove(needs, one)


def test_a_tree_goes_with_its_link_when_no_service_and_no_rollback_names_it(host: HostTree) -> None:
    (found,) = engines.find(host.needs(SERVICE))
    assert named([found]) == {"llama.cpp 0a00000-ccc": "build"}
    assert isinstance(found, Removable) and found.paths == ("/opt/thor/engines/llama.cpp/0a00000-ccc",)
    assert found.bytes > 7000
    remove(host)
    left = {path.name for path in host.path("/opt/thor/engines/llama.cpp").iterdir()}
    assert left == {"0c1e570-aaa", "0c1e570", "0b00000-bbb", "0b00000"}
    assert list(engines.find(host.needs(SERVICE))) == []


def test_generations_and_pins_stay(host: HostTree) -> None:
    assert named(engines.find(host.needs(SERVICE, keep=3))) == {}
    assert named(engines.find(host.needs(SERVICE, pins=("llama.cpp 0a*",)))) == {}
    host.path("/var/lib/thor/before.json").unlink()
    assert named(engines.find(host.needs(SERVICE, keep=2))) == {"llama.cpp 0a00000-ccc": "build"}
    assert len(named(engines.find(host.needs(SERVICE)))) == 2


def test_a_version_of_the_inventory_stays_before_it_serves(host: HostTree) -> None:
    assert named(engines.find(host.needs({**SERVICE, "version": "0a00000"}))) == {}


def test_what_a_person_put_beside_stays(host: HostTree, tmp_path: Path) -> None:
    elsewhere = tmp_path / "home"
    host.write("/home/build.json", "{}")
    host.write("/opt/thor/engines/llama.cpp/my-own/bin/llama-server")
    host.path("/opt/thor/engines/llama.cpp/linked").symlink_to(elsewhere)
    host.path("/opt/thor/engines/other").symlink_to(elsewhere.parent)
    host.path("/opt/thor/engines/llama.cpp/.x.partial").symlink_to(elsewhere)
    remove(host)
    assert (elsewhere / "build.json").exists()
    assert host.path("/opt/thor/engines/llama.cpp/my-own/bin/llama-server").exists()
    assert host.path("/opt/thor/engines/llama.cpp/linked").is_symlink()


def test_an_interrupted_removal_goes_on(host: HostTree) -> None:
    host.write("/opt/thor/engines/llama.cpp/.0900000-ddd.removed/bin/llama-server")
    host.write("/opt/thor/engines/vllm/.0.33.0-eee.partial/bin/python")
    found = named(engines.find(host.needs(SERVICE)))
    assert found["llama.cpp .0900000-ddd.removed"] == found["vllm .0.33.0-eee.partial"] == "leftover"
    remove(host)
    assert named(engines.find(host.needs(SERVICE))) == {}


def test_a_removal_that_is_interrupted_leaves_nothing_under_a_name_that_is_trusted(
    host: HostTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("src/whisper.cpp/x", "build/llama.cpp/f/x", "uv/vllm-0.33.0-f/cache/x"):
        host.write(f"/var/lib/thor/{name}")
    needs = host.needs(SERVICE)
    found = [one for one in engines.find(needs) if isinstance(one, Removable)]
    assert {one.kind for one in found} == {"build", "cache"}

    def killed(path: Path, **_options: object) -> None:
        if path.exists():
            raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    for one in found:
        with pytest.raises(KeyboardInterrupt):
            engines.remove(needs, one)
        assert not any(host.path(path).exists() for path in one.paths), one.name


def test_caches_stay_as_long_as_a_build_or_an_environment_may_need_them(host: HostTree) -> None:
    for name in (
        "src/llama.cpp/x",
        "src/whisper.cpp/x",
        "build/llama.cpp/f/x",
        "ccache/0/x",
        "uv/vllm-0.33.0-f/cache/x",
    ):
        host.write(f"/var/lib/thor/{name}")
    found = named(engines.find(host.needs(SERVICE)))
    assert {name for name, kind in found.items() if kind == "cache"} == {
        "sources of whisper.cpp",
        "build tree of llama.cpp",  # the inventory's version is installed
        "packages of vllm-0.33.0-f",
    }
    vllm = {**SERVICE, "name": "v", "engine": "vllm", "version": "0.33.0", "kind": "packages"}
    newer = {**SERVICE, "version": "0d00000"}
    found = named(engines.find(host.needs(newer, vllm)))
    assert {name for name, kind in found.items() if kind == "cache"} == {"sources of whisper.cpp"}


def test_without_a_service_every_cache_goes(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    for name in ("src/llama.cpp/x", "build/llama.cpp/f/x", "ccache/0/x"):
        host.write(f"/var/lib/thor/{name}")
    assert set(named(engines.find(host.needs()))) == {
        "sources of llama.cpp",
        "build tree of llama.cpp",
        "compiler cache",
    }
