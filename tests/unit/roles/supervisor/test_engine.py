# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The engine's process and what its end means."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fake_dockerd import Dockerd
from supervisor_helper import container
from thor_supervisor.endings import GiveUp
from thor_supervisor.engine import Engine


def test_a_missing_engine_is_reported() -> None:
    with pytest.raises(GiveUp, match="/no/engine cannot be started: No such file"):
        Engine(["/no/engine"], None)


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("exit 125", "THOR-CONTAINER-START", "docker refused (code 125)"),
        ("exit 126", "THOR-CONTAINER-START", "cannot be run (code 126)"),
        ("exit 127", "THOR-CONTAINER-START", "no such command (code 127)"),
        ("echo error waiting for container: unexpected EOF; exit 125", "THOR-DOCKER-GONE", "dockerd ended"),
        ("exit 137", "THOR-ENGINE-EXITED", "the engine was ended by SIGKILL (somebody killed it, or memory ran out"),
        ("exit 139", "THOR-ENGINE-EXITED", "the engine was ended by SIGSEGV"),
        ("exit 3", "THOR-ENGINE-EXITED", "the engine ended with code 3"),
        ("kill -KILL $$", "THOR-ENGINE-EXITED", "docker's client was ended by SIGKILL"),
    ],
)
def test_the_end_of_a_container_is_told_in_words(dockerd: Dockerd, script: str, code: str, words: str) -> None:
    engine = Engine(["/bin/sh", "-c", script], None, container(dockerd))
    engine.wait(10)
    end = engine.ending()
    assert end is not None
    assert end.code == code
    assert words in str(end)


def test_only_the_first_process_hears_sigterm_and_none_is_left(tmp_path: Path) -> None:
    # Like vLLM: the first process finishes an answer, for which it needs the other one.
    worker = f"trap 'echo heard >{tmp_path}/worker' TERM; echo $$ >{tmp_path}/pid; while :; do sleep 0.1; done"
    first = f"trap 'sleep 1; echo finished >{tmp_path}/first; exit 0' TERM; sh -c \"$1\" & while :; do sleep 0.1; done"
    engine = Engine(["/bin/sh", "-c", first, "sh", worker], None)
    deadline = time.monotonic() + 10
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    engine.stop(10)
    assert (tmp_path / "first").read_text() == "finished\n"
    assert not (tmp_path / "worker").exists()
    left = Path("/proc", (tmp_path / "pid").read_text().strip())
    while left.exists() and " Z" not in (left / "stat").read_text():
        assert time.monotonic() < deadline + 10, "the worker outlives its engine"
        time.sleep(0.05)
    assert engine.process.returncode == 0
