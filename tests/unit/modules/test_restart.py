# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module restart: check mode restarts nothing, and says what a run would restart."""

from __future__ import annotations

from pathlib import Path

import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.services import restart
from switch_helper import Host, service


def test_it_keeps_its_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(tmp_path)
    host.run(service("chat", 8000), service("small", 8001))
    monkeypatch.setattr(restart, "Systemctl", lambda: host.systemd)
    started = module_promises.inline_jobs(monkeypatch)
    host.systemd.orders.clear()
    arguments = {"services": [{"name": name, "unit": f"thor-{name}.service"} for name in ("chat", "small")]}
    done = module_promises.keep_repeating(
        "restart", arguments, lambda: [order for order in host.systemd.orders if order.startswith("restart ")]
    )
    assert done["restarted"] == ["chat", "small"]
    assert started == ["switch"] * 2, "the name of the switch: one job at a time changes services"


def test_without_services_nothing_is_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    started = module_promises.inline_jobs(monkeypatch)
    assert module_promises.run("restart", {"services": []})["changed"] is False
    assert started == []
