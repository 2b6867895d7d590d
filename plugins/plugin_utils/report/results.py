# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Result files of measurements: their schema, and what a set of them says of a fleet. Pure.

The schema is explained in docs/bench.md. A key more is no new version; one that changes its meaning, or is taken away, is.
A verdict is not stored: it follows from the files, which are looked at in the order in which they were measured.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.observe import throttling
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.shapes import Field, check

SCHEMA = 1
# Memory bandwidth of a Jetson AGX Thor in bytes per second (facts of the vendor: 273 GB/s).
BANDWIDTH = 273e9
# The power mode that the reference table was measured in.
REFERENCE_MODE = "MAXN"

TEXT = Field((str,), null=True, lines=True)
NAME = Field((str,), required=True)
NUMBER = Field((int, float), null=True)
COUNT = Field((int,), required=True)
TEXTS = Field((list,), items=Field((str,), lines=True))
SPREAD = Field(
    (dict,), null=True, keys={name: Field((int, float), required=True) for name in ("mean", "median", "min", "max")}
)
LOAD = Field(
    (dict,),
    keys={
        "concurrency": COUNT,
        "requests": COUNT,
        "failed": COUNT,
        "errors": TEXTS,
        "seconds": NUMBER,
        "input_tokens": NUMBER,
        "output_tokens": NUMBER,
        "ttft_s": SPREAD,
        "tpot_s": SPREAD,
        "decode_tokens_per_s": SPREAD,
        "engine_decode_tokens_per_s": SPREAD,
        "output_tokens_per_s": NUMBER,
        "audio_s": NUMBER,
        "rtf": SPREAD,
        "audio_s_per_s": NUMBER,
    },
)
SERVICE = Field(
    (dict,),
    keys={
        "name": NAME,
        "profile": NAME,
        "engine": NAME,
        "version": NAME,
        "api": NAME,
        "state": Field((str,), required=True, choices=("measured", "failed")),
        "reason": TEXT,
        "model": Field(
            (dict,),
            required=True,
            keys={
                "key": NAME,
                "id": TEXT,
                "revision": TEXT,
                "precision": TEXT,
                "bytes": NUMBER,
                "active_bytes": NUMBER,
            },
        ),
        "loads": Field((list,), required=True, items=LOAD),
        "memory_free_bytes": NUMBER,
        "slowed_by": Field((dict,), keys={"hot": TEXTS, "throttled": TEXTS}),
        "engine_tool": Field((dict,), null=True),
    },
)
CONDITIONS = Field(
    (dict,),
    required=True,
    keys={
        "power_mode": Field((str,), required=True, null=True),
        "clocks_locked": Field((bool,), required=True, null=True),
        "mig": Field((bool,), required=True, null=True),
        "memory": Field(
            (dict,), required=True, keys=dict.fromkeys(("total", "free", "available", "page_cache"), NUMBER)
        ),
        **dict.fromkeys(("hot", "throttled", "slow_clocks"), Field((list,), required=True, items=Field((str,)))),
    },
)
RESULT = Field(
    (dict,),
    keys={
        "schema": COUNT,
        "host": NAME,
        "run": NAME,
        "measured_at": NAME,
        "method": Field(
            (dict,),
            required=True,
            keys={
                "input_tokens": COUNT,
                "output_tokens": COUNT,
                "requests": COUNT,
                "warmups": COUNT,
                "concurrency": Field((list,), required=True, items=Field((int,))),
                "audio_seconds": NUMBER,
                "audio_sha256": TEXT,
                "seed": NUMBER,
            },
        ),
        "device": Field(
            (dict,), required=True, keys=dict.fromkeys(("model", "l4t", "jetpack", "cuda", "architecture"), TEXT)
        ),
        "conditions": CONDITIONS,
        "services": Field((list,), required=True, items=SERVICE),
    },
)


