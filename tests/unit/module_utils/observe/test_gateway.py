# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of what is observed of a gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import commands
from ansible_collections.jetson.thor.plugins.module_utils.gateway.deploy import Item
from ansible_collections.jetson.thor.plugins.module_utils.observe import gateway
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import wanted
from gateway_systemd import deployment

# apt-cache policy of Debian 12, without the second package.
POLICY = """\
nginx:
  Installed: (none)
  Candidate: 1.22.1-9+deb12u3
  Version table:
     1.22.1-9+deb12u3 500
        500 http://mirror.example/debian bookworm/main amd64 Packages
other:
  Installed: (none)
  Candidate: (none)
  Version table:
"""


def test_a_bare_host_has_nothing(tmp_path: Path) -> None:
    found = gateway.observe("key", tmp_path)
    assert found == {
        "files": {},
        "missing": ["nginx", "libnginx-mod-http-lua"],
        "unavailable": [],
        "nginx": False,
        "enabled_modules": [],
    }
    assert gateway.observe("", tmp_path)["missing"] == [], "nothing is missing where no gateway is wanted"


def test_files_are_seen_through_the_link_by_digest_and_mode(tmp_path: Path) -> None:
    disk, _nginx = deployment(tmp_path)
    items = [
        Item("/etc/thor/gateway/nginx.conf", "daemon off;", "0644"),
        Item("/etc/thor/gateway/lua/clients.lua", "secret", "0600"),
        Item("/etc/systemd/system/thor-gateway.service", "[Unit]", "0644"),
        Item("/etc/logrotate.d/thor-gateway", "weekly", "0644"),
    ]
    disk.apply(items)
    found = gateway.observe("key", tmp_path)["files"]
    assert found == {one.path: {"digest": wanted.digest("key", one.content), "mode": one.mode} for one in items}
    assert "secret" not in json.dumps(found)
    assert gateway.observe("other", tmp_path)["files"] != found


def test_a_persons_nginx_and_its_modules_are_seen(tmp_path: Path) -> None:
    unit, modules = tmp_path / "lib/systemd/system/nginx.service", tmp_path / "etc/nginx/modules-enabled"
    modules.mkdir(parents=True)
    unit.parent.mkdir(parents=True)
    unit.touch()
    (modules / "50-mod-http-geoip.conf").touch()
    found = gateway.observe("key", tmp_path)
    assert found["nginx"] and found["enabled_modules"] == ["50-mod-http-geoip.conf"]


def test_a_package_without_a_candidate_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "output", lambda *_command, **_more: POLICY)
    assert gateway.unavailable(["nginx", "other", "unheard-of"]) == ["other", "unheard-of"]
    assert gateway.observe("key", tmp_path)["unavailable"] == [], "without lists the role fetches them"
    (tmp_path / "var/lib/apt/lists").mkdir(parents=True)
    (tmp_path / "var/lib/apt/lists/mirror_dists_bookworm_main_binary-arm64_Packages").touch()
    assert gateway.observe("key", tmp_path)["unavailable"] == ["libnginx-mod-http-lua"]
    monkeypatch.setattr(commands, "output", lambda *_command, **_more: "")
    assert gateway.observe("key", tmp_path)["unavailable"] == [], "apt-cache said nothing"
