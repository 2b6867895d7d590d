# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module host_status: it reads, in check mode too, and a host that cannot be read is a result."""

from __future__ import annotations

import json
from pathlib import Path

import module_promises
from playbook_run import play

# Nothing listens on the first port of loopback (IANA: tcpmux).
NOWHERE = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_connection": "ssh", "thor_profiles": []}


def test_it_keeps_its_promises(tmp_path: Path) -> None:
    result = module_promises.keep_reading("host_status", {"facts_root": str(tmp_path)}, tmp_path)
    assert result["reason"] == "" and result["host"]["memory"]["total_bytes"] > 0
    assert result["status"]["at"] > 0 and set(result["status"]["last"]) == {"verify", "bench"}


def test_a_fleet_without_a_reachable_host_still_gets_its_table(tmp_path: Path) -> None:
    inventory, file = tmp_path / "hosts.json", tmp_path / "status.json"
    inventory.write_text(json.dumps({"thor": {"hosts": {"thor09": NOWHERE, "thor02": NOWHERE}}}), encoding="utf-8")
    done = play("playbooks/status.yml", "-e", f"thor_status_file={file}", inventory=str(inventory))
    assert done.returncode == 2, done.stdout + done.stderr
    hosts = json.loads(file.read_text(encoding="utf-8"))["hosts"]
    assert [(one["host"], one["state"]) for one in hosts] == [("thor09", "down"), ("thor02", "down")], "inventory order"
    assert all("unreachable" in one["reason"] for one in hosts)
    assert "THOR-STATUS-UNREAD: thor02: unreachable" in done.stdout
    assert file.stat().st_mode & 0o777 == 0o600
