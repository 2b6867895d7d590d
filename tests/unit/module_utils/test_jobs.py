# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Long work: what a job's folder says, and what a person reads of it. On a real systemd: tests/integration/faults/test_play.py."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import jobs


class Ended(Exception):
    """What exit_json and fail_json do to a module."""


class Module:
    """The part of AnsibleModule that a job needs; commands succeed and are kept."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.result: dict[str, Any] = {}

    def run_command(self, command: list[str]) -> tuple[int, str, str]:
        self.commands.append(command)
        return 0, "", ""

    def exit_json(self, **result: Any) -> None:
        self.result = result
        raise Ended

    fail_json = exit_json


@pytest.fixture(name="folders", autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Jobs in a folder of the test; nothing runs unless a test says so."""
    monkeypatch.setattr(jobs, "JOBS", tmp_path)
    monkeypatch.setattr(jobs, "is_running", lambda _name: False)
    monkeypatch.setattr(jobs, "_copy_code", lambda destination: destination.touch())
    return tmp_path


def start(**spec: Any) -> Module:
    module = Module()
    with pytest.raises(Ended):
        jobs.start(module, "fetch-x", "toy", spec, 60)
    return module


def run(monkeypatch: pytest.MonkeyPatch, work: Any) -> dict[str, Any]:
    """What the process of the unit leaves behind when ``work`` is its run_job."""
    toy = types.ModuleType("toy")
    toy.run_job = work  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, f"{jobs.PACKAGE}.toy", toy)
    jobs.main("fetch-x")
    result: dict[str, Any] = jobs.status("fetch-x", 0)["result"]
    return result


def test_a_job_has_a_time_limit_and_less_priority_than_services(folders: Path) -> None:
    module = start(token="secret")
    (command,) = module.commands
    assert command[:2] == ["systemd-run", "--unit=thor-job-fetch-x.service"]
    assert {"--property=RuntimeMaxSec=60", "--property=Nice=10"} <= set(command)
    assert "secret" not in " ".join(command)
    assert (folders / "fetch-x" / "spec.json").stat().st_mode & 0o777 == 0o600
    assert module.result["job"]["attached"] is False


def test_the_same_work_is_attached_to_and_other_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    start(n=1)
    monkeypatch.setattr(jobs, "is_running", lambda _name: True)
    again = start(n=1)
    assert again.result["job"]["attached"] is True and not again.commands
    assert start(n=2).result["msg"].startswith("THOR-JOB-BUSY: thor-job-fetch-x.service")


def test_the_result_is_what_the_work_returned(monkeypatch: pytest.MonkeyPatch, folders: Path) -> None:
    start(n=1)
    assert run(monkeypatch, lambda spec, _report: {"changed": True, "n": spec["n"]}) == {"changed": True, "n": 1}
    assert not (folders / "fetch-x" / "spec.json").exists(), "a token does not lie there for longer than it is needed"


def test_an_expected_failure_keeps_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_spec: Any, _report: Any) -> None:
        raise jobs.JobFailed("THOR-X: y", path="/z")

    start()
    assert run(monkeypatch, fail) == {"failed": True, "msg": "THOR-X: y", "path": "/z"}


def test_an_unexpected_failure_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    start()
    result = run(monkeypatch, lambda _spec, _report: 1 / 0)
    assert result["failed"] and result["msg"].startswith("THOR-JOB-FAILED: thor-job-fetch-x.service: ZeroDivisionError")


def test_a_job_that_ended_without_a_result_is_lost(folders: Path) -> None:
    start()
    (folders / "fetch-x" / "log").write_text("one\ntwo\n")
    assert jobs.status("fetch-x", 5) == {"state": "lost", "log": ["one", "two"]}


def test_a_result_of_an_earlier_run_is_not_taken_for_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    start()
    run(monkeypatch, lambda _spec, _report: {"changed": True})
    digest = start().result["job"]["digest"]
    assert jobs.status("fetch-x", 0)["state"] == "lost"
    assert jobs.status("fetch-x", 0, digest)["state"] == "lost", "although the same was asked for before"


def test_progress_is_reported_while_it_runs(monkeypatch: pytest.MonkeyPatch, folders: Path) -> None:
    start()
    monkeypatch.setattr(jobs, "is_running", lambda _name: True)
    jobs.Reporter(folders / "fetch-x").progress(5, 10, "B", "x")
    progress = {"done": 5, "total": 10, "unit": "B", "text": "x"}
    assert jobs.status("fetch-x", 0) == {"state": "running", "progress": progress}
    written = json.loads((folders / "fetch-x" / "progress.json").read_text())
    assert written.items() >= progress.items()
