# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The lock by which engines start one after the other."""

from __future__ import annotations

import fcntl
import itertools
import os
import threading
import time
from pathlib import Path

import pytest
from supervisor_helper import Run
from thor_supervisor import notification, start_lock
from thor_supervisor.endings import GiveUp
from thor_supervisor.notification import Heartbeat
from thor_supervisor.threads import StopFlag


def take(start_timeout: float) -> int:
    return start_lock.take(start_timeout, Heartbeat(StopFlag()).starting)


def test_a_second_engine_waits_for_the_first(lock: Path) -> None:
    del lock
    held = take(20)
    threading.Timer(1, os.close, [held]).start()
    begin = time.monotonic()
    os.close(take(20))
    assert time.monotonic() - begin >= 0.9


def test_waiting_for_a_lock_that_is_never_released_ends_and_names_the_holder(
    lock: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_lock, "SLACK", 0.5)
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        begin = time.monotonic()
        status, journal = run("ok", start_timeout=1)
    assert status == 1
    assert 1.5 <= time.monotonic() - begin < 10
    assert f"<3>supervisor: THOR-START-LOCK: process {os.getpid()} has kept {lock}" in journal


@pytest.mark.parametrize(
    ("holders", "seconds"),
    [
        # The slowest engine of the host takes 1 s, all of them 2 s; each is granted half a second more.
        (["process 1"], 1.5),
        (["process 1", "process 2"], 1.5),
        (None, 3.0),  # another one at each look: all together have a limit, too
    ],
)
def test_the_wait_lasts_as_long_as_the_engines_of_the_host_may_take(
    lock: Path, monkeypatch: pytest.MonkeyPatch, holders: list[str] | None, seconds: float
) -> None:
    for name, timeout in (("chat", "1"), ("eyes", "1.0"), ("damaged", "")):
        (lock.parent / f"{name}.json").write_text(f'{{"start_timeout": {timeout}}}')
    monkeypatch.setattr(start_lock, "SLACK", 0.5)
    monkeypatch.setattr(notification, "TICK", 0.05)
    looks = itertools.count()
    monkeypatch.setattr(
        start_lock, "holder_of", lambda _: holders[next(looks) % len(holders)] if holders else f"process {next(looks)}"
    )
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        begin = time.monotonic()
        with pytest.raises(GiveUp, match="longer than the engines of this host may take"):
            take(0)
    assert seconds <= time.monotonic() - begin < seconds + 1


@pytest.mark.parametrize("broken", ["missing", "folder", "link", "pipe"])
def test_a_broken_lock_is_reported_at_once(lock: Path, run: Run, broken: str) -> None:
    lock.unlink()
    if broken == "folder":
        lock.mkdir()
    elif broken == "link":
        (lock.parent / "elsewhere").touch()
        lock.symlink_to("elsewhere")
    elif broken == "pipe":
        os.mkfifo(lock)
    begin = time.monotonic()
    status, journal = run("ok")
    assert status == 1
    assert time.monotonic() - begin < 5
    assert f"<3>supervisor: THOR-START-LOCK: {lock}" in journal
    assert "systemd-tmpfiles --create" in journal
