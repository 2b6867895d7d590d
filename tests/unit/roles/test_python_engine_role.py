# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The role python_engine on this machine, in check mode: what it passes to the module, and what it says when apt fails."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.environments.inputs import fingerprint, tag
from ansible_collections.jetson.thor.plugins.module_utils.environments.lock import parse
from ansible_collections.jetson.thor.plugins.module_utils.observe import environments
from playbook_run import play

LOCK = """\
# requirement: boxed==1.0
# python: {python}
# machine: {machine}
# glibc: 2.39
# packages: 1
# bytes: 10
boxed==1.0 --hash=sha256:{hash}


"""


def run(tmp_path: Path, work: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """The role with a plan in which only ``work`` is due."""
    tasks = [{"ansible.builtin.import_role": {"name": "jetson.thor.python_engine"}}]
    facts = {
        "ansible_facts": {"thor_plan": {"proxy": {"apt": {}}, "python_engine": work}},
        "ansible_python_interpreter": sys.executable,
    }
    content = [{"hosts": "localhost", "gather_facts": False, "connection": "local", "vars": facts, "tasks": tasks}]
    (tmp_path / "play.json").write_text(json.dumps(content), encoding="utf-8")
    return play(str(tmp_path / "play.json"), "--check", "--diff", "-v", inventory="localhost,")


def test_the_module_gets_the_lock(tmp_path: Path) -> None:
    version = environments.python()["version"]
    path = tmp_path / "boxed.txt"
    text = LOCK.format(python=".".join(version.split(".")[:2]), machine=platform.machine(), hash="0" * 64)
    path.write_text(text, encoding="utf-8")
    environment = {
        "engine": "no-such-engine",
        "version": "1.0",
        "lock": str(path),
        "argvs": {},
        "wanted": {},
        "keep": ["1.0"],
    }
    done = run(tmp_path, {"apt": [], "environments": [environment]})
    assert done.returncode == 0, done.stdout + done.stderr
    digest = parse(text).sha256
    assert (
        f"/opt/thor/engines/no-such-engine/1.0-{fingerprint(digest, tag(version, platform.machine()))}" in done.stdout
    )
    assert "changed=1 " in done.stdout and "boxed" in done.stdout, "the diff lists the packages"


def test_a_debian_package_that_apt_cannot_install_has_a_code_and_a_way_out(tmp_path: Path) -> None:
    done = run(tmp_path, {"apt": ["no-such-package-of-debian"], "environments": []})
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "THOR-COMPILER-MISSING: localhost: python_engine_install_packages = true: apt could not install" in said
    assert "no-such-package-of-debian" in said and "mirror" in said


def test_a_role_that_has_nothing_to_do_skips_two_tasks(tmp_path: Path) -> None:
    done = run(tmp_path, {"apt": [], "environments": []})
    assert done.returncode == 0 and "changed=0 " in done.stdout and "skipped=2 " in done.stdout, done.stdout
