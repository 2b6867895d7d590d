# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""When a unit, its files and the running service count as unchanged."""

from __future__ import annotations

import os

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import File, paths_of
from switch_helper import Host, service

TOOL = File("/opt/thor/bin/tool", "x\n", "0755")


UNIT = "/etc/systemd/system/thor-chat.service"


@pytest.mark.parametrize("path", [TOOL.path, UNIT, "/etc/thor/services/chat.json"])
@pytest.mark.parametrize("spoil", ["mode", "owner", "link"])
def test_wrong_modes_and_owners_are_put_right_without_a_restart(host: Host, path: str, spoil: str) -> None:
    if spoil == "owner" and os.geteuid() != 0:
        pytest.skip("only root gives files away")
    host.carry_out(service("chat", 8000), files=[TOOL])
    place = host.disk.path(path)
    mode, invocation = place.stat().st_mode, host.systemd.invocations["thor-chat.service"]
    if spoil == "mode":
        place.chmod(0o666)
    elif spoil == "owner":
        os.chown(place, 12345, 0)
    else:
        place.rename(host.disk.root / "elsewhere")
        place.symlink_to(host.disk.root / "elsewhere")
    assert [item.path for item in host.difference(service("chat", 8000), files=[TOOL]).files] == [path]
    assert host.carry_out(service("chat", 8000), files=[TOOL])["changed"] is True
    assert (place.lstat().st_mode, place.lstat().st_uid) == (mode, os.geteuid())
    assert host.systemd.invocations["thor-chat.service"] == invocation
    assert not host.difference(service("chat", 8000), files=[TOOL])


def test_a_unit_that_systemd_has_not_read_is_read_and_restarted(host: Host) -> None:
    host.carry_out(service("chat", 8000))
    good = host.unit("chat")
    # Edited, read and started; then put back, and not read.
    host.disk.write(File(UNIT, good.replace("good", "edited")))
    host.systemd.reload()
    host.systemd.start("thor-chat.service", True, lambda _status: None)
    host.disk.write(File(UNIT, good))
    assert host.difference(service("chat", 8000)).switched == ["chat"]
    host.systemd.reload()  # read by now, and the command that runs is still the edited one
    assert host.difference(service("chat", 8000)).switched == ["chat"]
    host.carry_out(service("chat", 8000))
    assert "restart thor-chat.service" in host.systemd.orders
    assert not host.difference(service("chat", 8000))


def test_what_cannot_be_read_in_place_of_a_file_is_written_anew(host: Host) -> None:
    host.carry_out(service("chat", 8000))
    drop_in = "/etc/systemd/system/thor-chat.service.d/circle.conf"
    host.disk.link("circle.conf", drop_in)
    for absolute in paths_of("chat")[:2]:
        place = host.disk.path(absolute)
        for spoil in (lambda place: place.symlink_to(place), os.mkfifo, lambda place: place.write_text("[" * 100_000)):
            place.unlink()
            spoil(place)
            assert host.difference(service("chat", 8000)).switched == ["chat"]
            host.carry_out(service("chat", 8000))
            assert place.is_file() and not host.difference(service("chat", 8000))
