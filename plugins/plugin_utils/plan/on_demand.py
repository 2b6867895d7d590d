# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What services that start on demand mean for a host: which of them run together, and what the plan says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Service = Mapping[str, Any]


def together(services: Sequence[Service]) -> list[list[Service]]:
    """The services by the memory that they share: each on its own, and those that take turns as one, in order."""
    found: dict[str, list[Service]] = {}
    for service in services:
        group = service.get("exclusive")
        found.setdefault(f"group {group}" if group else f"service {service['name']}", []).append(service)
    return list(found.values())


def lines(services: Sequence[Service]) -> list[str]:
    """What the plan says of them, a line each."""
    said = [
        f"{one['name']} starts with its first request and stops after {duration(one['on_demand']['idle_seconds'])} without one; "
        f"its engine listens on 127.0.0.1:{one['on_demand']['engine_port']}"
        for one in services
        if one.get("on_demand")
    ]
    groups = [group for group in together(services) if group[0].get("exclusive")]
    return said + [
        f"{', '.join(one['name'] for one in group)} take turns (exclusive: {group[0]['exclusive']}): one of them runs at a time"
        for group in groups
        if len(group) > 1
    ]


def duration(seconds: int) -> str:
    """A time as people write it: 15m, 90s, 1h."""
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
