# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Power: nvpmodel's words as devices have said them, what is observed of a host, and what is to do about it."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.observe import host as observe
from ansible_collections.jetson.thor.plugins.module_utils.observe import power
from ansible_collections.jetson.thor.plugins.modules import power_mode

ROOT = Path(__file__).resolve().parents[4]

# As posted by people who ran it on a device.
XAVIER_NX = """\
NVPM VERB: POWER_MODEL: ID=0 NAME=MODE_15W_2CORE
NVPM VERB: POWER_MODEL: ID=1 NAME=MODE_15W_4CORE
NVPM VERB: POWER_MODEL: ID=8 NAME=MODE_20W_6CORE
"""
TX2 = """\
NVPM VERB: parsing done for /etc/nvpmodel.conf
NVPM VERB: Current mode: NV Power Mode: MAXN
0
NVPM VERB: PM_CONFIG: DEFAULT=MAXP_CORE_ARM(3)
NVPM VERB: ACTIVE=MAXN(0)
NVPM VERB: POWER_MODEL: ID=0 NAME=MAXN
NVPM VERB: /sys/devices/system/cpu/cpu1/online 1
NVPM VERB: value = 1
NVPM VERB: POWER_MODEL: ID=1 NAME=MAXQ
"""
ORIN_NANO_SUPER = """\
NVPM WARN: fan mode is not set!
NVPM VERB: POWER_MODEL: ID=0 NAME=15W
NVPM VERB: POWER_MODEL: ID=1 NAME=25W
NVPM VERB: POWER_MODEL: ID=2 NAME=MAXN_SUPER
"""
# The modes of an AGX Thor, in the form of the file that nvpmodel reads.
THOR_FILE = """\
# MAXN is the NONE power model to release all constraints
< POWER_MODEL ID=0 NAME=MAXN >
CPU_ONLINE CORE_0 1
GPU MAX_FREQ -1
< POWER_MODEL ID=1 NAME=120W >
#< POWER_MODEL ID=9 NAME=COMMENT >
< POWER_MODEL ID=2 NAME=90W >
< POWER_MODEL ID=3 NAME=70W >
< PM_CONFIG DEFAULT=1 >
"""
THOR = {"MAXN": 0, "120W": 1, "90W": 2, "70W": 3}


@pytest.mark.parametrize(
    ("text", "modes"),
    [
        (XAVIER_NX, {"MODE_15W_2CORE": 0, "MODE_15W_4CORE": 1, "MODE_20W_6CORE": 8}),
        (TX2, {"MAXN": 0, "MAXQ": 1}),
        (ORIN_NANO_SUPER, {"15W": 0, "25W": 1, "MAXN_SUPER": 2}),
        (THOR_FILE, THOR),
        ("NVPM ERROR: Error opening /etc/nvpmodel.conf: 2\n", {}),
    ],
)
def test_modes_are_read_by_name(text: str, modes: dict[str, int]) -> None:
    assert power.parse_modes(text) == modes


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("NV Power Mode: MAXN\n0\n", {"name": "MAXN", "id": 0}),
        ("NVPM WARN: fan mode is not set to cool\nNV Power Mode: MODE_30W\n2\n", {"name": "MODE_30W", "id": 2}),
        ("NV Power Mode: MAXN_SUPER\n", {"name": "MAXN_SUPER", "id": None}),
        ("NVPM ERROR: failed to read PARAM\nNVPM ERROR: optMask is 2, no request for power mode\n", None),
        ("", None),
    ],
)
def test_the_current_mode_is_read(text: str, mode: dict[str, Any] | None) -> None:
    assert power.parse_current(text) == mode


def test_a_mode_that_needs_a_boot_is_known_by_the_question() -> None:
    asked = """\
NVPM WARN: Golden image context is already created
NVPM WARN: Reboot required for changing to this power mode: 1
NVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm:
NVPM ERROR: bad input!
NVPM ERROR: optMask is 1, no request for power mode
"""
    assert power.needs_reboot(asked)
    assert not power.needs_reboot("NVPM ERROR: failed to set power mode!\n")


def test_a_program_that_asks_or_hangs_does_not_hold_anybody_up() -> None:
    assert power.ask("sh", "-c", "read answer || echo nobody; exit 3") == (3, "nobody\n")
    begin = time.monotonic()
    status, output = power.ask("sh", "-c", "echo before; exec sleep 30", seconds=0.5)
    assert (status, output) == (None, "before\n")
    assert time.monotonic() - begin < 5
    status, output = power.ask("/no/such/program")
    assert status is None and "No such file" in output


@pytest.fixture(name="tools")
def _tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only one where tools are looked for, with an nvpmodel of a Thor."""
    folder = tmp_path / "sbin"
    folder.mkdir()
    monkeypatch.setattr(power, "_PATH", str(folder))
    models = "\n".join(f"NVPM VERB: POWER_MODEL: ID={number} NAME={name}" for name, number in THOR.items())
    program(
        folder / "nvpmodel",
        f"""
case $1 in
-p) echo '{models}' >&2 ;;
-q) printf 'NVPM WARN: fan mode is not set!\\nNV Power Mode: %s\\n9\\n' $(cat {tmp_path}/mode) ;;
-m) case $2 in
    0) echo MAXN >{tmp_path}/mode ;;
    2) echo 'NVPM WARN: Reboot required for changing to this power mode: 2'; read answer || exit 234 ;;
    *) echo 'NVPM ERROR: failed to set power mode!' >&2; exit 255 ;;
    esac ;;
