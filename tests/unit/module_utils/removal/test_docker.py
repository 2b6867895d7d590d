# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Containers, images and volumes of ours, against the fake dockerd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import image_host
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import docker_api, install_record
from ansible_collections.jetson.thor.plugins.module_utils.images import record
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from ansible_collections.jetson.thor.plugins.module_utils.removal.docker import Containers
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host
from fake_dockerd import LABEL, Dockerd
from image_runs import ONE, VLLM

OURS = f"hub:5000/nvidia/vllm@{ONE}"


@pytest.fixture
def dockerd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dockerd]:
    """A dockerd with an image, a container and a volume of ours, and somebody else's beside them."""
    image_host.redirect(tmp_path, monkeypatch)
    with image_host.dockerd(tmp_path, monkeypatch) as server:
        held = record.read_record()
        record.note(held, VLLM, ONE, None)
        record.write_record(held)
        server.add(VLLM, OURS)
        server.add("a-persons:image")
        server.has("thor-chat", LABEL)
        server.has("database")
        server.volumes = [{"Name": name, "Driver": "local"} for name in ("thor-chat-cache", "database")]
        yield server


def step(tmp_path: Path, server: Dockerd) -> Containers:
    return Containers(Host(tmp_path, install_record.EMPTY), docker_api.Docker(str(server.path)))


def test_ours_go_and_others_stay(tmp_path: Path, dockerd: Dockerd) -> None:
    removal = step(tmp_path, dockerd)
    items = [one for one in removal.find() if isinstance(one, Removable)]
    assert [(one.kind, one.name) for one in items] == [
        ("container", "thor-chat"),
        ("image", VLLM),
        ("volume", "thor-chat-cache"),
    ]
    assert list(removal.remove(items)) == []
    assert (list(dockerd.containers), dockerd.names()) == (["database"], {"a-persons:image"})
    assert [one["Name"] for one in dockerd.volumes] == ["database"]
    assert list(step(tmp_path, dockerd).find()) == []


def test_an_image_that_somebody_uses_stays_with_the_reason(tmp_path: Path, dockerd: Dockerd) -> None:
    dockerd.in_use = {VLLM}
    removal = step(tmp_path, dockerd)
    (kept,) = removal.remove([one for one in removal.find() if isinstance(one, Removable)])
    assert kept.name == VLLM and kept.why


def test_what_only_our_containers_use_goes_and_what_a_persons_uses_stays(tmp_path: Path, dockerd: Dockerd) -> None:
    (image,) = [one for one in dockerd.images if VLLM in one["RepoTags"]]
    volume = {"Type": "volume", "Name": "thor-chat-cache"}
    dockerd.uses = {"thor-chat": {"ImageID": image["Id"], "Mounts": [volume]}, "database": {"ImageID": image["Id"]}}
    assert list(step(tmp_path, dockerd).find())[1:] == [
        Kept("image", VLLM, "the container database uses it"),
        Removable("volume", "thor-chat-cache", ("thor-chat-cache",), 0, "the collection put it into Docker"),
    ]
    del dockerd.containers["database"]
    assert [type(one) for one in step(tmp_path, dockerd).find()] == [Removable] * 3


def test_a_dockerd_that_does_not_run_is_not_asked(
    tmp_path: Path, dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "dockerd_runs", lambda: False)
    (kept,) = step(tmp_path, dockerd).find()
    assert isinstance(kept, Kept) and kept.name == OURS and kept.why.startswith("dockerd does not run")
