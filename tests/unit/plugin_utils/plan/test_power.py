# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which steps of power, clocks and memory settings are due on a host."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.observe import power as observed
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import power

ROOT = Path(__file__).resolve().parents[4]
THOR = {"MAXN": 0, "120W": 1, "90W": 2, "70W": 3}
UNIT = f"{observed.CLOCKS_MARKER} (test).\n[Service]\nExecStart=/usr/bin/jetson_clocks\n"
WANTED: dict[str, Any] = {
    "mode": "MAXN",
    "clocks": True,
    "clocks_unit": UNIT,
    "headless": False,
    "stop_display_manager": False,
    "disable_zram": False,
    "sysctl": {},
}
SETTLED: dict[str, Any] = {
    "nvpmodel": "/usr/sbin/nvpmodel",
    "mode": {"name": "MAXN", "id": 0},
    "modes": THOR,
    "jetson_clocks": "/usr/bin/jetson_clocks",
    "clocks": {"unit": UNIT, "enabled": True, "applied": True},
    "default_target": "graphical.target",
    "display_manager": {"unit": "gdm3.service", "active": True},
    "zram": {"unit": "nvzramconfig.service", "enabled": True},
    "sysctl": {"file": None, "values": {}, "writable": True},
}
BARE: dict[str, Any] = {
    **SETTLED,
    "nvpmodel": None,
    "mode": None,
    "modes": {},
    "jetson_clocks": None,
    "clocks": {"unit": None, "enabled": False, "applied": False},
    "display_manager": None,
    "zram": None,
    "sysctl": {"file": None, "values": {}, "writable": False},
}
ALL = {"headless": True, "stop_display_manager": True, "disable_zram": True, "sysctl": {"vm.swappiness": 10}}
NOTHING = {
    "mode": False,
    "clocks": "none",
    "relock": False,
    "headless": False,
    "stop_display_manager": False,
    "disable_zram": False,
    "sysctl": "none",
}


def decided(host: dict[str, Any], **wanted: Any) -> tuple[dict[str, Any], list[str], list[str]]:
    """The flags that differ from doing nothing, what is skipped, and the problems."""
    found = power.steps(host, {**WANTED, **wanted})
    flags = {name: getattr(found, name) for name, value in NOTHING.items() if getattr(found, name) != value}
    assert found.due is bool(flags)
    return flags, list(found.skipped), [problem.text() for problem in found.problems]


def test_a_device_that_is_as_it_should_be_needs_nothing() -> None:
    assert decided(SETTLED) == ({}, [], [])
    assert decided(SETTLED, mode="maxn") == ({}, [], [])
    assert decided(SETTLED, mode=None) == ({}, [], [])


@pytest.mark.parametrize(
    ("host", "wanted", "flags"),
    [
        ({"mode": {"name": "120W", "id": 1}}, {}, {"mode": True, "relock": True}),
        (
            {"mode": None, "clocks": {"unit": None, "enabled": False, "applied": False}},
            {},
            {"mode": True, "clocks": "install"},
        ),
        ({"mode": None}, {}, {"mode": True, "relock": True}),
        ({"mode": None}, {"clocks": False}, {"mode": True, "clocks": "remove"}),
        ({"mode": {"name": "120W", "id": 1}}, {"mode": None}, {}),
        ({"clocks": {"unit": None, "enabled": False, "applied": False}}, {}, {"clocks": "install"}),
        ({"clocks": {"unit": "other", "enabled": True, "applied": True}}, {}, {"clocks": "install"}),
        ({"clocks": {"unit": UNIT, "enabled": False, "applied": True}}, {}, {"clocks": "install"}),
        ({"clocks": {"unit": UNIT, "enabled": True, "applied": False}}, {}, {"clocks": "install"}),
        ({}, {"clocks": False}, {"clocks": "remove"}),
        ({"clocks": {"unit": "another's", "enabled": True, "applied": True}}, {"clocks": False}, {}),
        ({}, {"headless": True}, {"headless": True}),
        ({"default_target": "multi-user.target"}, {"headless": True}, {}),
        ({}, {"stop_display_manager": True}, {"stop_display_manager": True}),
        ({"display_manager": {"unit": "gdm3.service", "active": False}}, {"stop_display_manager": True}, {}),
        ({}, {"disable_zram": True}, {"disable_zram": True}),
        ({"zram": {"unit": "nvzramconfig.service", "enabled": False}}, {"disable_zram": True}, {}),
        ({}, {"sysctl": {"vm.swappiness": 10}}, {"sysctl": "write"}),
        ({"sysctl": {"file": "# ours\n", "values": {}, "writable": True}}, {}, {"sysctl": "remove"}),
    ],
)
def test_each_step_is_taken_where_it_is_needed(
    host: dict[str, Any], wanted: dict[str, Any], flags: dict[str, Any]
) -> None:
    assert decided({**SETTLED, **host}, **wanted) == (flags, [], [])


