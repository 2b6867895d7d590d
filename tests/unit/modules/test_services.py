# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module services: check mode, diff mode, and a second run, with a systemd of our own."""

from __future__ import annotations

import importlib
from pathlib import Path

import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.services import definitions, switch
from switch_helper import Host, service


@pytest.fixture(name="host")
def _host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path)
    module = importlib.import_module(f"{module_promises.PLUGINS}.modules.services")
    monkeypatch.setattr(definitions, "Disk", lambda: host.disk)
    monkeypatch.setattr(switch, "Disk", lambda: host.disk)
    for place in (module, switch):
        monkeypatch.setattr(place, "Systemctl", lambda: host.systemd)
    return host


def test_it_keeps_its_promises(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    started = module_promises.inline_jobs(monkeypatch)
    one = service("chat", 8000)
    arguments = {"services": [{"name": one.name, "unit": one.unit, "config": one.config}], "units": ["thor.target"]}
    module_promises.keep("services", arguments, host.disk.root)
    assert host.serving == ["thor-chat.service"]
    assert started == ["switch"], "neither check mode nor a second run starts a job"


def test_check_mode_starts_and_stops_nothing(host: Host) -> None:
    host.run(service("chat", 8000))
    host.systemd.orders.clear()
    forecast = module_promises.run("services", {"services": []}, check=True)
    assert forecast["changed"] and forecast["removed"] == ["chat"]
    assert host.serving == ["thor-chat.service"] and host.systemd.orders == []


def test_a_renewed_engine_is_a_restart_in_check_mode_too(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    module_promises.inline_jobs(monkeypatch)
    one = service("chat", 8000)
    host.run(one)
    host.systemd.orders.clear()
    arguments = {"services": [{"name": one.name, "unit": one.unit, "config": one.config}], "units": ["thor.target"]}
    forecast = module_promises.run("services", {**arguments, "renewed": ["chat"]}, check=True)
    assert (forecast["changed"], forecast["switched"], host.systemd.orders) == (True, ["chat"], [])
    done = module_promises.run("services", {**arguments, "renewed": ["chat"]})
    assert (done["changed"], done["switched"]) == (True, ["chat"])
    assert "restart thor-chat.service" in host.systemd.orders
    assert module_promises.run("services", arguments)["changed"] is False
