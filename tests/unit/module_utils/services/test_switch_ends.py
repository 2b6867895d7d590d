# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A switch that ends before its end, at each of its steps: what served serves, and what boots is one consistent set."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import Disk, File
from ansible_collections.jetson.thor.plugins.module_utils.services.switch import take_back
from ansible_collections.jetson.thor.plugins.module_utils.services.transaction import RECORD, RECOVERY, RECOVERY_LINK
from switch_helper import Host, Systemd, service

MEMORY = 122
# One and two exchange ports and memory, "ear" takes over the port of "old", "three" only changes, "four" is new, "gone" goes.
OLD = [
    service("one", 8000, memory=60),
    service("two", 8001, memory=30),
    service("three", 8002, memory=5),
    service("old", 8003, memory=5),
    service("gone", 8004),
]
NEW = [
    service("one", 8001, memory=30),
    service("three", 8002, "better", memory=5),
    service("two", 8000, memory=60),
    service("ear", 8003, memory=5),
    service("four", 8005),
]
TOOL = "/opt/thor/supervisor/__main__.py"
TOGETHER = [("one", "two"), ("old", "ear")]
# Whatever changes something, and may be the last that a run has done. ``stage``: writes a whole file.
STEPS = {
    Disk: ("stage", "place", "save", "restore", "remove", "link", "sweep", "flush"),
    Systemd: ("reload", "enable", "disable", "settle", "stop", "start"),
}
WRITES = {"stage", "save", "link"}


class Dead(BaseException):
    """The process, or the whole host, is no more."""


def dies(monkeypatch: pytest.MonkeyPatch, at: int, error: Callable[[], BaseException] | None = None) -> list[str]:
    """Have the step of this number be the last; nothing at all happens after it. Returns the steps as they come.

    With ``error`` only that step fails, and whatever writes after it.
    """
    seen: list[str] = []

    def wrapped(kind: type, name: str) -> Callable[..., Any]:
        real = getattr(kind, name)

        def step(self: Any, *arguments: Any, **named: Any) -> Any:
            seen.append(name)
            if error is None and len(seen) >= at:
                if len(seen) == at and name == "stage":  # half a file
                    self.beside(arguments[0].path, "new").parent.mkdir(parents=True, exist_ok=True)
                    self.beside(arguments[0].path, "new").write_text(arguments[0].content[:5])
                raise Dead
            if error is not None and (len(seen) == at or (len(seen) > at and name in WRITES)):
                raise error()
            return real(self, *arguments, **named)

        return step

    for kind, names in STEPS.items():
        for name in names:
            monkeypatch.setattr(kind, name, wrapped(kind, name))
    return seen