def test_what_a_device_cannot_do_is_skipped_with_a_reason() -> None:
    flags, skipped, problems = decided(BARE, **ALL)
    assert (flags, problems) == ({"headless": True}, [])
    assert len(skipped) == 5 and all(reason.endswith((".", ")")) for reason in skipped)
    assert decided(BARE, mode=None, clocks=False) == ({}, [], [])


def test_an_unknown_mode_is_refused_with_the_names_that_there_are() -> None:
    _, _, (problem,) = decided(SETTLED, mode="MAXN_SUPER")
    assert problem.startswith('THOR-POWER-MODE: power_mode = "MAXN_SUPER": ')
    assert "It has MAXN, 120W, 90W, 70W." in problem
    _, _, (problem,) = decided({**SETTLED, "modes": {}})
    assert "nvpmodel names no modes" in problem


@pytest.mark.parametrize(
    "setting", [{"kernel.panic": 1}, {"vm.x y": 1}, {"vm.swappiness": "ten"}, {"vm.swappiness": True}]
)
def test_only_memory_settings_with_numbers_are_taken(setting: dict[str, Any]) -> None:
    _, _, problems = decided(SETTLED, sysctl=setting)
    assert len(problems) == 1 and problems[0].startswith("THOR-POWER-SYSCTL: power_sysctl[")


def test_memory_settings_are_settled_when_file_and_kernel_agree() -> None:
    settings = {"vm.swappiness": 10, "vm.lowmem_reserve_ratio": "256 256\t32"}
    text = power.sysctl_text(settings)
    assert observed.parse_sysctl(text) == {"vm.swappiness": "10", "vm.lowmem_reserve_ratio": "256 256 32"}
    present = {"file": text, "values": observed.parse_sysctl(text), "writable": True}
    assert decided({**SETTLED, "sysctl": present}, sysctl=settings) == ({}, [], [])
    present["values"] = {**observed.parse_sysctl(text), "vm.swappiness": "60"}
    assert decided({**SETTLED, "sysctl": present}, sysctl=settings) == ({"sysctl": "write"}, [], [])


def test_the_unit_of_the_clocks_is_ours_but_not_a_service() -> None:
    text = (ROOT / "roles/power/templates/jetson-thor-clocks.service.j2").read_text(encoding="utf-8")
    assert re.sub(r"\{#.*?#\}\n", "", text).startswith(observed.CLOCKS_MARKER)
    assert not observed.CLOCKS_UNIT.startswith("thor-"), "units of services are found by that name"
    done = subprocess.run(
        ["grep", "-rl", observed.CLOCKS_UNIT, ROOT / "roles/power/tasks"], capture_output=True, check=True
    )
    assert done.stdout, "tasks and code name the same unit"


def test_nothing_is_disabled_that_has_to_stay() -> None:
    stays = re.compile(r"nvargus-daemon|nvgetty|nvpmodel\.service|docker")
    for path in (ROOT / "roles/power/tasks").glob("*.yml"):
        for task in yaml.safe_load(path.read_text(encoding="utf-8")):
            assert not stays.search(str(task.get("ansible.builtin.systemd_service", ""))), path.name
