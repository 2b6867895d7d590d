# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the role gateway's tasks: what a person reads if apt fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

INSTALL = Path(__file__).resolve().parents[3] / "roles/gateway/tasks/install.yml"


def installing() -> dict[str, Any]:
    """The block around apt."""
    tasks = yaml.safe_load(INSTALL.read_text(encoding="utf-8"))
    (found,) = [one for one in tasks if any("ansible.builtin.apt" in inner for inner in one.get("block", ()))]
    return dict(found)


def said(failing: dict[str, Any], tmp_path: Path) -> str:
    """What the role says after a failure of the task in apt's place."""
    tasks = [{"block": [failing], "rescue": installing()["rescue"]}]
    play = [{"hosts": "thor01", "gather_facts": False, "tasks": tasks}]
    (tmp_path / "play.yml").write_text(json.dumps(play), encoding="utf-8")
    variables = json.dumps({"__gateway_steps": {"packages": ["nginx", "libnginx-mod-http-lua"]}})
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "-i", "thor01,", "-c", "local", "play.yml", "-e", variables],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stdout


def test_an_apt_that_fails_is_named_by_a_code_with_a_way_out(tmp_path: Path) -> None:
    text = said({"ansible.builtin.fail": {"msg": "Failed to lock apt for exclusive operation."}}, tmp_path)
    code = "THOR-GATEWAY-PACKAGE: thor01: thor_gateway: apt could not install nginx, libnginx-mod-http-lua:"
    assert f"{code} Failed to lock apt for exclusive operation. No service was changed. Run apt-get update" in text