esac
""",
    )
    (tmp_path / "mode").write_text("120W")
    return tmp_path


def program(path: Path, text: str) -> None:
    """Write a shell script."""
    path.write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
    path.chmod(0o755)


def test_a_device_without_tools_is_observed_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "_PATH", str(tmp_path))
    found = power.observe(tmp_path)["power"]
    assert (found["nvpmodel"], found["mode"], found["modes"], found["jetson_clocks"]) == (None, None, {}, None)
    assert observe.observe(str(tmp_path))["power"] == found


def test_the_modes_are_observed_with_the_tool_or_from_its_file(tools: Path) -> None:
    found = power.observe(None)["power"]
    assert found["modes"] == THOR
    assert found["mode"] == {"name": "120W", "id": 9}
    program(tools / "sbin/nvpmodel", "exit 1")
    (tools / "etc").mkdir()
    (tools / "etc/nvpmodel.conf").write_text(THOR_FILE)
    assert power.observe(tools)["power"]["modes"] == THOR


def test_observation_is_bounded_when_the_tool_hangs(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tools / "sbin/nvpmodel", "exec sleep 60")
    monkeypatch.setattr(power.ask, "__kwdefaults__", {"seconds": 0.3})
    begin = time.monotonic()
    assert power.observe(None)["power"]["mode"] is None
    assert time.monotonic() - begin < 5


def test_the_module_sets_a_mode_and_asks_whether_it_holds(tools: Path) -> None:
    result, warning = power_mode.run("maxn", 10, check_mode=True)
    assert result["changed"] and result["diff"] == {"before": "120W\n", "after": "MAXN\n"}
    assert (tools / "mode").read_text() == "120W"
    result, warning = power_mode.run("maxn", 10, check_mode=False)
    assert result["changed"] and result["mode"]["name"] == "MAXN" and warning is None
    result, warning = power_mode.run("MAXN", 10, check_mode=False)
    assert not result["changed"]


def test_the_module_tells_of_a_boot_and_of_failures(tools: Path) -> None:
    result, warning = power_mode.run("90W", 10, check_mode=False)
    assert (result["changed"], result["reboot_required"]) == (False, True)
    assert result["reboot_command"].endswith("/nvpmodel --force -m 2")
    assert warning is not None and "it stays 120W" in warning
    with pytest.raises(power_mode.Failed, match=r"THOR-POWER-FAILED: .*ended with 255 .*failed to set power mode!"):
        power_mode.run("70W", 10, check_mode=False)
    with pytest.raises(power_mode.Failed, match=r"THOR-POWER-MODE: .*It has MAXN, 120W, 90W, 70W"):
        power_mode.run("30W", 10, check_mode=True)
    (tools / "sbin/nvpmodel").unlink()
    with pytest.raises(power_mode.Failed, match=r"THOR-POWER-FAILED: .*there is no nvpmodel"):
        power_mode.run("MAXN", 10, check_mode=False)


UNIT = f"{power.CLOCKS_MARKER} (test).\n[Service]\nExecStart=/usr/bin/jetson_clocks\n"
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
    "headless": False,
    "stop_display_manager": False,
    "disable_zram": False,
    "sysctl": "none",
}


def decided(host: dict[str, Any], **wanted: Any) -> tuple[dict[str, Any], list[str], list[str]]:
    """The flags that differ from doing nothing, what is skipped, and the problems."""
    found = power.steps(host, {**WANTED, **wanted})
    flags = {name: found[name] for name, value in NOTHING.items() if found[name] != value}
    return flags, found["skipped"], found["problems"]


def test_a_device_that_is_as_it_should_be_needs_nothing() -> None:
    assert decided(SETTLED) == ({}, [], [])
    assert decided(SETTLED, mode="maxn") == ({}, [], [])
    assert decided(SETTLED, mode=None) == ({}, [], [])


@pytest.mark.parametrize(
    ("host", "wanted", "flags"),
    [
        ({"mode": {"name": "120W", "id": 1}}, {}, {"mode": True}),
        ({"mode": None}, {}, {"mode": True}),
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
    assert power.parse_sysctl(text) == {"vm.swappiness": "10", "vm.lowmem_reserve_ratio": "256 256 32"}
    present = {"file": text, "values": power.parse_sysctl(text), "writable": True}
    assert decided({**SETTLED, "sysctl": present}, sysctl=settings) == ({}, [], [])
    present["values"] = {**power.parse_sysctl(text), "vm.swappiness": "60"}
    assert decided({**SETTLED, "sysctl": present}, sysctl=settings) == ({"sysctl": "write"}, [], [])


def test_the_unit_of_the_clocks_is_no_service_and_known_as_ours() -> None:
    text = (ROOT / "roles/power/templates/jetson-thor-clocks.service.j2").read_text(encoding="utf-8")
    assert re.sub(r"\{#.*?#\}\n", "", text).startswith(power.CLOCKS_MARKER)
    assert not power.CLOCKS_UNIT.startswith("thor-"), "units of services are found by that name"
    done = subprocess.run(
        ["grep", "-rl", power.CLOCKS_UNIT, ROOT / "roles/power/tasks"], capture_output=True, check=True
    )
    assert done.stdout, "tasks and code name the same unit"


def test_nothing_is_disabled_that_has_to_stay() -> None:
    stays = re.compile(r"nvargus-daemon|nvgetty|nvpmodel\.service|docker")
    for path in (ROOT / "roles/power/tasks").glob("*.yml"):
        for task in yaml.safe_load(path.read_text(encoding="utf-8")):
            assert not stays.search(str(task.get("ansible.builtin.systemd_service", ""))), path.name
