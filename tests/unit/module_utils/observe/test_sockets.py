# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Who listens on which TCP port."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.observe import sockets


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_listening_socket_is_found_with_its_process(family: socket.AddressFamily, address: str) -> None:
    with socket.socket(family) as server:
        server.bind((address, 0))
        server.listen()
        port = server.getsockname()[1]
        (found,) = [one for one in sockets.listening() if one["port"] == port]
    assert found["pid"] == os.getpid()
    full = "0000:0000:0000:0000:0000:0000:0000:0001" if family == socket.AF_INET6 else address
    assert found["address"] == full


@pytest.mark.parametrize(
    ("cgroups", "unit"),
    [
        ("0::/system.slice/thor-chat.service\n", "thor-chat.service"),
        ("0::/user.slice/user-1000.slice/session-1.scope\n", None),
        (f"0::/system.slice/docker-{'a' * 64}.scope\n", "thor-box.service"),
        (f"9:name=systemd:/docker/{'a' * 64}\n7:blkio:/\n", "thor-box.service"),
        (f"9:name=systemd:/docker/{'b' * 64}\n", None),
        (f"9:name=systemd:/docker/{'c' * 64}\n", None),
        ("", None),
    ],
)
def test_a_process_in_a_container_belongs_to_the_unit_that_runs_it(cgroups: str, unit: str | None) -> None:
    assert sockets._unit(cgroups, {"a" * 64: "thor-box.service", "b" * 64: None}) == unit


def test_sockets_that_systemd_holds_for_our_services_are_known_by_their_ports(tmp_path: Path) -> None:
    (tmp_path / "thor-nap.socket").write_text("[Socket]\nListenStream=[::1]:8000\n", encoding="utf-8")
    (tmp_path / "thor-drop-caches.socket").write_text("[Socket]\nListenStream=/run/x.sock\n", encoding="utf-8")
    (tmp_path / "other.socket").write_text("[Socket]\nListenStream=127.0.0.1:9000\n", encoding="utf-8")
    assert sockets._activated(tmp_path) == {8000: "thor-nap.socket"}
