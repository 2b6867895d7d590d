# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What sensors say, from stand-ins for the files that the kernel documents (hwmon/ina238.rst, ina3221.rst, sysfs-class-thermal)."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.observe import sensors
from sensor_files import THOR, write


@pytest.fixture
def device(tmp_path: Path) -> Path:
    write(tmp_path, THOR)
    return tmp_path


def test_zones_have_their_temperature_and_the_first_that_slows_something_down(device: Path) -> None:
    assert sensors.zones(device) == [
        sensors.Zone("gpu-thermal", 61.5, 99.0),
        sensors.Zone("soc012-thermal", 50.0, None),
    ]


def test_a_zone_that_does_not_answer_is_left_out(device: Path) -> None:
    (device / "sys/class/thermal/thermal_zone0/temp").unlink()
    assert [zone.name for zone in sensors.zones(device)] == ["soc012-thermal"]


def test_fans_slow_nothing_down(device: Path) -> None:
    assert sensors.cooling(device) == [sensors.Cooling("cpufreq-cpu0", 0, 12)]


def test_a_clock_of_a_device_that_is_off_is_an_absence(device: Path) -> None:
    assert sensors.clocks(device) == [
        sensors.Clock("bwmgr", 4266000000, 4266000000),
        sensors.Clock("gpu-gpc-0", 1386000000, 1575000000),
    ]
    write(device, {"sys/class/devfreq/gpu-gpc-0/cur_freq": 0})
    assert [clock.name for clock in sensors.clocks(device)] == ["bwmgr"]


def test_power_is_in_watts_by_the_name_of_the_rail(device: Path) -> None:
    assert sensors.watts(device) == {"VDD_GPU": 15.25, "VIN": pytest.approx(20.0), "ina238 hwmon2": 3.5}


def test_a_rail_without_a_reading_is_left_out(device: Path) -> None:
    (device / "sys/class/hwmon/hwmon1/curr1_input").write_text("\n")
    assert "VIN" not in sensors.watts(device)


def test_counters_of_over_current_are_only_those_of_their_chip(device: Path) -> None:
    write(device, {"sys/class/hwmon/hwmon0/oc9_event_cnt": 5})
    assert sensors.over_current(device) == {"oc1": 0, "oc3": 7}


def test_a_machine_without_any_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensors, "folders", lambda *_: [])
    assert (sensors.zones(tmp_path), sensors.cooling(tmp_path), sensors.clocks(tmp_path)) == ([], [], [])
    assert (sensors.clocks_locked(tmp_path), sensors.watts(tmp_path), sensors.over_current(tmp_path)) == (None, {}, {})
