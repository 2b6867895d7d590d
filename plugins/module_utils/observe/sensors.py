# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a device's sensors say, as numbers: temperatures, clocks, power, over-current, throttling. Read-only.

Everything is where the Linux kernel documents it (Documentation/ABI/testing/sysfs-class-thermal, sysfs-class-devfreq,
sysfs-devices-system-cpu; Documentation/hwmon/sysfs-interface.rst, ina238.rst, ina3221.rst). Whatever is missing or does not answer is
left out, such as the thermal zone and the clock of a GPU that is switched off because nothing uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import files

# A fan cools without slowing anything down.
_FAN = re.compile(r"fan", re.IGNORECASE)
# Trip points at which the kernel slows down (sysfs-class-thermal); "active" ones start fans.
_SLOWING = ("passive", "hot", "critical")
# The chip that counts over-current events of a Tegra, one file each (NVIDIA's driver tegra23x_oc: oc1_event_cnt, ...).
_OVER_CURRENT = "soctherm_oc"
LOCKED = 0.98  # of the highest clock: a lowest clock from here on counts as locked


@dataclass(frozen=True)
class Zone:
    """A thermal zone, in degrees Celsius. ``slow_from``: the lowest temperature that slows something down; None if none does."""

    name: str
    celsius: float
    slow_from: float | None


@dataclass(frozen=True)
class Cooling:
    """What the kernel slows down against heat: 0 is not at all; ``highest`` is None where it does not say."""

    name: str
    step: int
    highest: int | None


@dataclass(frozen=True)
class Clock:
    """The clock of a device in Hz, and the highest that is currently allowed."""

    name: str
    hertz: int
    highest: int


def zones(root: Path | None) -> list[Zone]:
    """The thermal zones that answer."""
    found = []
    for folder in folders(root, "sys/class/thermal/thermal_zone*"):
        temperature = files.number(folder / "temp")
        trips = [
            limit
            for kind in folder.glob("trip_point_*_type")
            if files.text(kind) in _SLOWING
            and (limit := files.number(folder / kind.name.replace("_type", "_temp"))) is not None
            and limit > 0
        ]
        if temperature is not None:
            found.append(Zone(_kind(folder), temperature / 1000, min(trips) / 1000 if trips else None))
    return found


def cooling(root: Path | None) -> list[Cooling]:
    """The cooling devices that slow something down; fans are none of them."""
    found = []
    for folder in folders(root, "sys/class/thermal/cooling_device*"):
        step = files.number(folder / "cur_state")
        if step is not None and not _FAN.search(_kind(folder)):
            found.append(Cooling(_kind(folder), step, files.number(folder / "max_state")))
    return found


def clocks(root: Path | None) -> list[Clock]:
    """The clocks of devices other than the processors. One that is switched off reads 0 and is left out."""
    pairs = [
        (folder.name, files.number(folder / "cur_freq"), files.number(folder / "max_freq"))
        for folder in folders(root, "sys/class/devfreq/*")
    ]
    return [Clock(name, current, highest) for name, current, highest in pairs if current and highest]


def clocks_locked(root: Path | None) -> bool | None:
    """Whether the processors cannot run below the highest clock of the power mode, as after jetson_clocks; None: none reports it.

    ``cpuinfo_max_freq`` is the chip's highest clock, which a mode such as 70W does not allow.
    """
    pairs = [
        (files.number(folder / "scaling_min_freq"), files.number(folder / "scaling_max_freq"))
        for folder in folders(root, "sys/devices/system/cpu/cpu*/cpufreq")
    ]
    known = [(lowest, highest) for lowest, highest in pairs if lowest is not None and highest]
    return all(lowest >= LOCKED * highest for lowest, highest in known) if known else None


def watts(root: Path | None) -> dict[str, float]:
    """The power of each rail that is measured, by its name."""
    found: dict[str, float] = {}
    for folder in folders(root, "sys/class/hwmon/hwmon*"):
        chip = files.text(folder / "name") or folder.name
        for path in sorted(folder.glob("power*_input")):  # INA238: microwatts
            number, value = path.name[5:-6], files.number(path)
            if value is not None:
                label = files.text(folder / f"power{number}_label") or files.text(folder / "label")
                found[label or f"{chip} {folder.name}"] = value / 1e6
        for path in sorted(folder.glob("curr*_input")) if chip.startswith("ina3221") else ():
            number = path.name[4:-6]  # INA3221: millivolts and milliamperes of up to three rails
            label = files.text(folder / f"in{number}_label")
            volts, amperes = files.number(folder / f"in{number}_input"), files.number(path)
            if label and volts is not None and amperes is not None:
                found[label] = volts * amperes / 1e6
    return found


def over_current(root: Path | None) -> dict[str, int]:
    """How often over-current throttled the device since it was started, by counter (oc1, ...). No temperature shows this."""
    return dict(_counters(root))


def _counters(root: Path | None) -> Iterator[tuple[str, int]]:
    for folder in folders(root, "sys/class/hwmon/hwmon*"):
        if files.text(folder / "name") == _OVER_CURRENT:
            for path in sorted(folder.glob("oc*_event_cnt")):
                value = files.number(path)
                if value is not None:
                    yield path.name.removesuffix("_event_cnt"), value


def folders(root: Path | None, pattern: str) -> list[Path]:
    """Folders of the device, or their replacements below ``root`` if there are any."""
    for base in ([root] if root else []) + [Path("/")]:
        if found := sorted(base.glob(pattern)):
            return found
    return []


def _kind(folder: Path) -> str:
    """The type of a thermal zone or cooling device; the folder's name if it does not answer."""
    return files.text(folder / "type") or folder.name
