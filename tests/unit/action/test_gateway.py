# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The action of the module gateway, run by Ansible itself on this machine in check mode: what it says, and what it leaves."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
KEY = "robot7-known-to-nobody-0123456789"
TASKS: list[dict[str, Any]] = [
    {"name": "Resolve", "ansible.builtin.import_role": {"name": "jetson.thor.catalog", "rolespec_validate": False}},
    {"name": "Set up", "jetson.thor.gateway": {}, "register": "result"},
    {"name": "Show", "ansible.builtin.debug": {"var": "result"}},
]


def play(folder: Path, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run the module on a host that is this machine, and show all that Ansible knows of it."""
    known = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "thor_profiles": [{"profile": "qwen3-8b-q5-k-m-llama-cpp", "name": "chat"}],
        "thor_gateway": {"port": 8443},
        "thor_gateway_keys": {"robot7": {"key": KEY, "models": "all"}},
        **variables,
    }
    (folder / "hosts.yml").write_text(json.dumps({"thor": {"hosts": {"thor01": known}}}), encoding="utf-8")
    (folder / "play.yml").write_text(
        json.dumps([{"hosts": "thor", "gather_facts": False, "tasks": TASKS}]), encoding="utf-8"
    )
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return subprocess.run(
        [program, "-i", folder / "hosts.yml", folder / "play.yml", "--check", "--diff", "-vvv"],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(folder),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            "LC_ALL": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_check_mode_shows_the_files_without_their_secrets_and_writes_nothing(tmp_path: Path) -> None:
    done = play(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "/etc/thor/gateway/nginx.conf" in done.stdout and "listen 0.0.0.0:8443 ssl" in done.stdout
    assert "(another content, which is secret)" in done.stdout
    for secret in (KEY, hashlib.sha256(KEY.encode()).hexdigest(), "PRIVATE KEY"):
        assert secret not in done.stdout + done.stderr
    assert not (tmp_path / "thor-ca").exists()


def test_a_damaged_authority_is_an_error_with_a_code(tmp_path: Path) -> None:
    (tmp_path / "thor-ca").mkdir()
    (tmp_path / "thor-ca/ca.crt").write_text("damaged", encoding="utf-8")
    done = play(tmp_path, thor_gateway={"port": 8443})
    assert done.returncode != 0 and "Traceback" not in done.stdout + done.stderr
    assert "THOR-GATEWAY-CA" in done.stdout + done.stderr


def test_without_a_gateway_there_is_nothing_to_set_up(tmp_path: Path) -> None:
    done = play(tmp_path, thor_gateway=False)
    assert done.returncode != 0 and "thor_gateway is not set" in done.stdout + done.stderr
