# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the status of a host says beyond ``thor_host``: its units, heat, certificate, the last verify and bench. Only reads."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import certificate, files, last_runs, systemd
from ansible_collections.jetson.thor.plugins.module_utils.observe import sensors, throttling
from ansible_collections.jetson.thor.plugins.module_utils.services import observation
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import UNITS, Disk

PROPERTIES = (
    *("LoadState", "ActiveState", "SubState", "Result", "UnitFileState", "StateChangeTimestampMonotonic"),
    *("NRestarts", "StatusText", "MemoryCurrent"),
)
TARGET = "thor.target"
TIMERS = "thor-*.timer"
CERTIFICATE = "etc/thor/gateway/tls.crt"
CGROUPS = Path("/sys/fs/cgroup")
# Where a container's memory is counted: by dockerd's cgroup driver, and by the version of cgroups.
CONTAINER_MEMORY = (
    "system.slice/docker-{}.scope/memory.current",
    "docker/{}/memory.current",
    "memory/system.slice/docker-{}.scope/memory.usage_in_bytes",
    "memory/docker/{}/memory.usage_in_bytes",
)


def observe(root: Path | None, host: Mapping[str, Any], disk: Disk | None = None) -> dict[str, Any]:
    """How the host is doing now; ``host`` is ``thor_host``, observed just before.

    Times are seconds before ``at``, sizes bytes, temperatures degrees Celsius.
    """
    disk = disk or Disk()
    containers = (host.get("docker") or {}).get("containers") or []
    return {
        "at": round(time.time()),
        "uptime_s": _uptime(root),
        "units": _units(disk, containers),
        "drop_ins": _drop_ins(disk),
        "memory": throttling.memory(root),
        "temperatures": {zone.name: round(zone.celsius, 1) for zone in sensors.zones(root)},
        "hot": throttling.hot(root),
        "throttled": throttling.throttled(root),
        "certificate": certificate.read(disk.root / CERTIFICATE),
        "last": last_runs.read(),
    }


def _uptime(root: Path | None) -> int | None:
    found = re.match(r"\d+", files.read(root, "/proc/uptime") or "")
    return int(found[0]) if found else None


def names(disk: Disk) -> list[str]:
    """The units of ours, and those that others have put among them."""
    folder = disk.path(f"/{UNITS}")
    return [
        *observation.service_units(disk),
        *sorted(path.name for path in folder.glob(TIMERS) if "@" not in path.name),
        TARGET,
    ]


def _units(disk: Disk, containers: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    now = time.clock_gettime(time.CLOCK_MONOTONIC)
    found = systemd.observe(names(disk), *PROPERTIES)
    ids = {one["name"]: one["id"] for one in containers}
    return {
        unit: unit_state(values, now) | _memory(values, ids.get(unit.removesuffix(".service")))
        for unit, values in found.items()
        if values.get("LoadState") == "loaded"
    }


def unit_state(values: Mapping[str, str], now: float) -> dict[str, Any]:
    """A unit by its properties; ``now`` is the clock that systemd's monotonic time stamps are of."""
    changed = _number(values.get("StateChangeTimestampMonotonic"))
    return {
        "active": values.get("ActiveState", ""),
        "sub": values.get("SubState", ""),
        "result": values.get("Result", ""),
        "enabled": values.get("UnitFileState", ""),
        "for_s": max(0, round(now - changed / 1e6)) if changed else None,
        "restarts": _number(values.get("NRestarts")) or 0,
        "status": values.get("StatusText", "")[:200],
    }


def _memory(values: Mapping[str, str], container: str | None) -> dict[str, int | None]:
    """What the kernel counts for the service, its page cache included; what a driver allocates for the GPU may be missing.

    A container's processes are in a group of dockerd's, beside the unit's own.
    """
    unit = _number(values.get("MemoryCurrent"))  # "[not set]" where nobody counts
    inside = _first(CGROUPS / pattern.format(container) for pattern in CONTAINER_MEMORY) if container else None
    known = [one for one in (unit, inside) if one is not None and one < 1 << 60]
    return {"memory_bytes": sum(known) if known else None}


def _first(paths: Iterable[Path]) -> int | None:
    return next((value for path in paths if (value := files.number(path)) is not None), None)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _drop_ins(disk: Disk) -> dict[str, list[str]]:
    """The files by which others change our units, whatever they change."""
    return {unit: found for unit in names(disk) if (found := disk.drop_ins(unit))}