def read(path: Path) -> tuple[dict[str, Any] | None, list[Problem]]:
    """One result file; None and the problems where it is none, or one of another version of the schema."""
    name = str(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except OSError as error:
        return None, [_invalid(name, None, f"It cannot be read: {error.strerror}.")]
    except ValueError as error:
        return None, [_invalid(name, None, f"It is no JSON: {error}.")]
    if not isinstance(document, dict) or "schema" not in document:
        return None, [_invalid(name, None, "It is no result of a measurement: it names no schema.")]
    if document["schema"] != SCHEMA:
        reason = f"It is of version {document['schema']!r} of the schema, and this collection reads version {SCHEMA}."
        remedy = "Read it with the version of the collection that wrote it, or move it out of the folder."
        return None, [Problem("THOR-RESULT-SCHEMA", name, document["schema"], reason, remedy)]
    wrong = [one for one in check(document, RESULT, name) if one.code != "THOR-KEY-UNKNOWN"]
    if wrong:
        return None, [_invalid(one.variable, one.value, one.reason) for one in wrong]
    return document, []


def _no_number(name: str) -> float:
    """Python reads NaN and Infinity, which no JSON has and nothing can be compared with."""
    raise ValueError(f"{name} is no number")


def _invalid(variable: str, value: Any, reason: str) -> Problem:
    return Problem("THOR-RESULT-INVALID", variable, value, reason, "Mend it, or move it out of the folder.")


def read_all(places: Iterable[Path]) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Every result in these files and folders, the oldest first, and what is wrong with the others."""
    files: dict[Path, None] = {}
    problems: list[Problem] = []
    for place in places:
        if place.is_dir():
            files.update(dict.fromkeys(sorted(place.glob("*.json"))))
        elif place.exists():
            files[place] = None
        else:
            remedy = "Measure first (playbooks/bench.yml), or name another one (thor_bench_results)."
            reason = "There is no such file or folder."
            problems.append(Problem("THOR-RESULT-INVALID", str(place), None, reason, remedy))
    documents = []
    for file in files:
        document, found = read(file)
        problems += found
        if document is not None:
            documents.append(document)
    return sorted(documents, key=lambda one: (one["run"], one["host"])), problems


def judged(service: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The load that a verdict is about: the one with the fewest clients, which is one unless somebody wanted otherwise."""
    return min(service["loads"], key=lambda load: load["concurrency"], default=None)


def figure(service: Mapping[str, Any]) -> float | None:
    """The speed of a service for a client: tokens per second, or seconds of sound per second. None where it has none."""
    load = judged(service)
    if load is None or load["failed"] >= load["requests"]:
        return None
    name = "audio_s_per_s" if service["api"] == "transcription" else "decode_tokens_per_s"
    value = load.get(name)
    return (value or {}).get("median") if name == "decode_tokens_per_s" else value


def unit(api: str) -> str:
    """What ``figure`` counts."""
    return "x real time" if api == "transcription" else "tok/s"


def bound(model: Mapping[str, Any]) -> float | None:
    """Tokens per second that the memory bandwidth allows one client: each token reads the active weights once."""
    active = model.get("active_bytes")
    return BANDWIDTH / active if active else None


@dataclass(frozen=True)
class Verdict:
    """How a figure stands to the one that it is held against; ``basis`` is own, fleet, reference or nothing."""

    state: str  # good, slow, failed, unknown
    figure: float | None = None
    baseline: float | None = None
    basis: str = ""
    causes: Sequence[str] = ()
    floor: float = 0.0  # the share of the baseline that it must reach


@dataclass
class Entry:
    """One service of one result, and what the set of results says of it."""

    host: str
    result: Mapping[str, Any]
    service: Mapping[str, Any]
    verdict: Verdict
    before: Entry | None = None  # the same service of the same host, measured before
    outlier: bool = False

    @property
    def figure(self) -> float | None:
        """Its speed for one client."""
        return figure(self.service)

    @property
    def share(self) -> float | None:
        """The share of what the memory bandwidth allows."""
        limit = bound(self.service["model"])
        return self.figure / limit if limit and self.figure is not None and self.service["api"] == "chat" else None

    @property
    def change(self) -> float | None:
        """The share by which it is faster than before; negative where it is slower. None where one of both failed."""
        if self.before is None or not self.before.figure or self.figure is None:
            return None
        return None if self.failed or self.before.failed else self.figure / self.before.figure - 1

    @property
    def failed(self) -> bool:
        """Whether it could not be measured to the end."""
        return self.verdict.state == "failed"

    @property
    def reason(self) -> str:
        """Why it could not be measured."""
        failed = sum(load["failed"] for load in self.service["loads"])
        return str(self.service.get("reason") or f"{failed} of its requests failed.")


@dataclass
class Fleet:
    """What a set of results says: the newest of each service of each host."""

    entries: list[Entry] = field(default_factory=list)

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


def alike(result: Mapping[str, Any], service: Mapping[str, Any]) -> tuple[Any, ...]:
    """What two figures must have in common to be held against each other."""
    method, load = result["method"], judged(service)
    lengths = (
        (method.get("audio_seconds"), method.get("audio_sha256"))
        if service["api"] == "transcription"
        else (method["input_tokens"], method["output_tokens"])
    )
    clients = load["concurrency"] if load else None
    mode = result["conditions"].get("power_mode")
    return (service["profile"], service["engine"], service["version"], mode, clients, *lengths)


def fleet(
    results: Sequence[Mapping[str, Any]],
    reference: Mapping[str, Any],
    floor: float,
    floors: Mapping[str, float] | None = None,
) -> Fleet:
    """Judge all results, the oldest first, and keep the newest entry of each service of each host. ``floors`` are those of single hosts.

    A figure is held against those that its host had before, else against those that other hosts had before, else against the
    reference table, else against those of the other hosts in the same run. What was too slow or failed is no measure for what
    comes after.
    """
    good: dict[tuple[Any, ...], list[tuple[str, float]]] = {}
    newest: dict[tuple[str, str], Entry] = {}
    for _run, together in itertools.groupby(results, key=lambda result: result["run"]):
        fresh = [(result, service) for result in together for service in result["services"]]
        beside: dict[tuple[Any, ...], list[tuple[str, float]]] = {}
        for result, service in fresh:
            if (value := figure(service)) is not None and service["state"] == "measured":
                beside.setdefault(alike(result, service), []).append((result["host"], value))
        for result, service in fresh:
            kind, host = alike(result, service), result["host"]
            least = (floors or {}).get(host, floor)
            verdict = _judge(result, service, good.get(kind, []), beside.get(kind, []), reference, least)
            key = (host, str(service["name"]))
            before = newest.get(key)
            if before is not None and before.service["profile"] != service["profile"]:
                before = None
            newest[key] = Entry(host, result, service, verdict, before)
        for result, service in fresh:
            entry = newest[result["host"], str(service["name"])]
            if entry.verdict.state in ("good", "unknown") and entry.figure is not None:
                good.setdefault(alike(result, service), []).append((result["host"], entry.figure))
    for entry in newest.values():
        if entry.before is not None:
            entry.before.before = None  # one step back is what anybody asks for
    whole = Fleet(sorted(newest.values(), key=lambda entry: (entry.host, str(entry.service["name"]))))
    _mark_outliers(whole, floor)
    return whole


def _judge(
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
    table = reference_figure(service, reference)
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
    """What the reference table has for the model and engine of a service, where that is a number; it is of one client."""
    load = judged(service)
    if service["api"] != "chat" or load is None or load["concurrency"] != 1:
        return None
    for row in reference["table"]:
        if row["model"] == service["model"]["key"]:
            value = row.get(service["engine"])
            return float(value) if isinstance(value, int | float) else None
    return None


def _mark_outliers(whole: Fleet, floor: float) -> None:
    """Mark who is off the middle of those alike by more than the floor allows, where there are three at least."""
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in whole.entries:
        if entry.figure is not None and not entry.failed:
            groups.setdefault(alike(entry.result, entry.service), []).append(entry)
    for group in groups.values():
        middle = statistics.median(entry.figure or 0 for entry in group)
        for entry in group if len(group) >= 3 else []:
            entry.outlier = not floor * middle <= (entry.figure or 0) <= (2 - floor) * middle


def problems(entries: Iterable[Entry]) -> list[Problem]:
    """What is wrong with these entries: those that were not measured, and those that are too slow."""
    found = []
    for entry in entries:
        service, verdict = entry.service, entry.verdict
        place = f"thor_services[{service['name']}]"
        if entry.failed:
            remedy = (
                f"Look into sudo journalctl -u thor-{service['name']}.service; where it was too much for it, ask for less "
                "(bench_concurrency, bench_input_tokens). Then measure again."
            )
            found.append(Problem("THOR-BENCH-FAILED", place, service["profile"], entry.reason, remedy))
        elif verdict.state == "slow":
            against = {
                "own": "this host had before",
                "fleet": "the other hosts have",
                "reference": f"the reference table has (one Jetson Thor, {REFERENCE_MODE})",
            }[verdict.basis]
            words = unit(service["api"])
            reason = (
                f"{verdict.figure:.1f} {words} are {(verdict.figure or 0) / (verdict.baseline or 1):.2f} of the {verdict.baseline:.1f} "
                f"{words} that {against}, and less than {verdict.floor:g} of them (thor_bench_floor). Likely causes: "
                f"{'; '.join(verdict.causes) or 'none that can be seen from here'}."
            )
            remedy = "Put right what is named and measure again, or set thor_bench_floor for this host."
            found.append(Problem("THOR-BENCH-SLOW", place, round(verdict.figure or 0, 1), reason, remedy))
    return found
