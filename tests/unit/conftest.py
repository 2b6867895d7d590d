# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Let tests import the collection from this checkout as ansible_collections.jetson.thor, without ansible-test."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Turns a file into one whose read fails with EAGAIN, like a driver's file for a device that is switched off.

    A pipe without a word in it does so for whoever does not wait; that nobody waits, Python's own files included, is seen to
    here. They do not raise OSError then (``Path.read_text``: "can't concat NoneType to bytes").
    """
    real, writers = io.open, []

    def without_waiting(path: Any, flags: int) -> int:
        return os.open(path, flags | os.O_NONBLOCK)

    def opened(*arguments: Any, **options: Any) -> Any:
        return real(*arguments, **{"opener": without_waiting, **options})

    def turn(path: Path) -> None:
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        writers.extend([reader, os.open(path, os.O_WRONLY)])

    monkeypatch.setattr(io, "open", opened)
    yield turn
    for descriptor in writers:
        os.close(descriptor)


@pytest.fixture(autouse=True)
def _no_record_of_this_machine(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that are run in a test record what they change in a file of the tests."""
    install_record = sys.modules.get("ansible_collections.jetson.thor.plugins.module_utils.install_record")
    if install_record is not None:
        record = tmp_path_factory.getbasetemp() / "installed.json"
        record.unlink(missing_ok=True)
        monkeypatch.setattr(install_record, "RECORD", record)


@pytest.fixture(autouse=True)
def _no_warnings_of_another_test() -> None:
    """A module is a separate process, and warns only about damaged records that it has found itself."""
    records = sys.modules.get("ansible_collections.jetson.thor.plugins.module_utils.records")
    if records is not None:
        records._damaged.clear()


@pytest.fixture(autouse=True)
def _no_records_of_runs(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What verify and bench keep on a device is kept in a folder of the test."""
    last_runs = sys.modules.get("ansible_collections.jetson.thor.plugins.module_utils.last_runs")
    if last_runs is not None:
        monkeypatch.setattr(last_runs, "FOLDER", tmp_path_factory.mktemp("last", numbered=True))


@pytest.fixture(autouse=True)
def _no_server_of_another_test() -> Iterator[None]:
    """No thread of a test waits for connections after it.

    close() does not end an accept() in another thread. The kernel may begin that call again, by the number of the descriptor, and the
    thread then serves the connections of another test's server; shutdown() ends it.
    """
    yield
    for thread in threading.enumerate():
        frame = sys._current_frames().get(thread.ident or 0)
        if frame is not None and frame.f_code.co_name == "accept":
            thread.join(2)
            assert not thread.is_alive(), f"{thread.name} still waits for connections"
