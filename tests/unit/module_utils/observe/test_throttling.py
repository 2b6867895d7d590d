# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What slows a device down, read where every Linux kernel has it; here from a folder of stand-in files."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.observe import nvidia_smi, sensors, throttling

GIB = 2**30


def write(root: Path, files: dict[str, object]) -> None:
    for name, value in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{value}\n")


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A device that is cool, with its clocks locked."""
    cpu = "sys/devices/system/cpu/cpu{}/cpufreq/{}"
    thermal = "sys/class/thermal/"
    write(
        tmp_path,
        {
            **{cpu.format(number, "scaling_min_freq"): 2601000 for number in range(2)},
            **{cpu.format(number, "scaling_max_freq"): 2601000 for number in range(2)},
            **{cpu.format(number, "cpuinfo_max_freq"): 2601000 for number in range(2)},
            "sys/class/devfreq/gpu-gpc-0/cur_freq": 1575000000,
            "sys/class/devfreq/gpu-gpc-0/max_freq": 1575000000,
            f"{thermal}thermal_zone0/type": "tj-thermal",
            f"{thermal}thermal_zone0/temp": 61000,
            f"{thermal}thermal_zone0/trip_point_0_type": "active",
            f"{thermal}thermal_zone0/trip_point_0_temp": 50000,
            f"{thermal}thermal_zone0/trip_point_1_type": "passive",
            f"{thermal}thermal_zone0/trip_point_1_temp": 99000,
            f"{thermal}thermal_zone1/type": "a-zone-without-a-sensor",
            f"{thermal}cooling_device0/type": "pwm-fan",
            f"{thermal}cooling_device0/cur_state": 3,
            f"{thermal}cooling_device1/type": "cpufreq-cpu0",
            f"{thermal}cooling_device1/cur_state": 0,
            f"{thermal}cooling_device1/max_state": 12,
            "proc/meminfo": "MemTotal: 1000 kB\nMemFree: 700 kB\nMemAvailable: 900 kB\nCached: 200 kB",
        },
    )
    return tmp_path


def test_a_cool_device_shows_nothing(device: Path) -> None:
    seen = throttling.observe(device)
    assert seen["clocks_locked"] is True
    assert (seen["hot"], seen["throttled"], seen["slow_clocks"]) == ([], [], [])
    assert seen["memory"] == {"total": 1024000, "free": 716800, "available": 921600, "page_cache": 204800}
    assert throttling.causes(seen, {"hot": [], "throttled": []}, "MAXN") == []


def test_heat_is_seen_at_the_point_from_which_the_kernel_slows_down(device: Path) -> None:
    write(device, {"sys/class/thermal/thermal_zone0/temp": 99500})
    assert throttling.hot(device) == ["tj-thermal at 100 °C, slowed down from 99 °C on"]


def test_what_is_slowed_down_is_seen_and_a_fan_is_nothing_of_the_kind(device: Path) -> None:
    write(device, {"sys/class/thermal/cooling_device1/cur_state": 4})
    assert throttling.throttled(device) == ["cpufreq-cpu0 at step 4 of 12"]


def test_clocks_below_what_they_may_be_are_seen(device: Path) -> None:
    write(device, {"sys/class/devfreq/gpu-gpc-0/cur_freq": 315000000})
    assert throttling.slow_clocks(device) == ["gpu-gpc-0 at 315 of 1575 MHz"]
    write(device, {"sys/devices/system/cpu/cpu1/cpufreq/scaling_min_freq": 115200})
    assert sensors.clocks_locked(device) is False


def test_clocks_are_locked_to_the_limit_of_the_mode_and_not_of_the_chip(device: Path) -> None:
    """As in 70W after jetson_clocks, on a chip that could run at 2601 MHz."""
    for name in ("scaling_min_freq", "scaling_max_freq"):
        write(device, {f"sys/devices/system/cpu/cpu{number}/cpufreq/{name}": 1998000 for number in range(2)})
    assert sensors.clocks_locked(device) is True
    write(device, {"sys/devices/system/cpu/cpu1/cpufreq/scaling_min_freq": 972000})
    assert sensors.clocks_locked(device) is False


def test_a_gpu_that_is_switched_off_has_no_temperature_and_no_clock(
    device: Path, silent: Callable[[Path], None]
) -> None:
    zone = device / "sys/class/thermal/thermal_zone1"
    write(device, {"sys/class/thermal/thermal_zone1/type": "gpu-thermal"})
    write(device, {"sys/class/thermal/thermal_zone1/trip_point_0_type": "passive"})
    write(device, {"sys/class/thermal/thermal_zone1/trip_point_0_temp": 109000})
    silent(zone / "temp")
    write(device, {"sys/class/devfreq/gpu-gpc-0/cur_freq": 0})
    seen = throttling.observe(device)
    assert (seen["hot"], seen["slow_clocks"]) == ([], [])
    # One that does not answer hides no other.
    write(device, {"sys/class/thermal/thermal_zone0/temp": 99500, "sys/class/devfreq/emc/cur_freq": 1000})
    write(device, {"sys/class/devfreq/emc/max_freq": 4266000000})
    assert len(throttling.hot(device)) == 1 and len(throttling.slow_clocks(device)) == 1


def test_no_file_of_the_device_that_does_not_answer_ends_a_look(device: Path, silent: Callable[[Path], None]) -> None:
    for path in [path for path in device.rglob("*") if path.is_file()]:
        silent(path)
    seen = throttling.observe(device)
    assert (seen["clocks_locked"], seen["hot"], seen["throttled"], seen["slow_clocks"]) == (None, [], [], [])
    assert seen["memory"] == dict.fromkeys(("total", "free", "available", "page_cache"))
    assert throttling.causes(seen, {"hot": [], "throttled": []}, None) == []


def test_nothing_free_is_not_the_same_as_nothing_known(device: Path) -> None:
    write(device, {"proc/meminfo": "MemTotal: 1000 kB\nMemFree: 0 kB"})
    assert throttling.memory(device) == {"total": 1024000, "free": 0, "available": None, "page_cache": None}


def test_a_cooling_device_without_a_type_or_maximum_is_still_reported(
    device: Path, silent: Callable[[Path], None]
) -> None:
    write(device, {"sys/class/thermal/cooling_device1/cur_state": 4})
    silent(device / "sys/class/thermal/cooling_device1/type")
    silent(device / "sys/class/thermal/cooling_device1/max_state")
    assert throttling.throttled(device) == ["cooling_device1 at step 4"]


def test_a_watch_reports_each_temporary_cause_once(device: Path) -> None:
    with throttling.Watch(device, pause=0.01) as watch:
        for temperature in (100000, 101000):
            write(device, {"sys/class/thermal/thermal_zone0/temp": temperature})
            time.sleep(0.1)
        write(device, {"sys/class/thermal/thermal_zone0/temp": 40000})
    assert watch.seen == {"hot": ["tj-thermal at 100 °C, slowed down from 99 °C on"], "throttled": []}


def test_a_device_without_readings_is_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensors, "folders", lambda *_: [])
    seen = throttling.observe(tmp_path)
    assert seen["clocks_locked"] is None and seen["hot"] == []


@pytest.mark.parametrize(
    ("output", "code", "divided"),
    [
        ("GPU 0: NVIDIA Thor (UUID: GPU-1)", 0, False),
        ("GPU 0: NVIDIA Thor (UUID: GPU-1)\n  MIG 1g.0gb Device 0: (UUID: MIG-1)", 0, True),
        ("GPU 0: NVIDIA Thor (UUID: GPU-1)\nEnabled", 0, True),  # and no slice was made
        ("GPU 0: NVIDIA Thor (UUID: GPU-1)\n[N/A]", 0, False),
        ("no devices", 6, None),
    ],
)
def test_mig_is_read_from_nvidia_smi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, code: int, divided: bool | None
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nprintf '%s\\n' '{output}'\nexit {code}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert throttling.mig() is divided


def test_an_nvidia_smi_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    # What it has started keeps the pipe, as a process in the driver does that no signal reaches.
    tool.write_text("#!/bin/sh\nsleep 5 &\nsleep 5\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(nvidia_smi, "SECONDS", 0.3)
    begun = time.monotonic()
    assert throttling.mig() is None and time.monotonic() - begun < 3


def test_without_nvidia_smi_mig_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert throttling.mig() is None


def test_causes_are_what_was_seen_each_once() -> None:
    before: dict[str, Any] = {
        "power_mode": "30W",
        "clocks_locked": False,
        "mig": True,
        "memory": {"total": 120 * GIB, "free": 10 * GIB, "available": 100 * GIB, "page_cache": 80 * GIB},
        "hot": ["tj-thermal at 99 °C"],
        "throttled": [],
        "slow_clocks": [],
    }
    found = throttling.causes(before, {"hot": ["tj-thermal at 99 °C"], "throttled": ["gpu at step 1 of 3"]}, "MAXN")
    assert found == [
        "the power mode is 30W, and the figure is one of MAXN",
        "the clocks are not locked (jetson_clocks; power_lock_clocks: true)",
        "the GPU is divided (MIG): an engine has a slice of it",
        "too hot: tj-thermal at 99 °C",
        "slowed down against heat: gpu at step 1 of 3",
        "the page cache holds 80 of 120 GiB, which a GPU that shares the memory counts as used",
    ]
    assert not [one for one in throttling.causes(before, {"hot": [], "throttled": []}, "30w") if "power mode" in one]
