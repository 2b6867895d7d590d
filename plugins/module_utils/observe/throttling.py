# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Observe what may slow a device down: power mode, clocks, memory, heat, MIG. Read-only."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.module_utils.observe import nvidia_smi, power, sensors


def observe(root: Path | None) -> dict[str, Any]:
    """Everything, at one moment.

    ``clocks_locked`` is None if no processor reports it. Clocks are in Hz, temperatures in degrees Celsius, memory in bytes.
    """
    mode = power.find("nvpmodel")
    return {
        "power_mode": (power.read_current(mode) or {}).get("name") if mode else None,
        "clocks_locked": sensors.clocks_locked(root),
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


def slow_clocks(root: Path | None) -> list[str]:
    """Devices (including the GPU) whose clock is below the highest currently allowed."""
    return [
        f"{clock.name} at {clock.hertz / 1e6:.0f} of {clock.highest / 1e6:.0f} MHz"
        for clock in sensors.clocks(root)
        if clock.hertz < sensors.LOCKED * clock.highest
    ]


def hot(root: Path | None) -> list[str]:
    """Zones above the first temperature at which the kernel slows something down."""
    return [
        f"{zone.name} at {zone.celsius:.0f} °C, slowed down from {zone.slow_from:.0f} °C on"
        for zone in sensors.zones(root)
        if zone.slow_from is not None and zone.celsius >= zone.slow_from
    ]


def throttled(root: Path | None) -> list[str]:
    """What is throttled because of heat right now."""
    return [
        f"{one.name} at step {one.step}{f' of {one.highest}' if one.highest is not None else ''}"
        for one in sensors.cooling(root)
        if one.step
    ]


def mig() -> bool | None:
    """Whether the GPU is partitioned (Multi-Instance GPU), even without a partition to use; None if nvidia-smi does not answer."""
    listed = nvidia_smi.output("-L")
    if listed is None or re.search(r"^\s*MIG ", listed, re.MULTILINE):
        return listed if listed is None else True
    return "Enabled" in (nvidia_smi.output("--query-gpu=mig.mode.current", "--format=csv,noheader") or "").split()


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
