# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the supervisor tells the journal and systemd."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from thor_supervisor import notification
from thor_supervisor.endings import Stopped
from thor_supervisor.notification import Heartbeat, notify, say
from thor_supervisor.threads import StopFlag


def until(heard: list[str], word: str) -> None:
    deadline = time.monotonic() + 5
    while word not in heard:
        assert time.monotonic() < deadline, heard
        time.sleep(0.02)


def test_a_line_in_the_journal_has_a_level_and_our_name(capsys: pytest.CaptureFixture[str]) -> None:
    say("all is well")
    say("THOR-X: all is lost", level=3)
    assert capsys.readouterr().err == "<6>supervisor: all is well\n<3>supervisor: THOR-X: all is lost\n"


def test_nobody_has_to_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "none"))
    notify("READY=1")


def test_systemd_may_listen_on_an_abstract_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0{tmp_path}")
        channel.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{tmp_path}")
        notify("READY=1", "STATUS=serving")
        assert channel.recv(4096) == b"READY=1\nSTATUS=serving"


def test_a_start_asks_for_more_time_and_serving_feeds_the_watchdog(
    notified: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notification, "TICK", 0.01)
    monkeypatch.setattr(notification, "NOTIFY_EVERY", 0)
    heartbeat = Heartbeat(StopFlag())
    heartbeat.starting("loading")
    until(notified, "STATUS=loading")
    assert "EXTEND_TIMEOUT_USEC=60000000" in notified and "WATCHDOG=1" not in notified
    heartbeat.serving()
    until(notified, "WATCHDOG=1")


def test_systemd_is_not_told_at_every_tick(notified: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notification, "TICK", 0.01)
    heartbeat = Heartbeat(StopFlag())
    for _ in range(5):
        heartbeat.serving()
    notify("LAST=1")
    until(notified, "LAST=1")
    assert notified.count("WATCHDOG=1") == 1


def test_a_stop_ends_every_wait() -> None:
    flag = StopFlag()
    flag.set()
    with pytest.raises(Stopped):
        Heartbeat(flag).starting("loading")
    with pytest.raises(Stopped):
        Heartbeat(flag).serving()
