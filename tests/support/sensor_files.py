# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the files of a device's sensors: names as the kernel documents them, values made up.

Sources: Documentation/hwmon/ina238.rst and ina3221.rst, sysfs-interface.rst, Documentation/ABI/testing/sysfs-class-thermal and
sysfs-class-devfreq; ``soctherm_oc`` and ``oc1_event_cnt`` are those of NVIDIA's driver for Tegra.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_HWMON, _THERMAL, _DEVFREQ = "sys/class/hwmon/", "sys/class/thermal/", "sys/class/devfreq/"
_CPU = "sys/devices/system/cpu/cpu0/cpufreq/"

THOR: Mapping[str, object] = {
    f"{_HWMON}hwmon0/name": "ina238",
    f"{_HWMON}hwmon0/label": "VDD_GPU",
    f"{_HWMON}hwmon0/power1_input": 15250000,
    f"{_HWMON}hwmon1/name": "ina3221",
    f"{_HWMON}hwmon1/in1_label": "VIN",
    f"{_HWMON}hwmon1/in1_input": 20000,
    f"{_HWMON}hwmon1/curr1_input": 1000,
    f"{_HWMON}hwmon1/curr2_input": 1000,
    f"{_HWMON}hwmon2/name": "ina238",
    f"{_HWMON}hwmon2/power1_input": 3500000,
    f"{_HWMON}hwmon3/name": "soctherm_oc",
    f"{_HWMON}hwmon3/oc1_event_cnt": 0,
    f"{_HWMON}hwmon3/oc3_event_cnt": 7,
    f"{_THERMAL}thermal_zone0/type": "gpu-thermal",
    f"{_THERMAL}thermal_zone0/temp": 61500,
    f"{_THERMAL}thermal_zone0/trip_point_0_type": "active",
    f"{_THERMAL}thermal_zone0/trip_point_0_temp": 50000,
    f"{_THERMAL}thermal_zone0/trip_point_1_type": "passive",
    f"{_THERMAL}thermal_zone0/trip_point_1_temp": 99000,
    f"{_THERMAL}thermal_zone0/trip_point_2_type": "critical",
    f"{_THERMAL}thermal_zone0/trip_point_2_temp": 114500,
    f"{_THERMAL}thermal_zone1/type": "soc012-thermal",
    f"{_THERMAL}thermal_zone1/temp": 50000,
    f"{_THERMAL}cooling_device0/type": "pwm-fan",
    f"{_THERMAL}cooling_device0/cur_state": 3,
    f"{_THERMAL}cooling_device1/type": "cpufreq-cpu0",
    f"{_THERMAL}cooling_device1/cur_state": 0,
    f"{_THERMAL}cooling_device1/max_state": 12,
    f"{_DEVFREQ}gpu-gpc-0/cur_freq": 1386000000,
    f"{_DEVFREQ}gpu-gpc-0/max_freq": 1575000000,
    f"{_DEVFREQ}bwmgr/cur_freq": 4266000000,
    f"{_DEVFREQ}bwmgr/max_freq": 4266000000,
    f"{_CPU}scaling_min_freq": 2601000,
    f"{_CPU}scaling_max_freq": 2601000,
    "proc/meminfo": "MemTotal: 1000 kB\nMemFree: 700 kB\nMemAvailable: 900 kB\nCached: 200 kB",
}


def write(root: Path, files: Mapping[str, object]) -> None:
    """Write files below a folder."""
    for name, value in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{value}\n")
