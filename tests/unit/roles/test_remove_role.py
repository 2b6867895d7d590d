# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What remove.yml refuses before it touches a host. In check mode, so that nothing goes on this machine if it refuses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playbook_run import play


@pytest.mark.parametrize("name", ["thor_remove_model", "thor_remove_package"])
def test_a_misspelled_variable_is_refused(tmp_path: Path, name: str) -> None:
    host = {"ansible_connection": "local", "ansible_become": False}
    (tmp_path / "hosts.json").write_text(json.dumps({"thor": {"hosts": {"device": host}}}), encoding="utf-8")
    done = play("playbooks/remove.yml", "--check", "-e", f"{name}=true", inventory=str(tmp_path / "hosts.json"))
    said = " ".join(done.stdout.split())
    assert done.returncode != 0 and f"THOR-VARIABLE-UNKNOWN: device: {name}: nothing reads this" in said, done.stdout
    assert f"{name}s" in said, "the right name is among those that are offered"
