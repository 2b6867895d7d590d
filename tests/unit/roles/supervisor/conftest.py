# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A supervisor without systemd: its lock, what it notifies, a dockerd."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_dockerd import Dockerd
from supervisor_helper import STAND_IN, Run, service_document
from thor_supervisor import configuration, memory, start_lock, supervisor


@pytest.fixture
def notified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the supervisor tells systemd."""
    path = tmp_path / "notify"
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(path))
        channel.settimeout(0.1)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                try:
                    heard.extend(channel.recv(4096).decode().splitlines())
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        yield heard
        over.set()
        thread.join()


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The start lock as tmpfiles.d makes it, on a host without other services."""
    path = tmp_path / "lock"
    path.touch(0o440)
    monkeypatch.setattr(start_lock, "LOCK", str(path))
    monkeypatch.setattr(configuration, "CONFIGS", str(tmp_path))
    return path


@pytest.fixture
def run(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], notified: list[str]
) -> Run:
    """Serve a stand-in until it gives up, or with ``stop`` until it is ready; the exit status and the journal."""
    del lock
    monkeypatch.setattr(memory, "DROP_CACHES_SOCKET", str(tmp_path / "no socket"))
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def run(mode: str, *arguments: str, stop: bool = False, **settings: Any) -> tuple[int, str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        argv = [sys.executable, str(STAND_IN), "--mode", mode, "--port", str(port), *arguments]
        supervised = supervisor.Supervisor(service_document(port=port, **settings), argv)

        def stop_when_ready() -> None:
            while "READY=1" not in notified:
                time.sleep(0.05)
            supervised.stop.set()

        if stop:
            threading.Thread(target=stop_when_ready, daemon=True).start()
        status = supervised.run()
        captured = capfd.readouterr()
        return status, captured.out + captured.err

    return run


@pytest.fixture
def dockerd(tmp_path: Path) -> Iterator[Dockerd]:
    """A dockerd that knows containers by name, and removes them."""
    with Dockerd(tmp_path / "docker.sock") as server:
        yield server
