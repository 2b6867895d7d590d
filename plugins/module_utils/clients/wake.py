# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Services that start on demand: whether one sleeps, and waking it before it is asked something that has a time limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api

Service = Mapping[str, Any]
# Beside the engine's own start: its stop if it is just stopping (TimeoutStopSec= of its unit), and the page cache.
SLACK = 120.0


def engine_port(service: Service) -> int:
    """The port that the engine itself listens on: requests to it neither wake the service nor keep it up."""
    on_demand = service.get("on_demand")
    return int(on_demand["engine_port"] if on_demand else service["port"])


def is_asleep(service: Service, listening: Sequence[Mapping[str, Any]]) -> bool:
    """Whether it starts on demand, and its engine does not listen now. ``listening``: see observe/sockets.py."""
    return bool(service.get("on_demand")) and all(one["port"] != engine_port(service) for one in listening)


def wake(service: Service, turns: int = 1) -> None:
    """Have a service that starts on demand started, and return once its engine answers; raises ProbeError.

    Others return at once. ``turns``: of so many services of its group it may be the last in line.
    """
    if not service.get("on_demand"):
        return
    limit = (service["start_timeout"] + SLACK) * max(turns, 1)
    api.request(service["address"], service["port"], service.get("health") or "/health", timeout=limit)
