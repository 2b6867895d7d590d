# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the role gateway's tasks: what a person reads if apt fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import playbook_run
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
    done = playbook_run.play(str(tmp_path / "play.yml"), "-c", "local", "-e", variables, inventory="thor01,")
    assert done.returncode == 2, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def test_an_apt_that_fails_is_named_by_a_code_with_a_way_out(tmp_path: Path) -> None:
    text = said({"ansible.builtin.fail": {"msg": "Failed to lock apt for exclusive operation."}}, tmp_path)
    code = "THOR-GATEWAY-PACKAGE: thor01: thor_gateway: apt could not install nginx, libnginx-mod-http-lua:"
    assert f"{code} Failed to lock apt for exclusive operation. No service was changed. Run apt-get update" in text
