# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A service without its speculation for a while: real processes, with a table in place of systemd."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import jobs
from ansible_collections.jetson.thor.plugins.module_utils.services import plain_run
from ansible_collections.jetson.thor.plugins.module_utils.services.systemctl import State, Systemctl

UNIT = "thor-chat.service"
SUPERVISOR = [sys.executable, "-c", "import time; time.sleep(60)", "--"]
ENGINE = ("llama-server", "--model", "/models/m.gguf", "--spec", '{"a": "$5 100%"}', "--port", "8000")
PLAIN = ("llama-server", "--model", "/models/m.gguf", "--port", "8000")
SERVICE: dict[str, Any] = {"unit": UNIT, "argv": list(ENGINE), "plain_argv": list(PLAIN)}


class Systemd(Systemctl):
    """One unit, whose process is a real one."""

    def __init__(self, units: Path, command: Sequence[str]) -> None:
        self.units = units
        self.command = list(command)
        self.loaded = list(command)
        self.process: subprocess.Popen[bytes] | None = None
        self.orders: list[str] = []
        self.refuses: list[int] = []  # which starts fail
        self.starts = 0

    def reload(self) -> None:
        self.orders.append("reload")
        drop_in = self.units / f"{UNIT}.d" / plain_run.NAME
        self.loaded = self.command
        if drop_in.exists():
            line = drop_in.read_text().splitlines()[-1].removeprefix("ExecStart=")
            self.loaded = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)]

    def start(self, unit: str, restart: bool, tell: Callable[[str], None], behind: str | None = None) -> bool:
        assert unit == UNIT and restart and behind is None
        self.stop()
        self.starts += 1
        if self.starts in self.refuses:
            return False
        tell("loading")
        self.process = subprocess.Popen(self.loaded)
        # The kernel shows the command a moment after exec. A real service says that it is ready much later.
        deadline = time.monotonic() + 10
        while not plain_run._running(unit, self) and time.monotonic() < deadline:
            time.sleep(0.01)
        return True

    def stop(self, *units: str) -> None:
        del units
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def states(self, units: Sequence[str]) -> dict[str, State]:
        active = "active" if self.process else "failed"
        return {unit: State(active, main_pid=self.process.pid if self.process else 0) for unit in units}

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        del check
        self.orders.append(" ".join(arguments))
        return subprocess.CompletedProcess([], 0)


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    monkeypatch.setattr(plain_run, "UNITS", tmp_path)
    monkeypatch.setattr(jobs, "is_running", lambda _name: False)
    systemd = Systemd(tmp_path, [*SUPERVISOR, "/opt/llama.cpp/bin/llama-server", *ENGINE[1:]])
    systemd.start(UNIT, True, lambda _status: None)
    systemd.starts = 0
    yield systemd
    systemd.stop()


def running(systemd: Systemd) -> list[str]:
    """The engine's words that really run."""
    return plain_run._running(UNIT, systemd)[len(SUPERVISOR) :]


def test_the_service_runs_without_speculation_and_then_with_it(systemd: Systemd, tmp_path: Path) -> None:
    told: list[str] = []
    with plain_run.plainly(SERVICE, told.append, systemd):
        assert running(systemd) == ["/opt/llama.cpp/bin/llama-server", *PLAIN[1:]]
        assert systemd.starts == 1
    assert running(systemd) == ["/opt/llama.cpp/bin/llama-server", *ENGINE[1:]], "every word is as it was"
    assert systemd.starts == 2 and list(tmp_path.iterdir()) == []
    assert told == ["starts without speculation: loading", "starts with speculation again: loading"]


def test_a_failure_inside_is_undone(systemd: Systemd, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="in the middle"), plain_run.plainly(SERVICE, lambda _text: None, systemd):
        raise RuntimeError("in the middle")
    assert running(systemd)[1:] == list(ENGINE[1:]) and list(tmp_path.iterdir()) == []


def test_a_start_that_fails_is_undone(systemd: Systemd, tmp_path: Path) -> None:
    systemd.refuses = [1]
    with (
        pytest.raises(
            plain_run.Failed, match=r"Not measured without speculation: thor-chat.service did not start \(failed"
        ),
        plain_run.plainly(SERVICE, lambda _text: None, systemd),
    ):
        raise AssertionError("it does not run")
    assert running(systemd)[1:] == list(ENGINE[1:]) and list(tmp_path.iterdir()) == []


def test_a_service_that_does_not_come_back_is_named(systemd: Systemd, tmp_path: Path) -> None:
    systemd.refuses = [2]
    with (
        pytest.raises(plain_run.Failed, match=r"THOR-BENCH-RESTORE: .*thor-chat.service: after the measurement"),
        plain_run.plainly(SERVICE, lambda _text: None, systemd),
    ):
        pass
    assert list(tmp_path.iterdir()) == [], "systemd's next try is with speculation"


def test_what_the_inventory_does_not_know_is_left_alone(systemd: Systemd, tmp_path: Path) -> None:
    for other in ({**SERVICE, "argv": [*ENGINE, "--more"]}, {**SERVICE, "plain_argv": ["other", *PLAIN[1:]]}):
        with (
            pytest.raises(plain_run.Failed, match="what runs is not the command of the inventory"),
            plain_run.plainly(other, lambda _text: None, systemd),
        ):
            raise AssertionError("it does not run")
    systemd.stop()
    with pytest.raises(plain_run.Failed), plain_run.plainly(SERVICE, lambda _text: None, systemd):
        raise AssertionError("it does not run")
    assert systemd.starts == 0 and list(tmp_path.iterdir()) == []


def test_nothing_happens_while_a_play_changes_services(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "is_running", lambda name: name == "switch")
    with (
        pytest.raises(plain_run.Failed, match="a play is changing services"),
        plain_run.plainly(SERVICE, lambda _text: None, systemd),
    ):
        raise AssertionError("it does not run")
    assert systemd.starts == 0


def test_a_command_that_somebody_else_sets_is_not_measured(
    systemd: Systemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A person's drop-in that comes later in the order.
    monkeypatch.setattr(systemd, "reload", lambda: None)
    with (
        pytest.raises(plain_run.Failed, match="something else sets the command of thor-chat"),
        plain_run.plainly(SERVICE, lambda _text: None, systemd),
    ):
        raise AssertionError("it does not run")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_job_left_is_undone(systemd: Systemd, tmp_path: Path) -> None:
    plain_run.restore(systemd)
    assert systemd.orders == [], "a job that ends well leaves nothing"
    folder = tmp_path / f"{UNIT}.d"
    folder.mkdir()
    (folder / plain_run.NAME).write_text("[Service]\n")
    (folder / "mine.conf").write_text("[Service]\nNice=5\n")
    plain_run.restore(systemd)
    assert [path.name for path in folder.iterdir()] == ["mine.conf"]
    assert systemd.orders == ["reload", f"restart --no-block {UNIT}"]
