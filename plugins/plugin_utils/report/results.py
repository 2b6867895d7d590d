# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a set of results says of a fleet: figures, verdicts, changes and outliers. Pure.

A verdict is not stored. It follows from the results, taken in the order in which they were measured.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.observe import throttling
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

# Memory bandwidth of a Jetson AGX Thor in bytes per second (facts of the vendor: 273 GB/s).
BANDWIDTH = 273e9
# The power mode that the reference table was measured in.
REFERENCE_MODE = "MAXN"
REFERENCE_MODULE = "T5000"
# The key of a load that is the speed of a service, for APIs that do not answer token by token.
THROUGHPUTS = {"transcription": "audio_s_per_s", "embedding": "documents_per_s", "rerank": "documents_per_s"}
UNITS = {"transcription": "x real time", "embedding": "documents/s", "rerank": "documents/s"}
# What of the method decides how long an answer takes, by API; of all others the lengths of prompt and answer.
LENGTHS = {
    "transcription": ("audio_seconds", "audio_sha256"),
    **dict.fromkeys(("embedding", "rerank"), ("documents", "document_tokens")),
}


def single_load(service: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The load that a verdict is about: the one with the fewest clients, by default a single one."""
    return min(service["loads"], key=lambda load: load["concurrency"], default=None)


def figure(service: Mapping[str, Any]) -> float | None:
    """The speed of a service for one client: tokens, seconds of audio or documents per second. None if there is none."""
    load = single_load(service)
    if load is None or load["failed"] >= load["requests"]:
        return None
    if (name := THROUGHPUTS.get(service["api"])) is not None:
        value: float | None = load.get(name)
        return value
    return (load.get("decode_tokens_per_s") or {}).get("median")


def unit(api: str) -> str:
    """The unit of ``figure``."""
    return UNITS.get(api, "tok/s")


def module_of(result: Mapping[str, Any]) -> str | None:
    """The module of a device, T5000 or T4000; None if it is neither. NVIDIA calls the one of the developer kit T5000, too."""
    model = str(result["device"].get("model") or "").upper()
    return "T4000" if "T4000" in model else "T5000" if "T5000" in model or "THOR" in model else None


def speculates(service: Mapping[str, Any]) -> bool:
    """Whether a service drafts tokens: as the inventory says, or as its engine says of any load."""
    return bool(service.get("speculative")) or any(load.get("speculation") for load in service["loads"])


def is_like_reference(result: Mapping[str, Any], service: Mapping[str, Any]) -> bool:
    """Whether a service may be compared with the reference table: a chat on the same module, without speculation."""
    return service["api"] == "chat" and module_of(result) == REFERENCE_MODULE and not speculates(service)


def bound(model: Mapping[str, Any]) -> float | None:
    """Tokens per second that the memory bandwidth allows one client: each token reads the active weights once."""
    active = model.get("active_bytes")
    return BANDWIDTH / active if active else None


@dataclass(frozen=True)
class Verdict:
    """A figure compared with its baseline. ``basis``, the source of the baseline, is own, fleet, reference or empty."""

    state: str  # good, slow, failed, unknown
    figure: float | None = None
    baseline: float | None = None
    basis: str = ""
    causes: Sequence[str] = ()
    floor: float = 0.0  # the share of the baseline that it must reach


@dataclass(frozen=True)
class Entry:
    """One service of one result, and what the other results say of it."""

    host: str
    result: Mapping[str, Any]
    service: Mapping[str, Any]
    verdict: Verdict
    before: Entry | None = None  # the previous measurement of this service on this host
    outlier: bool = False

    @property
    def figure(self) -> float | None:
        """Its speed for one client."""
        return figure(self.service)

    @property
    def share(self) -> float | None:
        """Its speed as a share of what the memory bandwidth allows."""
        limit = bound(self.service["model"])
        return self.figure / limit if limit and self.figure is not None and self.service["api"] == "chat" else None

    @property
    def change(self) -> float | None:
        """The share by which it became faster; negative if slower. None if either measurement failed."""
        if self.before is None or not self.before.figure or self.figure is None:
            return None
        return None if self.failed or self.before.failed else self.figure / self.before.figure - 1

    @property
    def failed(self) -> bool:
        """Whether its measurement failed."""
        return self.verdict.state == "failed"

    @property
    def reason(self) -> str:
        """Why its measurement failed."""
        failed = sum(load["failed"] for load in self.service["loads"])
        return str(self.service.get("reason") or f"{failed} of its requests failed.")


@dataclass(frozen=True)
class Fleet:
    """The newest entry of each service of each host."""

    entries: Sequence[Entry]

    def by_profile(self) -> dict[str, list[Entry]]:
        """Entries by profile, in the order of their names."""
        return _grouped(self.entries, lambda entry: str(entry.service["profile"]))

    def by_host(self) -> dict[str, list[Entry]]:
        """Entries by host."""
        return _grouped(self.entries, lambda entry: entry.host)


def _grouped(entries: Iterable[Entry], key: Any) -> dict[str, list[Entry]]:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(key(entry), []).append(entry)
    return {name: groups[name] for name in sorted(groups)}


def comparison_key(result: Mapping[str, Any], service: Mapping[str, Any]) -> tuple[Any, ...]:
    """What two figures must have in common to be compared."""
    method, load = result["method"], single_load(service)
    lengths = [method.get(key) for key in LENGTHS.get(service["api"], ("input_tokens", "output_tokens"))]
    clients = load["concurrency"] if load else None
    mode = result["conditions"].get("power_mode")
    return (service["profile"], service["engine"], service["version"], mode, clients, *lengths)


def fleet(
    results: Sequence[Mapping[str, Any]],
    reference: Mapping[str, Any],
    floor: float,
    floors: Mapping[str, float] | None = None,
) -> Fleet:
    """Compare all results, the oldest first, and keep the newest entry of each service of each host. ``floors`` are per host.

    The baseline of a figure is the median of its host's earlier figures; else of other hosts' earlier figures; else the reference
    table; else the median of the other hosts in the same run. Slow or failed runs never become a baseline.
    """
    good: dict[tuple[Any, ...], list[tuple[str, float]]] = {}
    newest: dict[tuple[str, str], Entry] = {}
    for _run, together in itertools.groupby(results, key=lambda result: result["run"]):
        fresh = [(result, service) for result in together for service in result["services"]]
        beside: dict[tuple[Any, ...], list[tuple[str, float]]] = {}
        for result, service in fresh:
            if (value := figure(service)) is not None and service["state"] == "measured":
                beside.setdefault(comparison_key(result, service), []).append((result["host"], value))
        for result, service in fresh:
            kind, host = comparison_key(result, service), result["host"]
            least = (floors or {}).get(host, floor)
            verdict = _verdict(result, service, good.get(kind, []), beside.get(kind, []), reference, least)
            key = (host, str(service["name"]))
            before = newest.get(key)
            if before is not None and before.service["profile"] != service["profile"]:
                before = None
            # Only one step back is shown.
            newest[key] = Entry(host, result, service, verdict, replace(before, before=None) if before else None)
        for result, service in fresh:
            entry = newest[result["host"], str(service["name"])]
            if entry.verdict.state in ("good", "unknown") and entry.figure is not None:
                good.setdefault(comparison_key(result, service), []).append((result["host"], entry.figure))
    entries = sorted(newest.values(), key=lambda entry: (entry.host, str(entry.service["name"])))
    return Fleet(_with_outliers(entries, floor))


def _verdict(
    result: Mapping[str, Any],
    service: Mapping[str, Any],
    earlier: Sequence[tuple[str, float]],
    beside: Sequence[tuple[str, float]],
    reference: Mapping[str, Any],
    floor: float,
) -> Verdict:
    value = figure(service)
    if service["state"] != "measured" or value is None:
        return Verdict("failed", value)
    own = [one for host, one in earlier if host == result["host"]]
    others, neighbours = ([one for host, one in group if host != result["host"]] for group in (earlier, beside))
    table = reference_figure(service, reference) if is_like_reference(result, service) else None
    mode = result["conditions"].get("power_mode")
    if own:
        baseline, basis = statistics.median(own), "own"
    elif others:
        baseline, basis = statistics.median(others), "fleet"
    elif table is not None:
        baseline, basis, mode = table, "reference", REFERENCE_MODE
    elif neighbours:
        baseline, basis = statistics.median(neighbours), "fleet"
    else:
        return Verdict("unknown", value)
    if value >= floor * baseline:
        return Verdict("good", value, baseline, basis, floor=floor)
    seen = {"hot": [], "throttled": [], **(service.get("slowed_by") or {})}
    return Verdict("slow", value, baseline, basis, throttling.causes(result["conditions"], seen, mode), floor)


def reference_figure(service: Mapping[str, Any], reference: Mapping[str, Any]) -> float | None:
    """The reference table's number for the model and engine of a service, which is for one client; None if there is none."""
    load = single_load(service)
    if service["api"] != "chat" or load is None or load["concurrency"] != 1:
        return None
    for row in reference["table"]:
        if row["model"] == service["model"]["key"]:
            value = row.get(service["engine"])
            return float(value) if isinstance(value, int | float) else None
    return None


def reference_of(entry: Entry, reference: Mapping[str, Any]) -> float | None:
    """The reference table's number for an entry; None if there is none, or it may not be compared."""
    return reference_figure(entry.service, reference) if is_like_reference(entry.result, entry.service) else None


def _with_outliers(entries: Sequence[Entry], floor: float) -> list[Entry]:
    """Mark entries that differ from the median of their group by more than the floor allows, in groups of three or more."""
    groups: dict[tuple[Any, ...], list[float]] = {}
    for entry in entries:
        if entry.figure is not None and not entry.failed:
            groups.setdefault(comparison_key(entry.result, entry.service), []).append(entry.figure)

    def is_outlier(entry: Entry) -> bool:
        figures = groups.get(comparison_key(entry.result, entry.service), [])
        if entry.figure is None or entry.failed or len(figures) < 3:
            return False
        middle = statistics.median(figures)
        return not floor * middle <= entry.figure <= (2 - floor) * middle

    return [replace(entry, outlier=is_outlier(entry)) for entry in entries]


def problems(entries: Iterable[Entry]) -> list[Problem]:
    """The problems of these entries: failed measurements, and speeds that are too slow."""
    found = []
    for entry in entries:
        service, verdict = entry.service, entry.verdict
        place = f"thor_services[{service['name']}]"
        if entry.failed:
            remedy = (
                f"Read sudo journalctl -u thor-{service['name']}.service. If the load was too high, lower it "
                "(bench_concurrency, bench_input_tokens). Then measure again."
            )
            found.append(Problem("THOR-BENCH-FAILED", place, service["profile"], entry.reason, remedy))
        elif verdict.state == "slow":
            against = {
                "own": "this host had earlier",
                "fleet": "the other hosts have",
                "reference": f"the reference table has (one Jetson Thor {REFERENCE_MODULE}, {REFERENCE_MODE})",
            }[verdict.basis]
            words = unit(service["api"])
            reason = (
                f"{verdict.figure:.1f} {words} are {(verdict.figure or 0) / (verdict.baseline or 1):.2f} of the {verdict.baseline:.1f} "
                f"{words} that {against}, and less than {verdict.floor:g} of them (thor_bench_floor). Likely causes: "
                f"{'; '.join(verdict.causes) or 'none visible in the results'}."
            )
            remedy = "Fix the named causes and measure again, or set thor_bench_floor for this host."
            found.append(Problem("THOR-BENCH-SLOW", place, round(verdict.figure or 0, 1), reason, remedy))
    return found
