# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Observe what may slow a device down: power mode, clocks, memory, heat, MIG. Read-only.

Clocks, temperatures and cooling devices are where every Linux kernel has them (Documentation/ABI/testing/sysfs-devices-system-cpu,
sysfs-class-devfreq, sysfs-class-thermal). Whatever is missing or does not answer is left out, such as the thermal zone and the
clock of a GPU that is switched off because nothing uses it.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.module_utils.observe import power

# A fan cools without slowing anything down.
_FAN = re.compile(r"fan", re.IGNORECASE)
# Trip points at which the kernel slows down (sysfs-class-thermal); "active" ones start fans.
_SLOWING = ("passive", "hot", "critical")
SMI_SECONDS = 10
LOCKED = 0.98  # of the highest clock: a lowest clock from here on counts as locked


def observe(root: Path | None) -> dict[str, Any]:
    """Everything, at one moment.

    ``clocks_locked`` is None if no processor reports it. Clocks are in Hz, temperatures in degrees Celsius, memory in bytes.
    """
    mode = power.find("nvpmodel")
    return {
        "power_mode": (power.read_current(mode) or {}).get("name") if mode else None,
        "clocks_locked": clocks_locked(root),
        "memory": memory(root),
        "mig": mig(),
        "hot": hot(root),
        "throttled": throttled(root),
        "slow_clocks": slow_clocks(root),
    }


def memory(root: Path | None) -> dict[str, int | None]:
    """Memory as the kernel counts it. If the GPU shares it, free is what CUDA calls free."""
    lines = files.meminfo(root)
    names = {"total": "MemTotal", "free": "MemFree", "available": "MemAvailable", "page_cache": "Cached"}
    return {name: lines.get(line) for name, line in names.items()}


def clocks_locked(root: Path | None) -> bool | None:
    """Whether the processors cannot run below the highest clock of the power mode, as after jetson_clocks.

    ``cpuinfo_max_freq`` is the chip's highest clock, which a mode such as 70W does not allow.
    """
    pairs = [
        (files.number(folder / "scaling_min_freq"), files.number(folder / "scaling_max_freq"))
        for folder in _folders(root, "sys/devices/system/cpu/cpu*/cpufreq")
    ]
    known = [(lowest, highest) for lowest, highest in pairs if lowest is not None and highest]
    return all(lowest >= LOCKED * highest for lowest, highest in known) if known else None


def slow_clocks(root: Path | None) -> list[str]:
    """Devices (including the GPU) whose clock is below the highest currently allowed.

    A device that is switched off reads 0 and is left out.
    """
    found = []
    for folder in _folders(root, "sys/class/devfreq/*"):
        current, highest = files.number(folder / "cur_freq"), files.number(folder / "max_freq")
        if current and highest and current < LOCKED * highest:
            found.append(f"{folder.name} at {current / 1e6:.0f} of {highest / 1e6:.0f} MHz")
    return found


def hot(root: Path | None) -> list[str]:
    """Zones above the first temperature at which the kernel slows something down."""
    found = []
    for folder in _folders(root, "sys/class/thermal/thermal_zone*"):
        temperature = files.number(folder / "temp")
        trips = [
            limit
            for kind in folder.glob("trip_point_*_type")
            if files.text(kind) in _SLOWING
            and (limit := files.number(folder / kind.name.replace("_type", "_temp"))) is not None
            and limit > 0
        ]
        if temperature is not None and trips and temperature >= min(trips):
            found.append(
                f"{_kind(folder)} at {temperature / 1000:.0f} °C, slowed down from {min(trips) / 1000:.0f} °C on"
            )
    return found


def throttled(root: Path | None) -> list[str]:
    """What is throttled because of heat right now."""
    found = []
    for folder in _folders(root, "sys/class/thermal/cooling_device*"):
        state, highest = files.number(folder / "cur_state"), files.number(folder / "max_state")
        if state and not _FAN.search(_kind(folder)):
            found.append(f"{_kind(folder)} at step {state}{f' of {highest}' if highest is not None else ''}")
    return found


def mig() -> bool | None:
    """Whether the GPU is partitioned (Multi-Instance GPU), even without a partition to use; None if nvidia-smi does not answer."""
    listed = _smi("-L")
    if listed is None or re.search(r"^\s*MIG ", listed, re.MULTILINE):
        return listed if listed is None else True
    return "Enabled" in (_smi("--query-gpu=mig.mode.current", "--format=csv,noheader") or "").split()


def _smi(*arguments: str) -> str | None:
    """The output of nvidia-smi; None if it is missing, fails, or hangs in a driver that does not even let it be killed."""
    try:
        asked = subprocess.Popen(
            ["nvidia-smi", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError:
        return None
    try:
        output = asked.communicate(timeout=SMI_SECONDS)[0]
    except subprocess.TimeoutExpired:
        asked.kill()
        return None
    return output if asked.returncode == 0 else None


class Watch:
    """Watches temperatures during a measurement; ``seen`` lists what slowed it down, each device once."""

    def __init__(self, root: Path | None, pause: float = 2.0) -> None:
        self._root = root
        self._pause = pause
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.seen: dict[str, list[str]] = {"hot": [], "throttled": []}

    def __enter__(self) -> Watch:
        """Start watching."""
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        """Stop watching."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(self._pause):
            for name, now in (("hot", hot(self._root)), ("throttled", throttled(self._root))):
                known = {_subject(one) for one in self.seen[name]}
                self.seen[name] += [one for one in now if _subject(one) not in known]


def _subject(text: str) -> str:
    return text.partition(" at ")[0]


def causes(before: Mapping[str, Any], seen: Mapping[str, Iterable[str]], wanted_mode: str | None) -> list[str]:
    """Possible reasons why a device is slow, in words; ``wanted_mode`` is the mode of the figure it is compared with."""
    found = []
    mode, memory_now = before["power_mode"], before["memory"]
    if wanted_mode and mode and mode.casefold() != wanted_mode.casefold():
        found.append(f"the power mode is {mode}, and the figure is one of {wanted_mode}")
    if before["clocks_locked"] is False:
        found.append("the clocks are not locked (jetson_clocks; power_lock_clocks: true)")
    if before["mig"]:
        found.append("the GPU is divided (MIG): an engine has a slice of it")
    found += [f"too hot: {one}" for one in [*before["hot"], *seen["hot"]]]
    found += [f"slowed down against heat: {one}" for one in [*before["throttled"], *seen["throttled"]]]
    if memory_now["total"] and memory_now["page_cache"] and memory_now["page_cache"] > 0.25 * memory_now["total"]:
        share = f"{memory_now['page_cache'] / 2**30:.0f} of {memory_now['total'] / 2**30:.0f} GiB"
        found.append(f"the page cache holds {share}, which a GPU that shares the memory counts as used")
    return list(dict.fromkeys(found))


def _folders(root: Path | None, pattern: str) -> list[Path]:
    """Folders of the device, or their replacements below ``root`` if there are any."""
    for base in ([root] if root else []) + [Path("/")]:
        if found := sorted(base.glob(pattern)):
            return found
    return []


def _kind(folder: Path) -> str:
    """The type of a thermal zone or cooling device; the folder's name if it does not answer."""
    return files.text(folder / "type") or folder.name
