# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Caches of services that are gone, and lists of options of engines that are gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.prune import caches
from host_tree import SERVICE, HostTree, named


def test_the_cache_of_a_service_that_is_gone_goes_from_both_places(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    for name in ("chat", "gone"):
        host.write(f"/var/cache/private/thor/{name}/kernels", "k" * 5000)
        host.path("/var/cache/thor").mkdir(parents=True, exist_ok=True)
        host.path(f"/var/cache/thor/{name}").symlink_to(f"../private/thor/{name}")
    needs = host.needs(SERVICE)
    (found,) = caches.find(needs, frozenset())
    assert found.name == "cache of gone" and found.bytes >= 5000
    caches.remove(needs, found)
    assert [path.name for path in host.path("/var/cache/thor").iterdir()] == ["chat"]
    assert [path.name for path in host.path("/var/cache/private/thor").iterdir()] == ["chat"]


def test_a_removal_that_is_interrupted_leaves_no_half_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = HostTree(tmp_path)
    host.write("/var/cache/thor/gone/kernels")
    needs = host.needs(SERVICE)
    (found,) = caches.find(needs, frozenset())

    def killed(path: Path, **_options: object) -> None:
        if path.exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            caches.remove(needs, found)
    assert not host.path("/var/cache/thor/gone").exists()
    for one in list(caches.find(needs, frozenset())):
        caches.remove(needs, one)
    assert not list(host.path("/var/cache/thor").iterdir()), "the next run finds what is left"


def test_a_service_that_a_rollback_brings_back_keeps_its_cache(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.write("/var/cache/thor/old/x")
    host.write("/var/lib/thor/before.json", "ExecStart=... --config /etc/thor/services/old.json")
    assert list(caches.find(host.needs(SERVICE), frozenset())) == []


def test_a_link_in_the_cache_is_removed_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    victim = host.write("/home/keys")
    host.path("/var/cache/thor").mkdir(parents=True)
    host.path("/var/cache/thor/gone").symlink_to(victim.parent)
    needs = host.needs(SERVICE)
    (found,) = caches.find(needs, frozenset())
    caches.remove(needs, found)
    assert victim.exists() and not host.path("/var/cache/thor/gone").is_symlink()


def test_lists_of_options_go_with_their_engines(tmp_path: Path) -> None:
    host = HostTree(tmp_path)
    host.environment("vllm", "0.33.0-aaaaaaaaaaaa")
    for name in ("vllm-aaaaaaaaaaaa", "vllm-bbbbbbbbbbbb", "sglang-cccccccccccc"):
        host.write(f"/var/lib/thor/flags/{name}.json", "{}")
    found = named(caches.find(host.needs(SERVICE), frozenset({f"sha256:{'c' * 64}"})))
    assert found == {"options of vllm-bbbbbbbbbbbb": "cache"}
