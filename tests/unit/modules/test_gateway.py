# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module gateway: check mode, diff mode, a second run, and what it says of secrets."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import gateway_systemd
import module_promises
import pytest

SECRET = "a-secret-0123456789"
ARGUMENTS: dict[str, Any] = {
    "files": [
        {"path": "/etc/thor/gateway/nginx.conf", "mode": "0644", "content": "daemon off;"},
        {"path": "/etc/systemd/system/thor-gateway.service", "mode": "0644", "content": "[Unit]"},
    ],
    "secrets": {"/etc/thor/gateway/lua/clients.lua": SECRET},
}


@pytest.fixture(autouse=True)
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> gateway_systemd.FakeNginx:
    """A device below a folder."""
    disk, nginx = gateway_systemd.deployment(tmp_path)
    module = importlib.import_module(f"{module_promises.PLUGINS}.modules.gateway")
    monkeypatch.setattr(module, "deployment", lambda: disk)
    return nginx


def test_it_keeps_its_promises(tmp_path: Path) -> None:
    result = module_promises.keep("gateway", ARGUMENTS, tmp_path)
    assert result["changed_files"][0] == "/etc/thor/gateway/nginx.conf" and len(result["changed_files"]) == 3


def test_it_keeps_its_promises_when_it_removes_the_gateway(tmp_path: Path) -> None:
    module_promises.run("gateway", ARGUMENTS)
    module_promises.keep("gateway", {"state": "absent"}, tmp_path)


def test_a_secret_is_in_no_result(tmp_path: Path) -> None:
    for secret in (SECRET, SECRET[::-1]):
        result = module_promises.run("gateway", {**ARGUMENTS, "secrets": {"/etc/thor/gateway/lua/clients.lua": secret}})
        assert result["changed"] and secret not in json.dumps(result)
        assert any("which is secret" in one["after"] for one in result["diff"])
    assert (tmp_path / "etc/thor/gateway/lua/clients.lua").read_text(encoding="utf-8") == SECRET[::-1]


def test_a_gateway_that_is_down_is_a_change(device: gateway_systemd.FakeNginx) -> None:
    module_promises.run("gateway", ARGUMENTS)
    device.active = False
    result = module_promises.run("gateway", ARGUMENTS)
    assert result["changed"] and result["changed_files"] == [] and device.active
