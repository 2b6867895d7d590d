# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Other provisioners of a host: who is installing packages now."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jetson.thor.plugins.action.package_work import ActionModule
from ansible_collections.jetson.thor.plugins.module_utils import systemd
from ansible_collections.jetson.thor.plugins.module_utils.observe import packages

ROOT = Path(__file__).resolve().parents[4]


HOLD = """
import fcntl, sys, time
files = [open(path, "w") for path in sys.argv[1:]]
for file in files: fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture(name="locks")
def _locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Free locks of dpkg and apt; no unit is running."""
    paths = [tmp_path / name for name in ("lock-frontend", "lock")]
    for path in paths:
        path.touch()
    monkeypatch.setattr(packages, "LOCKS", (*paths, tmp_path / "absent"))
    monkeypatch.setattr(systemd, "observe", lambda *_asked: {})
    return paths


def test_holders_of_dpkgs_locks_are_named(locks: list[Path]) -> None:
    assert packages.observe() == {"package_work": [], "docker_installer": False}
    with subprocess.Popen([sys.executable, "-c", HOLD, *map(str, locks)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        assert packages.holder(locks[0]) == other.pid
        (text,) = packages.observe()["package_work"]
        other.kill()
    assert text.startswith("python") and f"(pid {other.pid}, holds {locks[0]} and {locks[1]})" in text
    assert packages.observe()["package_work"] == []


@pytest.mark.parametrize(
    ("load", "active", "file", "job", "work", "installer"),
    [
        ("loaded", "activating", "enabled", "0", True, True),
        ("loaded", "active", "enabled", "0", True, True),
        ("loaded", "inactive", "enabled", "1234 /org/freedesktop/systemd1/job/1234", True, True),
        ("loaded", "inactive", "enabled", "0", False, True),
        ("loaded", "failed", "disabled", "", False, False),
        ("not-found", "inactive", "", "", False, False),
    ],
)
def test_jetpacks_docker_installer_is_seen(
    monkeypatch: pytest.MonkeyPatch,
    locks: list[Path],
    load: str,
    active: str,
    file: str,
    job: str,
    work: bool,
    installer: bool,
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(packages, "LOCKS", locks)
    unit = {"LoadState": load, "ActiveState": active, "UnitFileState": file, "Job": job}
    monkeypatch.setattr(systemd, "observe", lambda *_asked: {packages.INSTALLER: unit})
    seen = packages.observe()
    assert seen["docker_installer"] is installer
    assert seen["package_work"] == ([f"nv-install-docker.service ({active})"] if work else [])


def test_waiting_ends_after_a_moment_of_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "CALM_SECONDS", 0.6)
    # Between two attempts of a unit nothing is running.
    states = iter([["a"], [], ["a"], [], []])
    monkeypatch.setattr(packages, "observe", lambda: {"package_work": next(states, [])})
    begun = time.monotonic()
    assert packages.settle(20) == []
    assert time.monotonic() - begun >= 2
    monkeypatch.setattr(packages, "observe", lambda: {"package_work": ["apt-daily.service (activating)"]})
    assert packages.settle(0) == ["apt-daily.service (activating)"]


def action(answers: Callable[[], dict[str, Any]], timeout: int) -> tuple[dict[str, Any], list[str]]:
    """The result of the action where the host answers this, and what was shown meanwhile."""
    made = ActionModule.__new__(ActionModule)
    made.validate_argument_spec = lambda **_: (None, {"timeout": timeout, "variable": "preflight_packages_timeout"})
    made._execute_module = lambda **_: answers()
    shown: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ansible.plugins.action.ActionBase.run", lambda *_: {})
        patch.setattr("ansible_collections.jetson.thor.plugins.action.package_work.display.display", shown.append)
        return made.run(task_vars={"inventory_hostname": "thor05"}), shown


def test_what_we_wait_for_is_shown() -> None:
    answers: Iterator[dict[str, Any]] = iter([{"work": ["nv-install-docker.service (activating)"]}, {"work": []}])
    result, shown = action(lambda: next(answers), 60)
    assert not result.get("failed") and result["work"] == []
    assert len(shown) == 1 and "thor05" in shown[0] and "nv-install-docker.service (activating)" in shown[0]


def test_the_wait_is_bounded_and_ends_with_a_refusal() -> None:
    result, _shown = action(lambda: {"work": ["unattended-upgr (pid 7, holds /var/lib/dpkg/lock)"]}, 0)
    assert result["failed"] and result["msg"].startswith("THOR-PACKAGES-BUSY: thor05: preflight_packages_timeout = 0: ")
    assert "unattended-upgr (pid 7" in result["msg"] and "Nothing was changed" in result["msg"]


def test_the_wait_and_the_simulation_come_before_the_first_change() -> None:
    plays = yaml.safe_load((ROOT / "playbooks/preflight.yml").read_text(encoding="utf-8"))
    tasks = [task for play in plays for task in play["tasks"]]
    roles = [task["ansible.builtin.import_role"] for task in tasks if "ansible.builtin.import_role" in task]
    order = [role.get("tasks_from") or role["name"].rpartition(".")[2] for role in roles]
    assert order == ["observe", "catalog", "look", "wait", "refuse", "simulate"]
    waiting = yaml.safe_load((ROOT / "roles/preflight/tasks/wait.yml").read_text(encoding="utf-8"))
    assert "jetson.thor.package_work" in waiting[0]
    assert waiting[1]["ansible.builtin.include_tasks"] == "observe.yml", "the host has changed meanwhile"
    for playbook in ("site", "rollout"):
        first, *others = yaml.safe_load((ROOT / f"playbooks/{playbook}.yml").read_text(encoding="utf-8"))
        assert first["ansible.builtin.import_playbook"] == "jetson.thor.preflight"
        assert "jetson.thor.container_runtime" in str(others)
