# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The engine's process and what its end means."""

from __future__ import annotations

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
