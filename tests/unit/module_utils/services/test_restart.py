# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Restarts, one after the other, with a systemd of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from ansible_collections.jetson.thor.plugins.module_utils.services.restart import restart
from switch_helper import Host, service

NAMES = ("one", "two", "three")
UNITS = [{"name": name, "unit": f"thor-{name}.service"} for name in NAMES]


class Shown:
    """A reporter that keeps what a person sees."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, float, str]] = []

    def progress(self, done: float, total: float, unit: str = "steps", text: str = "") -> None:
        """Keep it."""
        assert unit == "steps"
        self.seen.append((done, total, text))

    def say(self, line: str) -> None:
        """Nobody reads the log."""


@pytest.fixture(name="host")
def _host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.run(*(service(name, 8000 + number) for number, name in enumerate(NAMES)))
    host.systemd.orders.clear()
    return host


def test_one_after_the_other_with_progress(host: Host) -> None:
    shown = Shown()
    assert restart(UNITS, host.systemd, shown) == {"changed": True, "restarted": list(NAMES)}
    assert host.systemd.orders == [f"restart thor-{name}.service" for name in NAMES]
    assert (1, 3, "restarting thor-two.service") in shown.seen and (1, 3, "thor-two.service: loading") in shown.seen
    assert shown.seen[-1][:2] == (3, 3)


def test_one_that_starts_on_demand_is_held_by_its_door(host: Host) -> None:
    systemd: Any = host.systemd
    started: list[tuple[str, bool, str | None]] = []

    def start(unit: str, again: bool, _tell: Any, behind: str | None = None) -> bool:
        started.append((unit, again, behind))
        return True

    systemd.start = start
    done = restart([{**UNITS[0], "on_demand": True}, UNITS[1]], systemd, Shown())
    assert done["restarted"] == ["one", "two"]
    assert started == [("thor-one-proxy.service", True, "thor-one.service"), ("thor-two.service", True, None)]


def test_the_first_that_does_not_answer_ends_it_with_its_own_reason(host: Host) -> None:
    systemd: Any = host.systemd
    start = systemd.start
    systemd.start = lambda unit, again, tell: start(unit, again, tell) and unit != "thor-two.service"
    with pytest.raises(JobFailed) as caught:
        restart(UNITS, systemd, Shown())
    text, extra = str(caught.value), caught.value.extra
    assert text.startswith("THOR-SERVICE-START: ")
    assert (
        "thor-two.service was restarted but has not answered: THOR-ENGINE-EXITED: the engine ended with code 3" in text
    )
    assert "Restarted before it: thor-one.service. Left as they are: thor-three.service." in text
    assert extra == {
        "code": "THOR-SERVICE-START",
        "cause": "THOR-ENGINE-EXITED",
        "unit": "thor-two.service",
        "reason": "the engine ended with code 3",
        "restarted": ["one"],
        "changed": True,
    }
    assert "restart thor-three.service" not in systemd.orders
