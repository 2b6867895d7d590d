# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The unit of a service: what the role's template is filled with, and what comes out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import resolved
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import unit
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings

HOST: dict[str, Any] = {
    "systemd": 255,
    "groups": ["render", "video"],
    "device_nodes": ["/dev/nvidia0", "/dev/dri/renderD128", "/dev/nvmap"],
    "builds": {},
    "images": {},
    "docker": None,
}
CHAT = resolved.service(resolved.LLAMA, name="chat")
CONTAINER = resolved.service(resolved.VLLM, name="box")


def lines(service: Service, host: dict[str, Any] | None = None, tag: str | None = None, **settings: Any) -> list[str]:
    return unit.text(service, {**HOST, **(host or {})}, Settings(**settings), tag).splitlines()


def value(found: list[str], key: str) -> str:
    """The value of the only directive of this name."""
    (only,) = [line for line in found if line.startswith(f"{key}=")]
    return only.removeprefix(f"{key}=")


def test_a_native_engine_is_started_from_its_build() -> None:
    start = "/usr/bin/python3 -I /opt/thor/supervisor --config /etc/thor/services/chat.json -- "
    found = lines(CHAT)
    link = f"/opt/thor/engines/llama.cpp/{CHAT.version}"
    assert value(found, "ExecStart").startswith(f"{start}{link}/bin/llama-server ")
    built = {"llama.cpp": {CHAT.version: {"path": f"{link}-abc"}}}
    assert value(lines(CHAT, {"builds": built}), "ExecStart").startswith(f"{start}{link}-abc/bin/llama-server ")
    assert "HOME=/var/cache/thor/chat" in value(found, "Environment").split()
    assert not [line for line in found if line.startswith(("ExecStopPost=", "EnvironmentFile=", "Wants=docker"))]


def test_a_container_is_removed_where_its_supervisor_was_killed() -> None:
    found = lines(CONTAINER)
    assert value(found, "ExecStopPost").startswith("/bin/sh -c ")
    assert found[found.index(next(line for line in found if line.startswith("ExecStopPost="))) + 1].endswith("--remove")
    assert value(found, "Environment") == "DOCKER_CONFIG=/var/cache/thor/box/docker HOME=/var/cache/thor/box"
    assert value(found, "SupplementaryGroups") == "docker thor"
    assert value(found, "PrivateDevices") == "yes"


def test_the_description_names_model_engine_and_version() -> None:
    model = f"{CHAT.model.id}@{CHAT.model.revision}"  # type: ignore[union-attr]
    assert value(lines(CHAT), "Description") == f"jetson.thor: chat, {model} with llama.cpp {CHAT.version}"


def test_only_the_nodes_of_this_device_are_open() -> None:
    found = [line for line in lines(CHAT) if line.startswith("DeviceAllow=")]
    assert found == ["DeviceAllow=char-nvidia* rw", "DeviceAllow=char-drm rw", "DeviceAllow=/dev/nvmap rw"]
    assert value(lines(CHAT), "SupplementaryGroups") == "render video thor"
    without = lines(CHAT, {"device_nodes": [], "groups": []})
    assert value(without, "SupplementaryGroups") == "thor"
    assert not [line for line in without if line.startswith(("Device", "PrivateDevices"))]
    assert value(lines(CHAT, {"device_nodes": []}, require_gpu=False), "PrivateDevices") == "yes"


@pytest.mark.parametrize(("version", "steps"), [(255, True), (254, True), (253, False), (None, False)])
def test_restarts_slow_down_where_systemd_can(version: int | None, steps: bool) -> None:
    assert ("RestartSteps=5" in lines(CHAT, {"systemd": version})) is steps


def test_an_address_of_the_network_waits_for_it() -> None:
    assert "After=network-online.target" not in lines(CHAT)
    assert "After=network-online.target" not in lines(replace(CHAT, address="::1"))
    assert "After=network-online.target" in lines(replace(CHAT, address="0.0.0.0"))


def test_a_native_engine_without_remote_media_reaches_only_its_own_device() -> None:
    assert "IPAddressDeny=any" not in lines(CHAT)
    assert "IPAddressDeny=any" in lines(replace(CHAT, remote_media=False))
    assert "IPAddressDeny=any" not in lines(replace(CONTAINER, remote_media=False))


def test_the_stop_timeout_leaves_the_supervisor_time_after_the_engine() -> None:
    assert value(lines(CHAT, stop_timeout=45), "TimeoutStopSec") == "75"


def test_a_secret_is_read_from_the_file_with_its_tag() -> None:
    service = replace(CHAT, secrets=("HF_TOKEN",))
    assert value(lines(service, tag="0a0b0c0d"), "EnvironmentFile") == "/etc/thor/secrets/chat-0a0b0c0d.env"
    assert value(lines(service), "EnvironmentFile") == "/etc/thor/secrets/chat-new.env"
