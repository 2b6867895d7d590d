# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The action plugin of long work: which modules have it, how it follows a job, and what a person reads meanwhile."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.action import job_status

ROOT = Path(__file__).resolve().parents[3]
STARTS_A_JOB = re.compile(r"\bjobs\.start\(|\b(fetch|local)\.run_module\(")
ROUTING = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))["plugin_routing"]
LONG = sorted(
    path.stem
    for path in (ROOT / "plugins/modules").glob("*.py")
    if STARTS_A_JOB.search(path.read_text(encoding="utf-8"))
)


def test_several_modules_start_a_job() -> None:
    assert {"cmake_build", "services", "url_model", "bench"} <= set(LONG)


@pytest.mark.parametrize("name", LONG)
def test_every_module_that_starts_a_job_has_an_action_that_follows_it(name: str) -> None:
    own = ROOT / "plugins/action" / f"{name}.py"
    if own.exists():
        action = importlib.import_module(f"ansible_collections.jetson.thor.plugins.action.{name}").ActionModule
        assert issubclass(action, job_status.ActionModule)
    else:
        assert ROUTING["modules"][name] == {"action_plugin": "jetson.thor.job_status"}


def test_no_other_module_has_that_action() -> None:
    assert sorted(ROUTING["modules"]) == [name for name in LONG if name != "bench"]


class Connection:
    """In the place of a host: answers each module with the next of its results, and keeps what it was asked."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str | None, dict[str, Any]]] = []

    def execute(self, module_args: dict[str, Any], module_name: str | None = None, **_more: Any) -> dict[str, Any]:
        """Run a module."""
        self.asked.append((module_name, module_args))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def run(monkeypatch: pytest.MonkeyPatch, connection: Connection) -> dict[str, Any]:
    """The result of a task with such a module."""
    action = job_status.ActionModule.__new__(job_status.ActionModule)
    action._task = SimpleNamespace(args={"name": "chat"})
    monkeypatch.setattr(ActionBase, "run", lambda *_arguments: {})
    monkeypatch.setattr(action, "_execute_module", connection.execute)
    monkeypatch.setattr(job_status, "RETRY_SECONDS", 0)
    result: dict[str, Any] = action.run(None, {"inventory_hostname": "thor01"})
    assert connection.answers == []
    return result


STARTED = {"changed": True, "job": {"name": "switch", "digest": "d1"}, "diff": {"after": "x"}, "warnings": ["early"]}


def test_a_module_that_starts_no_job_is_returned_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection({"changed": False, "path": "/models"})
    assert run(monkeypatch, connection) == {"changed": False, "path": "/models"}
    assert connection.asked == [(None, {"name": "chat"})]


def test_a_job_is_followed_to_its_result(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    running = {"state": "running", "progress": {"done": 1, "total": 2, "unit": "steps"}}
    connection = Connection(
        STARTED, running, {"state": "ended", "result": {"changed": True, "services": 1, "warnings": ["late"]}}
    )
    result = run(monkeypatch, connection)
    assert result == {"changed": True, "services": 1, "warnings": ["early", "late"], "diff": {"after": "x"}}
    assert [name for name, _arguments in connection.asked[1:]] == ["jetson.thor.job_status"] * 2
    assert connection.asked[1][1] == {"name": "switch", "wait": 10, "digest": "d1"}
    assert "thor01: switch: 1/2 steps (50 %)" in capsys.readouterr().out


def test_a_lost_connection_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(STARTED, AnsibleConnectionFailure("gone"), {"state": "ended", "result": {"changed": True}})
    assert run(monkeypatch, connection)["changed"] is True


def test_patience_with_a_lost_connection_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_status, "PATIENCE_SECONDS", -1)
    with pytest.raises(AnsibleConnectionFailure):
        run(monkeypatch, Connection(STARTED, AnsibleConnectionFailure("gone")))


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        ({"state": "replaced"}, "THOR-JOB-REPLACED", "thor-job-switch.service"),
        ({"state": "lost", "log": ["killed"]}, "THOR-JOB-LOST", "killed"),
    ],
)
def test_a_job_without_a_result_fails_with_a_code(
    monkeypatch: pytest.MonkeyPatch, status: dict[str, Any], code: str, words: str
) -> None:
    result = run(monkeypatch, Connection(STARTED, status))
    assert result["failed"] and result["changed"]
    assert result["msg"].startswith(f"{code}: thor01: ") and words in result["msg"]


def test_a_query_that_fails_is_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, Connection(STARTED, {"failed": True, "msg": "no"}))["msg"] == "no"


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        ({"done": 2.5e9, "total": 5e9, "unit": "B"}, "2.50/5.00 GB (50 %) 1:05"),
        ({"done": 12, "total": 194, "unit": "steps", "text": "a.o"}, "12/194 steps (6 %) 1:05 a.o"),
        ({"done": 0, "total": 0, "text": "configure"}, "working, configure 1:05"),
        ({}, "working, 1:05"),
    ],
)
def test_a_person_reads_how_far_it_is(progress: dict[str, Any], text: str) -> None:
    assert job_status.progress_text(progress, 65) == text
