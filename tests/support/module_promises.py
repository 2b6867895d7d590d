# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Run modules in this process, and hold them to what their documentation promises of check mode and diff mode.

Jobs run at once and in this process (``inline_jobs``); everything else that a module touches is a test's to redirect.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.jetson.thor.plugins.module_utils import jobs
from module_docs import documentation

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = "ansible_collections.jetson.thor.plugins"
Result = dict[str, Any]


def promised(name: str) -> dict[str, str]:
    """The attributes of a module as it documents them: what it supports, by their names."""
    return {attribute: one["support"] for attribute, one in documentation()[name]["attributes"].items()}


class Silent:
    """A reporter that nobody reads."""

    def progress(self, *_arguments: Any, **_more: Any) -> None:
        """Say nothing."""

    def say(self, _line: str) -> None:
        """Say nothing."""


def inline_jobs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let every job run to its end where it is started; returns the list of their names, which grows."""
    started: list[str] = []

    def start(module: Any, name: str, target: str, spec: dict[str, Any], **_more: Any) -> NoReturn:
        started.append(name)
        try:
            result = importlib.import_module(f"{PLUGINS}.module_utils.{target}").run_job(spec, Silent())
        except jobs.JobFailed as error:
            module.fail_json(msg=str(error), **error.extra)
        module.exit_json(**result)
        raise AssertionError("exit_json has ended the module")

    monkeypatch.setattr(jobs, "start", start)
    monkeypatch.setattr(jobs, "is_running", lambda _name: False)
    return started


def run(name: str, arguments: dict[str, Any], *, check: bool = False) -> Result:
    """Run a module as Ansible does on a host, in diff mode; its result, which must not be a failure."""
    module = importlib.import_module(f"{PLUGINS}.modules.{name}")
    settings = {"_ansible_check_mode": check, "_ansible_diff": True}
    said = io.StringIO()
    with patch_module_args({**arguments, **settings}), contextlib.redirect_stdout(said), pytest.raises(SystemExit):
        module.main()
    result: Result = json.loads(said.getvalue().splitlines()[-1])
    assert not result.get("failed"), result
    return result


def run_action(name: str, arguments: dict[str, Any], *, check: bool = False) -> Result:
    """Run a module that is all action plugin as a person would; its result, which must not be a failure."""
    program = str(Path(sys.executable).with_name("ansible"))
    command = [program, "thor01", "-i", "thor01,", "-m", f"jetson.thor.{name}", "-a", json.dumps(arguments), "--diff"]
    command += ["--check"] if check else []
    settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "NO_COLOR": "1"}
    environment = {**os.environ, **settings}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result: Result = json.loads(done.stdout[done.stdout.index("{") :])
    return result


def snapshot(*roots: Path) -> dict[str, tuple[str, int, Any]]:
    """Everything below some folders: kind, mode and content."""
    return {str(path): _seen(path) for root in roots for path in _below(root)}


def _below(root: Path) -> Iterator[Path]:
    yield from [root] if root.is_file() else sorted(root.rglob("*"))


def _seen(path: Path) -> tuple[str, int, Any]:
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return "link", mode, str(path.readlink())
    return ("file", mode, path.read_bytes()) if stat.S_ISREG(status.st_mode) else ("other", mode, None)


def shows_a_change(result: Result) -> bool:
    """Whether the diff of a result shows anything."""
    diff = result.get("diff") or []
    return any(one["before"] != one["after"] for one in ([diff] if isinstance(diff, dict) else diff))


def keep(name: str, arguments: dict[str, Any], *roots: Path) -> Result:
    """Hold a module that has something to change below ``roots`` to its promises; returns the result of its change."""
    attributes = promised(name)
    assert attributes["check_mode"] in {"full", "partial"}
    before = snapshot(*roots)
    forecast = run(name, arguments, check=True)
    assert snapshot(*roots) == before, "check mode has changed something"
    done = run(name, arguments)
    assert snapshot(*roots) != before, "nothing was there to change"
    assert (forecast["changed"], done["changed"]) == (True, True)
    for result in (forecast, done):
        if attributes["diff_mode"] == "none":
            assert "diff" not in result, "a diff that is not documented"
        else:
            assert shows_a_change(result), "a documented diff is missing"
    settled = snapshot(*roots)
    for check in (True, False):
        again = run(name, arguments, check=check)
        assert again["changed"] is False, "a second run changes something"
        assert not shows_a_change(again), "a second run shows a change"
        assert snapshot(*roots) == settled
    return done


def keep_reading(name: str, arguments: dict[str, Any], *roots: Path) -> Result:
    """Hold a module that only reads to its promises; returns its result."""
    assert promised(name) | {"check_mode": "full", "diff_mode": "none"} == promised(name)
    before = snapshot(*roots)
    results = [run(name, arguments, check=check) for check in (True, False)]
    for result in results:
        assert result["changed"] is False and "diff" not in result
    assert set(results[0]) == set(results[1]), "check mode returns other keys"
    assert snapshot(*roots) == before, "it has changed something"
    return results[1]


def keep_noting(name: str, arguments: dict[str, Any], *roots: Path) -> Result:
    """Hold a module that only writes a note of the collection's own below ``roots`` to its promises; returns its result."""
    assert promised(name) | {"check_mode": "full", "diff_mode": "none"} == promised(name)
    before = snapshot(*roots)
    forecast = run(name, arguments, check=True)
    assert snapshot(*roots) == before, "check mode has written the note"
    done = run(name, arguments)
    noted = snapshot(*roots)
    assert noted != before and done == forecast and done["changed"] is False and "diff" not in done
    assert run(name, arguments) == done and snapshot(*roots) == noted, "a second run notes something else"
    return done


def keep_repeating(name: str, arguments: dict[str, Any], done: Callable[[], list[str]]) -> Result:
    """Hold a module that does the same again in every run to its promises; ``done``: what it has done so far. Returns its result."""
    assert promised(name) | {"check_mode": "full", "diff_mode": "none", "idempotent": "none"} == promised(name)
    forecast = run(name, arguments, check=True)
    assert done() == [], "check mode has done something"
    result = run(name, arguments)
    once = done()
    assert once and set(result) == set(forecast), "check mode returns other keys, or nothing was done"
    assert (forecast["changed"], result["changed"]) == (True, True) and "diff" not in result
    assert run(name, arguments)["changed"] is True and done() == once * 2
    return result
