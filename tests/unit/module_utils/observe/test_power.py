# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Power: nvpmodel's output as devices printed it, and what is observed of a host."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import nvpmodel
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.observe import host as observe
from ansible_collections.jetson.thor.plugins.module_utils.observe import power
from ansible_collections.jetson.thor.plugins.modules import power_mode
from nvpmodel import THOR

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


@pytest.fixture(name="tools")
def _tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return nvpmodel.install(tmp_path, monkeypatch)


def test_a_device_without_tools_is_observed_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "_PATH", str(tmp_path))
    found = power.observe(tmp_path)["power"]
    assert (found["nvpmodel"], found["mode"], found["modes"], found["jetson_clocks"]) == (None, None, {}, None)
    assert observe.observe(str(tmp_path))["power"] == found


def test_the_modes_are_observed_with_the_tool_or_from_its_file(tools: Path) -> None:
    found = power.observe(None)["power"]
    assert found["modes"] == THOR
    assert found["mode"] == {"name": "120W", "id": 9}
    nvpmodel.program(tools / "sbin/nvpmodel", "exit 1")
    (tools / "etc").mkdir()
    (tools / "etc/nvpmodel.conf").write_text(THOR_FILE)
    assert power.observe(tools)["power"]["modes"] == THOR


def test_observation_is_bounded_when_the_tool_hangs(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvpmodel.program(tools / "sbin/nvpmodel", "exec sleep 60")
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
