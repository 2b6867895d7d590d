# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module apt_proxy: check mode, diff mode and a second run; no password in its result; what it removes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import module_promises
import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import proxy
from playbook_run import play

SECRET = "http://me:hunter2@proxy.example.org:3128"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, file in (("FOLDER", ""), ("APT", "apt.conf"), ("DOCKER", "docker.env")):
        monkeypatch.setattr(proxy, name, tmp_path / "thor/proxy" / file)


def test_it_keeps_its_promises(tmp_path: Path) -> None:
    done = module_promises.keep("apt_proxy", {"proxy": {"http": SECRET, "no_proxy": ["lan"]}}, tmp_path)
    assert "hunter2" not in json.dumps(done) and "hunter2" in proxy.APT.read_text(encoding="utf-8")
    assert done["diff"]["before"] == ""


def test_a_changed_password_is_a_change_and_in_no_diff() -> None:
    module_promises.run("apt_proxy", {"proxy": {"http": SECRET}})
    changed = module_promises.run("apt_proxy", {"proxy": {"http": SECRET.replace("hunter2", "hunter3")}})
    assert changed["changed"] and "hunter" not in json.dumps(changed)


def test_without_a_proxy_nothing_of_it_stays(tmp_path: Path) -> None:
    module_promises.run("apt_proxy", {"proxy": {"http": SECRET}})
    proxy.write(proxy.DOCKER, "HTTP_PROXY=x\n")
    done = module_promises.keep("apt_proxy", {}, tmp_path)
    assert done["diff"]["after"] == "" and "hunter2" not in json.dumps(done)
    assert not proxy.FOLDER.exists()


def test_the_password_is_in_nothing_that_ansible_logs_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[Any] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _self, *said, **more: logged.append((said, more)))
    module_promises.run("apt_proxy", {"proxy": {"http": SECRET, "no_proxy": ["lan"]}}, check=True)
    assert "Invoked with" in str(logged) and "lan" in str(logged) and "hunter2" not in str(logged)


def test_the_password_is_not_shown_by_a_verbose_run(tmp_path: Path) -> None:
    task = {"jetson.thor.apt_proxy": {"proxy": "{{ thor_proxy | jetson.thor.proxy }}"}, "name": "Tell"}
    run: dict[str, Any] = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    run["vars"] = {"ansible_python_interpreter": sys.executable}
    (tmp_path / "play.yml").write_text(json.dumps([run]), encoding="utf-8")
    (tmp_path / "vault.json").write_text(json.dumps({"thor_proxy": SECRET}), encoding="utf-8")
    done = play(
        str(tmp_path / "play.yml"),
        "--check",
        "--diff",
        "-vvvv",
        "-e",
        f"@{tmp_path}/vault.json",
        inventory="localhost,",
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "Acquire::http::Proxy" in said, said
    assert "hunter2" not in said
