# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Drop-ins of somebody else: which are read, and which change what a service is."""

from __future__ import annotations

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import File
from switch_helper import Host, service

OPEN = "[Service]\nExecStart=\nExecStart=/usr/bin/llama-server \\\n  --host 0.0.0.0\n"


@pytest.mark.parametrize(
    ("folder", "text", "named"),
    [
        ("thor-chat.service.d", OPEN, "ExecStart"),
        ("thor-.service.d", OPEN, "ExecStart"),
        ("thor.target.d", "[Unit]\nConflicts=ssh.service\n", "Conflicts"),
        ("thor-chat.service.d", "[Service]\n Environment = X=1\nUser=root\n", "Environment, User"),
        (
            "thor-chat.service.d",
            "[Service]\n# ExecStart=x\nCPUWeight=10\nMemoryMax=1G\nLimitNOFILE=9\n[Unit]\nAfter=x\n",
            None,
        ),
        ("thor-chat.service.d", "", None),
        ("service.d", OPEN, None),  # of all units of the host
        ("thor-else.service.d", OPEN, None),
    ],
)
def test_a_drop_in_that_makes_another_service_of_it_is_drift(
    host: Host, folder: str, text: str, named: str | None
) -> None:
    host.carry_out(service("chat", 8000))
    path = f"/etc/systemd/system/{folder}/override.conf"
    host.disk.write(File(path, text))
    (host.disk.path(path).parent / "folder.conf").mkdir()
    drift = host.difference(service("chat", 8000)).drift
    assert [f"{path} = {named}" in line and line.startswith("THOR-UNIT-DRIFT: ") for line in drift] == [True] * bool(
        named
    )
    # The same where systemd has read it, and it lies elsewhere.
    host.disk.path(path).unlink()
    elsewhere = f"/run/systemd/system/{folder}/override.conf"
    host.disk.write(File(elsewhere, text))
    host.systemd.drop_ins = {
        unit: (elsewhere,) for unit in ("thor-chat.service", "thor.target") if folder != "thor-else.service.d"
    }
    assert bool(host.difference(service("chat", 8000)).drift) == bool(named)


@pytest.mark.parametrize("name", ["thor-chat-a.service.d", "thor-chat-.service.d", "thor-.service.d"])
@pytest.mark.parametrize("root", ["etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system"])
def test_a_drop_in_counts_wherever_systemd_would_read_it(host: Host, name: str, root: str) -> None:
    host.carry_out(service("chat-a", 8000))
    path = f"/{root}/{name}/override.conf"
    host.disk.write(File(path, OPEN))
    (line,) = host.difference(service("chat-a", 8000)).drift
    assert path in line
    # Of one name the first counts: this is how a person takes a distribution's away.
    host.disk.link("/dev/null", "/etc/systemd/system.control/thor-chat-a.service.d/override.conf")
    assert host.difference(service("chat-a", 8000)).drift == []
