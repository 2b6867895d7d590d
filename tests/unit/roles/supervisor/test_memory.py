# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Dropping the page cache, and an engine's share of free memory."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import files
from thor_supervisor import memory

GIB = 1 << 30


def test_root_drops_the_page_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "socket")
    monkeypatch.setattr(memory, "DROP_CACHES_SOCKET", path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            connection.sendall(b"dropped\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        assert memory.drop_caches()
    assert "page cache dropped, free memory" in capsys.readouterr().err


def test_the_page_cache_is_dropped_until_the_engine_is_loaded_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, dropped = threading.Event(), []

    def drop(quiet: bool) -> bool:
        dropped.append(quiet)
        if len(dropped) == 3:
            loaded.set()
        return True

    monkeypatch.setattr(memory, "drop_caches", drop)
    memory.keep_dropping(loaded, 0.01)
    assert dropped == [True] * 3


def test_a_page_cache_that_cannot_be_dropped_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[bool] = []

    def fail(quiet: bool) -> bool:
        tries.append(quiet)
        return False

    monkeypatch.setattr(memory, "drop_caches", fail)
    memory.keep_dropping(threading.Event(), 0.01)
    assert tries == [True]


@pytest.mark.parametrize(
    ("budget", "free", "share"),
    [(28, 112, 0.25), (1, 3, 0.333), (2, 3, 0.666), (100, 100, 0.95), (9, 1, 0.95), (1, 0, 0.95)],
)
def test_a_budget_as_a_share_of_what_is_free(budget: int, free: int, share: float) -> None:
    assert memory.share_of_free(budget * GIB, free * GIB) == share


@pytest.mark.parametrize(
    ("argv", "fitted"),
    [
        (
            ["docker", "--share", "1", "engine", "--share", "0.2", "-x"],
            ["docker", "--share", "1", "engine", "--share", "0.250", "-x"],
        ),
        (["engine", "--share=0.2"], ["engine", "--share=0.250"]),
        (["engine"], ["engine"]),
    ],
)
def test_the_share_replaces_the_one_in_the_command(
    argv: list[str], fitted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    service = {"option": "--share", "of": "free", "budget_bytes": 25 * GIB}
    assert memory.fit_memory(argv, service, 100 * GIB) == fitted
    told = capsys.readouterr().err
    wanted = "the command has no --share" if argv == fitted else "--share 0.2 -> 0.250: 25.0 GiB of the 100.0 GiB"
    assert wanted in told


def test_too_little_memory_is_reported_with_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["engine", "--share", "0.2"]
    assert memory.fit_memory(argv, None, 0) == argv
    assert memory.fit_memory(argv, {"option": "--share", "of": "total", "budget_bytes": GIB}, 9 * GIB) == argv
    assert capsys.readouterr().err == ""
    assert memory.fit_memory(argv, {"option": "--share", "of": "total", "budget_bytes": 24 * GIB}, 9 * GIB) == argv
    told = capsys.readouterr().err
    assert "<4>supervisor: free memory is 9.0 GiB, and this service's budget (memory_gib) is 24.0 GiB" in told


def test_unknown_memory_does_not_count_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory.free_memory().endswith(" GiB") and memory.memory_bytes("MemFree", "MemAvailable")
    monkeypatch.setattr(files, "meminfo", lambda: {"MemTotal": GIB, "MemFree": 0})
    assert memory.free_memory() == "0.0 GiB" and memory.memory_bytes("MemFree", "MemAvailable") == 0
    monkeypatch.setattr(files, "meminfo", dict)
    assert memory.free_memory() == "unknown" and memory.memory_bytes("MemFree") is None
    argv = ["engine", "--share", "0.5"]
    assert memory.fit_memory(argv, {"option": "--share", "of": "free", "budget_bytes": GIB}, None) == argv
