# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Times, sizes and states of a status as people read them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

MINUTE, HOUR, DAY = 60, 3600, 86400
# systemd's states of a unit (systemd(1), "Units") as words.
STATES = {
    "active": "running",
    "reloading": "running",
    "refreshing": "running",
    "activating": "starting",
    "deactivating": "stopping",
    "inactive": "stopped",
    "maintenance": "stopped",
    "failed": "failed",
}


def state(unit: Mapping[str, Any] | None, is_woken: bool = False) -> str:
    """The state of a service by its unit; ``is_woken``: a socket that waits for requests would start it."""
    if unit is None:
        return "not deployed"
    if unit["sub"] == "auto-restart":
        return "restarting"
    word = STATES.get(unit["active"], unit["active"] or "unknown")
    return "asleep" if word == "stopped" and is_woken else word


def span(seconds: float | None) -> str:
    """How long something has lasted: the two largest units, such as ``3 d 4 h``."""
    if seconds is None:
        return ""
    whole = int(max(0, seconds))
    for size, name, smaller, smaller_name in ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {name} {rest} {smaller_name}" if rest else f"{whole // size} {name}"
    return f"{whole // MINUTE} min" if whole >= MINUTE else f"{whole} s"


def ago(at: float | None, now: float) -> str:
    """How long ago a moment was, roughly."""
    if at is None:
        return ""
    seconds = max(0, now - at)
    for size, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {name} ago"
    return "just now"


def gib(size: float | None) -> str:
    """A size in GiB, or in MiB where it is less than one."""
    if size is None:
        return ""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def moment(at: float | None) -> str | None:
    """A moment in UTC, as ISO 8601 has it."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
