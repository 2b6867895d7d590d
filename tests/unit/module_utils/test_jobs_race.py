# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Plays that start the same job at once: one starts it, and nobody takes another's result for the own one."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import jobs

STARTERS = 24
# As the real ones: show knows no unit that has ended, and a unit that runs cannot be started again.
SYSTEMCTL = """\
#!/bin/sh
[ -e "$UNITS/$4" ] && echo ActiveState=active || echo ActiveState=inactive
"""
SYSTEMD_RUN = """\
#!{python}
import json, os, subprocess, sys
unit = sys.argv[1].removeprefix("--unit=")
folder = os.path.join(os.environ["JOBS"], unit.removeprefix("thor-job-").removesuffix(".service"))
try:
    os.close(os.open(os.path.join(os.environ["UNITS"], unit), os.O_CREAT | os.O_EXCL))
except FileExistsError:
    sys.exit("Failed to start transient service unit: Unit " + unit + " was already loaded or has a fragment file.")
if os.fork() == 0:
    os.setsid()
    for descriptor in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    with open(os.path.join(folder, "spec.json")) as stream:
        number = json.load(stream)["spec"]["number"]
    with open(os.path.join(folder, "job.json")) as stream:
        digest = json.load(stream)["digest"]
    with open(os.path.join(folder, ".result"), "w") as stream:
        json.dump({{"digest": digest, "result": {{"number": number}}}}, stream)
    os.rename(os.path.join(folder, ".result"), os.path.join(folder, "result.json"))
    os.unlink(os.path.join(os.environ["UNITS"], unit))
    os._exit(0)
"""


class Ended(Exception):
    """What exit_json and fail_json do to a module."""


class Module:
    """The part of AnsibleModule that a job needs."""

    def __init__(self) -> None:
        self.result: dict[str, Any] = {}

    def run_command(self, command: list[str]) -> tuple[int, str, str]:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def warn(self, text: str) -> None:
        raise AssertionError(text)

    def exit_json(self, **result: Any) -> None:
        self.result = result
        raise Ended

    fail_json = exit_json


@pytest.fixture(name="folders", autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemd of scripts, and jobs in a folder of the test."""
    for folder in ("bin", "jobs", "units"):
        (tmp_path / folder).mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("systemd-run", SYSTEMD_RUN.format(python=sys.executable))):
        program = tmp_path / "bin" / name
        program.write_text(text, encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("UNITS", str(tmp_path / "units"))
    monkeypatch.setenv("JOBS", str(tmp_path / "jobs"))
    monkeypatch.setattr(jobs, "JOBS", tmp_path / "jobs")
    monkeypatch.setattr(jobs, "_copy_code", lambda destination: destination.touch())
    return tmp_path / "jobs"


def play(number: int) -> str:
    """What the action plugin does: start, then ask until it has ended. Returns what came of it."""
    module = Module()
    with contextlib.suppress(Ended):
        jobs.start(module, "toy", "toy", {"number": number})
    if "job" not in module.result:
        return str(module.result["msg"]).split(":", 1)[0]
    for _question in range(100):
        found = jobs.status("toy", 1, module.result["job"]["digest"])
        if found["state"] == "ended":
            return "own" if found["result"]["number"] == number else "another's"
        if found["state"] != "running":
            return str(found["state"])
    return "never"


def test_of_many_who_start_a_job_at_once_nobody_takes_the_result_of_another() -> None:
    context = multiprocessing.get_context("fork")
    outcomes: list[str] = []
    for _round in range(3):
        ready, told = context.Barrier(STARTERS), context.SimpleQueue()

        def starter(number: int, ready: Any = ready, told: Any = told) -> None:
            ready.wait(60)
            try:
                told.put(play(number))
            except BaseException as error:
                told.put(repr(error))

        processes = [context.Process(target=starter, args=(number % 3,)) for number in range(STARTERS)]
        for process in processes:
            process.start()
        outcomes += [told.get() for _process in processes]
        for process in processes:
            process.join(60)
    # Refused, or told that the result is gone, in so many words: nothing else.
    assert set(outcomes) <= {"own", "THOR-JOB-BUSY", "replaced"}, outcomes
    assert outcomes.count("own") >= 3


def test_a_result_waits_for_who_asked_for_it_while_the_next_job_runs() -> None:
    first, second = Module(), Module()
    for module, number in ((first, 1), (second, 2)):
        with pytest.raises(Ended):
            jobs.start(module, "toy", "toy", {"number": number})
        while jobs.status("toy", 1)["state"] == "running":
            pass
    for module, number in ((first, 1), (second, 2)):
        assert jobs.status("toy", 1, module.result["job"]["digest"])["result"] == {"number": number}
    assert jobs.status("toy", 1, "something else") == {"state": "replaced"}


def test_a_lock_that_is_held_forever_is_reported_with_a_code(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LOCK_SECONDS", 0.1)
    holder = subprocess.Popen(["flock", folders / ".toy.lock", "sleep", "60"])
    try:
        while not (folders / ".toy.lock").exists() or not _is_locked(folders / ".toy.lock"):
            pass
        assert play(1) == "THOR-JOB-BUSY"
        assert jobs.status("toy", 0)["state"] == "running"
    finally:
        holder.terminate()
        holder.wait()


def _is_locked(path: Path) -> bool:
    return subprocess.run(["flock", "--nonblock", path, "true"], check=False).returncode != 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folders: (folders.rmdir(), folders.write_text("")),  # a file where the folder belongs
        lambda folders: (folders / ".toy.lock").mkdir(),
    ],
)
def test_a_jobs_folder_that_cannot_be_written_is_reported_with_a_code(folders: Path, spoil: Any) -> None:
    spoil(folders)
    assert play(1) == "THOR-JOB-DISK"


def test_a_full_disk_is_reported_with_a_code_and_leaves_the_previous_job_alone(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert play(1) == "own"

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert play(2) == "THOR-JOB-DISK"
    assert sorted(path.name for path in folders.iterdir()) == [".toy.lock", "toy"], "nothing half-made is left"
    assert jobs.status("toy", 0)["result"] == {"number": 1}
