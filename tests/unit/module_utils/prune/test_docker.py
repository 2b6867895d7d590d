# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Images and volumes that nothing needs, against the fake dockerd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import image_host
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import docker_api, referrers
from ansible_collections.jetson.thor.plugins.module_utils.images import layer_cache, record
from ansible_collections.jetson.thor.plugins.module_utils.prune.docker import Store, wanted_images
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from fake_dockerd import Dockerd
from host_tree import REFERRERS, SERVICE, HostTree, named
from image_runs import ONE, SGLANG, TWO, VLLM

IMAGE = {**SERVICE, "name": "big", "engine": "vllm", "version": "25.10", "kind": "image", "image": VLLM}
OTHER = f"hub:5000/nvidia/sglang@{TWO}"


@pytest.fixture
def dockerd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dockerd]:
    """A dockerd with two images of ours and one of somebody else's."""
    image_host.redirect(tmp_path, monkeypatch)
    monkeypatch.setattr(referrers, "REFERRERS", REFERRERS)
    with image_host.dockerd(tmp_path, monkeypatch) as server:
        held = record.read_record()
        record.note(held, VLLM, ONE, None)
        record.note(held, SGLANG, TWO, None)
        record.write_record(held)
        server.add(VLLM, f"hub:5000/nvidia/vllm@{ONE}", Size=30_000, SharedSize=10_000)
        server.add(SGLANG, OTHER, Size=40_000, SharedSize=15_000, Created=5)
        server.add("a-persons:image", Size=7)
        yield server


def store(tmp_path: Path, server: Dockerd, *services: dict[str, Any], **settings: Any) -> Store:
    needs = HostTree(tmp_path).needs(*services, **settings)
    return Store(needs, docker_api.Docker(str(server.path)))


def only(pruned: Store) -> Removable:
    """The one thing that is found, which is to go."""
    (found,) = pruned.find()
    assert isinstance(found, Removable)
    return found


def test_an_image_that_no_service_needs_is_named_with_the_bytes_that_only_it_has(
    tmp_path: Path, dockerd: Dockerd
) -> None:
    found = only(store(tmp_path, dockerd, IMAGE))
    assert (found.name, found.paths, found.bytes) == (SGLANG, (OTHER,), 25_000)


def test_it_is_removed_and_nobody_elses_is(tmp_path: Path, dockerd: Dockerd) -> None:
    pruned = store(tmp_path, dockerd, IMAGE)
    assert len(list(pruned.find())) == 1
    assert pruned.remove_images() == ([OTHER], {})
    assert dockerd.names() == {VLLM, f"hub:5000/nvidia/vllm@{ONE}", "a-persons:image"}
    assert list(store(tmp_path, dockerd, IMAGE).find()) == []


@pytest.mark.parametrize("settings", [{"keep": 1}, {"pins": (SGLANG,)}, {"pins": ("*/sglang@*",)}])
def test_generations_and_pins_stay(tmp_path: Path, dockerd: Dockerd, settings: dict[str, object]) -> None:
    pruned = store(tmp_path, dockerd, IMAGE, **settings)
    assert list(pruned.find()) == []
    assert pruned.remove_images() == ([], {})
    assert OTHER in dockerd.names()


def test_an_image_that_a_rollback_needs_stays_with_the_reason(tmp_path: Path, dockerd: Dockerd) -> None:
    HostTree(tmp_path).write("/var/lib/thor/before.json", f"docker run {OTHER}")
    assert named(store(tmp_path, dockerd, IMAGE).find()) == {OTHER: "/var/lib/thor/before.json names it"}


def test_volumes_of_services_that_are_gone(tmp_path: Path, dockerd: Dockerd) -> None:
    plain: dict[str, Any] = {"Driver": "local", "Options": None, "Labels": None, "UsageData": {"Size": 99}}
    others: list[dict[str, Any]] = [
        {**plain, "Name": "thor-big-cache"},  # of the inventory
        {**plain, "Name": "thor-served-cache"},  # of the host
        {**plain, "Name": "data"},
        {**plain, "Name": "thor-x-cache", "Labels": {"com.docker.compose.project": "x"}},
        {**plain, "Name": "thor-y-cache", "Options": {"device": "/srv/y", "o": "bind"}},
    ]
    dockerd.volumes = [{**plain, "Name": "thor-gone-cache"}, *others]
    HostTree(tmp_path).unit("served", "docker run")
    pruned = store(tmp_path, dockerd, IMAGE, pins=("*sglang*",))
    found = only(pruned)
    assert (found.name, found.kind, found.bytes) == ("thor-gone-cache", "volume", 99)
    pruned.remove(found)
    assert dockerd.volumes == others


def test_what_a_container_uses_is_not_promised(tmp_path: Path, dockerd: Dockerd) -> None:
    (image,) = [one for one in dockerd.images if SGLANG in one["RepoTags"]]
    dockerd.volumes = [{"Name": "thor-gone-cache", "Driver": "local", "Options": None, "Labels": None}]
    for name, uses in (
        ("mine", {"ImageID": image["Id"], "Mounts": [{"Type": "bind", "Source": "/srv"}]}),
        ("other", {"ImageID": "x", "Mounts": [{"Type": "volume", "Name": "thor-gone-cache"}]}),
    ):
        dockerd.has(name)
        dockerd.uses[name] = uses
    pruned = store(tmp_path, dockerd, IMAGE)
    assert list(pruned.find()) == [
        Kept("image", SGLANG, "the container mine uses it"),
        Kept("volume", "thor-gone-cache", "the container other uses it"),
    ]
    assert pruned.remove_images() == ([], {}) and OTHER in dockerd.names()


def test_layers_of_an_interrupted_pull_stay_while_a_service_waits_for_them(tmp_path: Path, dockerd: Dockerd) -> None:
    waiting, gone = (f"{layer_cache.PARTIAL}:{layer_cache.cache_name(one)}" for one in (VLLM, SGLANG))
    dockerd.add(waiting)
    dockerd.add(gone)
    pruned = store(tmp_path, dockerd, IMAGE, pins=("*sglang*",))
    found = only(pruned)
    assert (found.kind, found.name) == ("download", gone)
    pruned.remove(found)
    assert waiting in dockerd.names() and gone not in dockerd.names()


def test_wanted_images_have_the_packages_of_all_their_services() -> None:
    services = [
        IMAGE,
        {**IMAGE, "python_packages": ["b==1", "a==2"]},
        {**IMAGE, "python_packages": ["a==2", "b==1"]},
        SERVICE,
    ]
    assert wanted_images(services) == [{"reference": VLLM, "extras": [["a==2", "b==1"]]}]
