# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module apt_proxy: check mode, diff mode and a second run; no password in its result; what it removes."""

from __future__ import annotations

import json
from pathlib import Path

import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import proxy

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
