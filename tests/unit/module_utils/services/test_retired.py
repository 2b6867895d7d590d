# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The supervisor of version 0.1 stays for as long as something can start it."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils.services import previous
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import File, ServiceFiles
from ansible_collections.jetson.thor.plugins.module_utils.services.retired import LIBRARY, SCRIPT
from switch_helper import Host, service

FILES = [SCRIPT, f"{LIBRARY}/api.py", f"{LIBRARY}/ansible_collections/x.py"]


def old(name: str, port: int) -> ServiceFiles:
    return service(name, port, f"ExecStart=/usr/bin/python3 -I {SCRIPT}")


def there(host: Host) -> list[bool]:
    return [host.disk.path(path).exists() for path in FILES]


def upgraded(tmp_path: Path) -> Host:
    """A host whose services were started by the old supervisor until the last switch."""
    host = Host(tmp_path)
    host.carry_out(old("chat", 8000), old("ear", 8080), files=[File(path, "x") for path in FILES])
    host.carry_out(service("chat", 8000), service("ear", 8080))
    return host


def test_the_way_back_keeps_it_and_the_next_switch_removes_it(tmp_path: Path) -> None:
    host = upgraded(tmp_path)
    assert there(host) == [True] * 3
    host.carry_out(service("chat", 8000, "better"), service("ear", 8080))
    assert there(host) == [False] * 3
    assert not host.disk.path("/opt/thor/bin").exists()


def test_a_rollback_to_older_units_finds_it(tmp_path: Path) -> None:
    host = upgraded(tmp_path)
    before = [ServiceFiles(**one) for one in previous.services(host.disk)]
    host.carry_out(*before, restore=True)
    assert SCRIPT in host.unit("chat")
    assert there(host) == [True] * 3


def test_a_unit_that_still_starts_it_keeps_it(tmp_path: Path) -> None:
    host = upgraded(tmp_path)
    host.carry_out(old("chat", 8000), service("ear", 8080))
    host.carry_out(old("chat", 8000), service("ear", 8080, "better"))
    host.carry_out(old("chat", 8000), service("ear", 8080, "best"))
    assert there(host) == [True] * 3


def test_files_of_others_beside_it_stay(tmp_path: Path) -> None:
    host = upgraded(tmp_path)
    host.disk.write(File("/opt/thor/bin/mine", "x"))
    host.carry_out(service("chat", 8000, "better"), service("ear", 8080))
    assert there(host) == [False] * 3
    assert host.disk.read("/opt/thor/bin/mine") == "x"
