# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the metrics of the services of a host are: states, restarts, the last answer, the speed and its floor."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import records, systemd
from ansible_collections.jetson.thor.plugins.module_utils.metrics.exposition import Sample

STATES = ("running", "starting", "restarting", "stopping", "asleep", "stopped", "failed")
UP = ("running", "asleep")
# What verify and bench saw last. Their readers live without them.
LAST = Path("/var/lib/thor/last")
LAST_SHAPE = {"at": (int, float), "results": [dict]}
_PROPERTIES = ("ActiveState", "SubState", "NRestarts", "StatusText", "ActiveEnterTimestampMonotonic")
_SIMPLE = {"active": "running", "reloading": "running", "deactivating": "stopping", "failed": "failed"}
# What the supervisor tells systemd after each check (thor_supervisor/liveness.py).
ANSWERED = re.compile(r"last answer in (\d+(?:\.\d+)?) s at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")


def samples(services: Sequence[Mapping[str, Any]], folder: Path | None = None) -> Iterator[Sample]:
    """The metrics of these services: each has ``name``, ``unit``, ``on_demand`` and ``floor_share``. ``folder``: of the records."""
    last = folder or LAST
    units = [unit for one in services for unit in (one["unit"], _socket(one))]
    found = systemd.observe(units, *_PROPERTIES)
    now, since_boot = time.time(), time.monotonic()
    for one in services:
        unit, labels = found.get(one["unit"], {}), {"service": str(one["name"])}
        if not unit:
            continue
        listens = bool(one["on_demand"]) and found.get(_socket(one), {}).get("ActiveState") == "active"
        state = state_of(unit, listens)
        yield Sample("thor_service_up", state in UP, labels)
        for name in STATES:
            yield Sample("thor_service_state", name == state, {**labels, "state": name})
        yield Sample("thor_service_restarts_total", int(unit.get("NRestarts") or 0), labels)
        entered = int(unit.get("ActiveEnterTimestampMonotonic") or 0)
        if state == "running" and entered:
            yield Sample("thor_service_start_seconds", round(now - since_boot + entered / 1e6), labels)
    yield from _answers(services, found, _last(last / "verify.json"))
    yield from _speeds(services, _last(last / "verify.json"), _last(last / "bench.json"))


def state_of(unit: Mapping[str, str], listens: bool) -> str:
    """The state of a service in one word; ``listens``: whether a socket of systemd starts it on demand."""
    active = unit.get("ActiveState", "")
    if active == "activating":
        return "restarting" if unit.get("SubState") == "auto-restart" else "starting"
    return _SIMPLE.get(active, "asleep" if listens else "stopped")


def _socket(service: Mapping[str, Any]) -> str:
    return str(service["unit"]).replace(".service", ".socket")


def _answers(
    services: Sequence[Mapping[str, Any]], units: Mapping[str, Mapping[str, str]], verified: Mapping[str, Any]
) -> Iterator[Sample]:
    """The latest answer of each service: to a check of its supervisor, or to verify."""
    for one in services:
        seen: list[tuple[float, float]] = []
        told = ANSWERED.search(units.get(one["unit"], {}).get("StatusText", ""))
        if told:
            seen.append((float(calendar.timegm(time.strptime(told[2], "%Y-%m-%dT%H:%M:%SZ"))), float(told[1])))
        seen += [
            (verified["at"], result["seconds"])
            for result in _of(verified, one["name"])
            if result.get("ok") and _is_number(result.get("seconds"))
        ][:1]
        if seen:
            at, seconds = max(seen)
            yield Sample("thor_service_answer_seconds", seconds, {"service": one["name"]})
            yield Sample("thor_service_answered_seconds", at, {"service": one["name"]})


def _speeds(
    services: Sequence[Mapping[str, Any]], verified: Mapping[str, Any], benched: Mapping[str, Any]
) -> Iterator[Sample]:
    for one in services:
        labels = {"service": one["name"]}
        for result in _of(verified, one["name"])[:1]:
            if result.get("ok") and _is_number(result.get("tokens_per_second")):
                yield Sample(
                    "thor_service_tokens_per_second", result["tokens_per_second"], {**labels, "seen_by": "verify"}
                )
        for result in _of(benched, one["name"])[:1]:
            rate = rate_of(result)
            if rate is not None:
                yield Sample("thor_service_tokens_per_second", rate, {**labels, "seen_by": "bench"})
                yield Sample("thor_service_floor_tokens_per_second", rate * float(one["floor_share"]), labels)


def rate_of(result: Mapping[str, Any]) -> float | None:
    """The median decode rate for one client in a result of bench (docs/bench.md); None where it was not measured."""
    for load in result.get("loads") or ():
        rate = load.get("decode_tokens_per_s") if isinstance(load, Mapping) and load.get("concurrency") == 1 else None
        median = rate.get("median") if isinstance(rate, Mapping) else None
        if isinstance(median, int | float):
            return float(median)
    return None


def _last(path: Path) -> Mapping[str, Any]:
    return records.read(path, LAST_SHAPE) or {}


def _of(record: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [result for result in record.get("results") or () if result.get("name") == name]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