def tools(text: str) -> list[File]:
    return [File(TOOL, text, "0755")]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture(name="served", scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The disk of a host that serves OLD."""
    root = tmp_path_factory.mktemp("served")
    Host(root).carry_out(*OLD, files=tools("old\n"))
    return root


@pytest.fixture(name="hosts")
def _hosts(served: Path, tmp_path: Path) -> Iterator[Callable[[], Host]]:
    """Makes hosts that serve OLD, one at a time."""

    def make() -> Host:
        shutil.rmtree(tmp_path / "host", ignore_errors=True)
        shutil.copytree(served, tmp_path / "host", symlinks=True)
        host = Host(tmp_path / "host")
        boot(host)
        return host

    yield make
    shutil.rmtree(tmp_path / "host", ignore_errors=True)


def boot(host: Host) -> None:
    """What systemd does: the recovery, where its unit is there, and then what is enabled."""
    host.systemd = Systemd(host.disk)
    if host.disk.path(RECOVERY_LINK).is_symlink():
        assert host.disk.path(f"/etc/systemd/system/{RECOVERY}").is_file()
        take_back(host.disk, host.systemd, lambda _line: None)
    for unit in sorted(host.systemd.enabled):
        host.systemd.start(unit, False, lambda _status: None)


def consistent(host: Host, where: str) -> None:
    """All that is enabled serves, in one consistent set, as a whole old or new; and nothing is left to take back."""
    old, new = ({one.name: one.definition for one in some} for some in (OLD, NEW))
    present = {name: host.disk.definition(name) for name in {**old, **new}}
    enabled = {unit for unit in host.systemd.enabled if unit.endswith(".service")}
    assert set(host.serving) == enabled, where
    assert enabled == {f"thor-{name}.service" for name, one in present.items() if one.exists}, where
    for name, one in present.items():
        assert one in [old.get(name, type(one)(None, None)), new.get(name, type(one)(None, None))], (where, name)
    for together in TOGETHER:
        assert len({present[name] == new.get(name, type(present[name])(None, None)) for name in together}) == 1, where
    ports = [one.port for one in present.values() if one.exists]
    assert len(ports) == len(set(ports)), where
    assert sum(one.memory for one in present.values()) <= MEMORY, where
    assert not host.disk.path(RECORD).exists(), where
    assert not host.disk.path(RECOVERY_LINK).is_symlink(), where


def as_wanted(host: Host, where: str) -> None:
    """The next run brings everything about, and leaves nothing lying about."""
    host.carry_out(*NEW, files=tools("new\n"))
    consistent(host, where)
    assert {one.name: host.disk.definition(one.name) for one in NEW} == {one.name: one.definition for one in NEW}
    assert not host.difference(*NEW, files=tools("new\n")), where
    litter = [path for path in host.disk.root.rglob(".*") if path.is_file()]
    assert not litter, where


def each_step(monkeypatch: pytest.MonkeyPatch, hosts: Callable[[], Host], **how: Any) -> Iterator[tuple[Host, str]]:
    """A host for each step at which its switch has ended."""
    for at in range(1, 1000):
        host = hosts()
        with monkeypatch.context() as patch:
            seen = dies(patch, at, **how)
            with contextlib.suppress(Dead, JobFailed, RuntimeError):  # job.py makes a sentence of any exception
                host.carry_out(*NEW, files=tools("new\n"))
        if len(seen) < at:
            assert at > 50, "a switch has many steps"
            return
        yield host, f"step {at}: {seen[at - 1]}"


def test_after_a_power_cut_at_any_step_one_consistent_set_comes_up(
    monkeypatch: pytest.MonkeyPatch, hosts: Callable[[], Host]
) -> None:
    for host, where in each_step(monkeypatch, hosts):
        boot(host)
        consistent(host, where)
        as_wanted(host, where)


def test_a_power_cut_while_it_goes_back_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, hosts: Callable[[], Host]
) -> None:
    """The worst of the switch is when both that exchange their ports have their new definitions, and one is stopped."""
    stops = [number for number, (_host, where) in enumerate(each_step(monkeypatch, hosts), 1) if where.endswith("stop")]
    for at in range(1, 100):
        host = hosts()
        with monkeypatch.context() as patch:
            dies(patch, stops[-1])
            with contextlib.suppress(Dead):
                host.carry_out(*NEW, files=tools("new\n"))
        assert host.disk.path(RECORD).exists()
        with monkeypatch.context() as patch:
            seen = dies(patch, at)
            with contextlib.suppress(Dead):
                boot(host)
        boot(host)
        consistent(host, f"step {at} of the way back: {seen[-1]}")
        if len(seen) < at:
            assert at > 10
            return


def test_when_the_job_is_killed_at_any_step_everything_serves_again(
    monkeypatch: pytest.MonkeyPatch, hosts: Callable[[], Host]
) -> None:
    for host, where in each_step(monkeypatch, hosts):
        take_back(host.disk, host.systemd, lambda _line: None)
        consistent(host, where)
    as_wanted(host, where)


@pytest.mark.parametrize(
    "error",
    [
        lambda: OSError(errno.ENOSPC, "No space left on device"),
        lambda: JobFailed("THOR-SYSTEMD-FAILED: an order failed"),
        lambda: RuntimeError("nobody expected this"),
    ],
    ids=["full", "systemd", "unexpected"],
)
def test_whatever_fails_at_any_step_everything_serves_again(
    monkeypatch: pytest.MonkeyPatch, hosts: Callable[[], Host], error: Callable[[], BaseException]
) -> None:
    for host, where in each_step(monkeypatch, hosts, error=error):
        # Where even the way back failed, the end of the job tries it again.
        take_back(host.disk, host.systemd, lambda _line: None)
        consistent(host, where)
    as_wanted(host, where)


def test_a_full_disk_stops_nothing(monkeypatch: pytest.MonkeyPatch, hosts: Callable[[], Host]) -> None:
    host = hosts()
    before = dict(host.systemd.invocations)
    with monkeypatch.context() as patch:
        dies(patch, 5, error=lambda: OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises(JobFailed, match=r"THOR-SWITCH-BROKEN: .*No space left on device.*Nothing that serves was"):
            host.carry_out(*NEW, files=tools("new\n"))
    assert host.systemd.invocations == before
    consistent(host, "full")


def test_one_of_two_that_exchange_ports_fails_and_both_go_back(hosts: Callable[[], Host]) -> None:
    host = hosts()
    bad = [one if one.name != "two" else service("two", 8000, "bad", memory=60) for one in NEW]
    with pytest.raises(JobFailed, match=r"thor-two\.service serves again as it did before") as caught:
        host.carry_out(*bad, files=tools("new\n"))
    assert {"one", "two"} <= set(caught.value.extra["restored"])
    consistent(host, "bad")
    assert host.unit("one") == OLD[0].unit


def test_who_was_not_touched_is_not_restarted_on_the_way_back(hosts: Callable[[], Host]) -> None:
    host = hosts()
    before = host.systemd.invocations["thor-three.service"]
    with pytest.raises(JobFailed):
        host.carry_out(service("one", 8000, "bad"), *OLD[1:2], service("three", 8002, "better"), *OLD[3:])
    assert host.systemd.invocations["thor-three.service"] == before
