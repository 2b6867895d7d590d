# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The figures and the words that the report's page, charts and tables have in common."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.report import results

Reference = Mapping[str, Any]

ENGINES = {"vllm": "vLLM", "sglang": "SGLang"}
STATES = {"good": "good", "slow": "too slow", "failed": "failed", "unknown": "no baseline"}
# Fleets up to this size get a chart per device.
OWN_CHARTS = 12
NO_RESULTS = "There are no results."


def plain(text: str) -> str:
    """One line of printable characters. Result files come from devices, and a terminal obeys control characters."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in " ".join(text.split()))


def moment(text: str) -> str:
    """A timestamp of a result in readable form; any other text unchanged."""
    return re.sub(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?Z$", r"\1 \2 UTC", text)


def speed(value: float | None) -> str:
    """A speed; empty for None."""
    return "" if value is None else f"{value:.1f}"


def percent(value: float | None) -> str:
    """A share; empty for None."""
    return "" if value is None else f"{100 * value:.0f} %"


def change(value: float | None) -> str:
    """A change with its sign; empty for None."""
    if value is None:
        return ""
    rounded = round(100 * value, 1)
    return f"{rounded:+.1f} %".replace("-", "\N{MINUS SIGN}") if rounded else "0.0 %"


def many(count: int, noun: str) -> str:
    """A number of things."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def known(value: object) -> str:
    """A value, or "not known"."""
    return "not known" if value is None else str(value)


def measured(entries: Iterable[results.Entry]) -> list[tuple[results.Entry, float]]:
    """Entries that have a speed, with that speed. JSON may hold 1e999, which cannot be drawn."""
    return [
        (one, one.figure) for one in entries if not one.failed and one.figure is not None and math.isfinite(one.figure)
    ]


def median(entries: Iterable[results.Entry]) -> float | None:
    """The median of their speeds."""
    found = [speed for _rest, speed in measured(entries)]
    return statistics.median(found) if found else None


def medians(fleet: results.Fleet) -> dict[str, float | None]:
    """The fleet's median of each profile."""
    return {profile: median(entries) for profile, entries in fleet.by_profile().items()}


def middles(fleet: results.Fleet) -> dict[tuple[Any, ...], float]:
    """The median of each group of comparable services, which outliers are far from."""
    groups: dict[tuple[Any, ...], list[float]] = {}
    for entry, speed in measured(fleet.entries):
        groups.setdefault(results.comparison_key(entry.result, entry.service), []).append(speed)
    return {kind: statistics.median(speeds) for kind, speeds in groups.items()}


def hosts(entries: Iterable[results.Entry]) -> int:
    """How many hosts these entries cover."""
    return len({one.host for one in entries})


def best_share(entries: Iterable[results.Entry]) -> float | None:
    """The best share of the bound among them."""
    return max((one.share for one, _rest in measured(entries) if one.share is not None), default=None)


def bound(entries: Iterable[results.Entry]) -> float | None:
    """What the memory bandwidth allows the model of these entries."""
    found = (results.bound(one.service["model"]) for one in entries if one.service["api"] == "chat")
    return next((one for one in found if one is not None), None)


def engine(service: Mapping[str, Any]) -> str:
    """The engine of a service and its version."""
    return f"{ENGINES.get(service['engine'], service['engine'])} {service['version']}"


def engines(entries: Iterable[results.Entry]) -> str:
    """Every engine of these, with its versions."""
    return ", ".join(sorted({engine(one.service) for one in entries}))


def unit(entry: results.Entry) -> str:
    """The unit of an entry's speed."""
    return results.unit(entry.service["api"])


def together(service: Mapping[str, Any], load: Mapping[str, Any]) -> float | None:
    """The throughput of all clients of a load together."""
    value = load.get(results.THROUGHPUTS.get(service["api"], "output_tokens_per_s"))
    return float(value) if value is not None and math.isfinite(value) else None


def newest(entries: Iterable[results.Entry]) -> Mapping[str, Any]:
    """The newest result of these entries of one host."""
    return max((entry.result for entry in entries), key=lambda result: str(result["measured_at"]))


def locked(result: Mapping[str, Any]) -> str:
    """Whether the clocks were locked."""
    return {True: "yes", False: "no"}.get(result["conditions"].get("clocks_locked"), "not known")


def count(fleet: results.Fleet) -> dict[str, int]:
    """How many hosts there are, and services in each state."""
    states = [entry.verdict.state for entry in fleet.entries]
    return {
        "hosts": hosts(fleet.entries),
        "measured": len(states) - states.count("failed"),
        "slow": states.count("slow"),
        "failed": states.count("failed"),
        "outliers": sum(entry.outlier for entry in fleet.entries),
    }


def moments(fleet: results.Fleet) -> list[str]:
    """The times of the first and the last figure."""
    times = sorted({str(entry.result["measured_at"]) for entry in fleet.entries})
    return [plain(moment(one)) for one in dict.fromkeys([*times[:1], *times[-1:]])]


def basis(fleet: results.Fleet) -> str:
    """How many runs the entries and their predecessors come from."""
    shown = [one for entry in fleet.entries for one in (entry, entry.before) if one is not None]
    runs = len({str(one.result["run"]) for one in shown})
    before = " and the one before it" if any(entry.before for entry in fleet.entries) else ""
    return f"the newest of each service{before}, from {many(runs, 'run')}"


def said(fleet: results.Fleet) -> str:
    """A summary of the fleet in a few words."""
    if not fleet.entries:
        return NO_RESULTS
    counts = count(fleet)
    return (
        f"{many(counts['hosts'], 'host')}, {many(counts['measured'], 'service')} measured: {counts['slow']} too slow, "
        f"{counts['failed']} failed, {many(counts['outliers'], 'outlier')}. "
        f"Measured {' to '.join(moments(fleet))}; {basis(fleet)}."
    )
