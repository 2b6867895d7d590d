# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The charts of the report's page: what each one shows, and the text that a screen reader reads out instead."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ansible_collections.jetson.thor.plugins.plugin_utils.report import drawing, facts, results, svg

# With more hosts than this, charts name only those that stand out, and only so many of them.
NAMED_HOSTS = 30
NAMED_MOST = 20
TABLES_HAVE_THEM = "the tables below list them."


@dataclass(frozen=True)
class Picture:
    """A chart of the page, and the words above and below it."""

    title: str
    lead: str
    svg: str
    notes: Sequence[str] = ()


def _picture(title: str, lead: str, notes: Iterable[str] = (), drawn: str = "") -> Picture:
    return Picture(facts.plain(title), facts.plain(lead), drawn, [facts.plain(note) for note in notes])


# One chart per profile


def profiles(fleet: results.Fleet, reference: facts.Reference) -> list[Picture]:
    """A chart per profile: the speed of every host, and what it could be."""
    return [
        _profile_picture(f"p{number}", profile, entries, reference)
        for number, (profile, entries) in enumerate(fleet.by_profile().items())
    ]


def _profile_picture(key: str, profile: str, entries: Sequence[results.Entry], reference: facts.Reference) -> Picture:
    measured = sorted(facts.measured(entries), key=lambda pair: (-pair[1], pair[0].host))
    failed = [entry for entry in entries if entry.failed]
    model, unit = entries[0].service["model"], facts.unit(entries[0])
    about = [str(one) for one in (model.get("id") or model["key"], model.get("precision")) if one]
    lead = f"{', '.join(about)}; {facts.engines(entries)}"
    names = [entry.host for entry in failed]
    missing = ", ".join(names[:NAMED_MOST]) + (f" and {len(names) - NAMED_MOST} more" if names[NAMED_MOST:] else "")
    if not measured:
        return _picture(profile, lead, ["Nothing was measured" + (f": it failed on {missing}." if failed else ".")])
    bound = facts.bound(entries)
    notes = [_spread(measured, unit, facts.best_share(entries)), *([f"Failed on {missing}."] if failed else [])]
    lines, hidden = _profile_lines([*measured, *((entry, 0.0) for entry in failed)])
    notes += [f"{facts.many(hidden, 'more mark')} without a name: {TABLES_HAVE_THEM}"] if hidden else []
    table = next((one for entry in entries if (one := results.reference_of(entry, reference))), None)
    loads = _throughput(entries)
    spoken = [
        *notes,
        *(f"{name}: {facts.speed(one)} {unit}." for name, one in (("Reference", table), ("Bound", bound)) if one),
        *_standing_out(measured),
        *_spoken_loads(loads, unit),
    ]
    paint = partial(drawing.paint_profile, lines=lines, unit=unit, reference=table, bound=bound, loads=loads)
    height = drawing.rules_height(table, bound) + drawing.lines_height(lines) + 32 + (116 if loads else 0)
    drawn = svg.draw(key, f"Speed of {profile} by host", " ".join(spoken), height, paint)
    return _picture(profile, lead, notes, drawn)


def _spread(measured: Sequence[tuple[results.Entry, float]], unit: str, share: float | None) -> str:
    """The median and the range of these, the fastest first, in a sentence."""
    speeds = [speed for _entry, speed in measured]
    text = f"{facts.many(facts.hosts(entry for entry, _speed in measured), 'host')}: "
    text += f"median {facts.speed(statistics.median(speeds))} {unit}"
    text += f", from {facts.speed(speeds[-1])} to {facts.speed(speeds[0])}" if len(speeds) > 1 else ""
    return f"{text}{f'; at best {facts.percent(share)} of the bound' if share else ''}."


def _standing_out(measured: Sequence[tuple[results.Entry, float]]) -> list[str]:
    """The services whose marks say that they are too slow, or outliers, in a sentence each."""
    marks = {
        "Too slow": [pair for pair in measured if pair[0].verdict.state == "slow"],
        "Outliers": [pair for pair in measured if pair[0].outlier],
    }
    hosts = Counter(entry.host for entry, _speed in measured)
    return [
        f"{mark}: {', '.join(f'{_host(entry, hosts)} {facts.speed(speed)}' for entry, speed in pairs)}."
        for mark, pairs in marks.items()
        if pairs
    ]


def _host(entry: results.Entry, hosts: Mapping[str, int]) -> str:
    """The host of a service, with the service's name where the host has several of the profile."""
    return entry.host if hosts[entry.host] == 1 else f"{entry.host} {entry.service['name']}"


def _profile_lines(pairs: Sequence[tuple[results.Entry, float]]) -> tuple[list[drawing.Line], int]:
    """A line per service, and how many lines that stand out have no name."""
    hosts = Counter(entry.host for entry, _speed in pairs)
    named, hidden = _named([entry.outlier or entry.verdict.state in ("slow", "failed") for entry, _speed in pairs])
    lines = [
        drawing.Line(
            _short(_host(entry, hosts)),
            [drawing.Point(speed, entry.verdict.state, entry.outlier)],
            "failed" if entry.failed else facts.speed(speed),
            index in named,
        )
        for index, (entry, speed) in enumerate(pairs)
    ]
    return lines, hidden


def _named(standing_out: Sequence[bool]) -> tuple[set[int], int]:
    """Which lines have a name: all of a few; of many the first, the last, and those that stand out, from the end."""
    if len(standing_out) <= NAMED_HOSTS:
        return set(range(len(standing_out))), 0
    wanted = [index for index in reversed(range(len(standing_out))) if standing_out[index]]
    return {0, len(standing_out) - 1, *wanted[:NAMED_MOST]}, len(wanted[NAMED_MOST:])


def _short(name: str, room: float = drawing.NAME_ROOM) -> str:
    """A name that leaves room for the chart. It loses its middle, because hosts differ at their ends."""
    text = facts.plain(name)
    for kept in range(min(len(text), 80), 0, -1):
        short = text if kept == len(text) else f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
        if drawing.text_width(short) <= room:
            return short
    return ""


def _throughput(entries: Iterable[results.Entry]) -> dict[int, list[float]]:
    """The throughput of all clients together on every host, by the number of concurrent requests; empty for single requests only."""
    found: dict[int, list[float]] = {}
    for entry, _speed in facts.measured(entries):
        for load in entry.service["loads"]:
            value = facts.together(entry.service, load)
            if value is not None and not load["failed"]:
                found.setdefault(int(load["concurrency"]), []).append(value)
    return {count: found[count] for count in sorted(found)} if max(found, default=1) > 1 else {}


def _spoken_loads(loads: Mapping[int, Sequence[float]], unit: str) -> list[str]:
    each = (
        f"{facts.speed(statistics.median(values))} {unit} with {facts.many(count, 'request')} at once"
        for count, values in loads.items()
    )
    return [f"All clients together, median: {', '.join(each)}."] if loads else []


# One chart per device, where there are few


def devices(fleet: results.Fleet, reference: facts.Reference) -> list[Picture]:
    """A chart per device, for a small fleet: each of its services on a scale that all devices share."""
    hosts = fleet.by_host()
    if len(hosts) > facts.OWN_CHARTS:
        return []
    medians = facts.medians(fleet) if len(hosts) > 1 else {}
    scales = _scales(fleet, reference)
    found = []
    for number, (host, entries) in enumerate(hosts.items()):
        gauges, spoken = [], []
        for entry in entries:
            profile = str(entry.service["profile"])
            marks = {
                "reference": results.reference_of(entry, reference),
                "bound": facts.bound([entry]),
                "median of the fleet": medians.get(profile),
            }
            gauges.append(_gauge(entry, profile, list(marks.values()), scales[profile]))
            spoken.append(_spoken_service(entry, profile, gauges[-1].text, marks))
        newest = facts.newest(entries)
        mode, level = newest["conditions"].get("power_mode"), newest["device"].get("l4t")
        lead = f"power mode {facts.known(mode)}; L4T {facts.known(level)}; {facts.engines(entries)}"
        paint = partial(drawing.paint_gauges, gauges=gauges)
        height = drawing.GAUGE * len(gauges) + 4
        drawn = svg.draw(f"d{number}", f"Services of {host}", f"{'; '.join(spoken)}.", height, paint)
        found.append(_picture(host, lead, drawn=drawn))
    return found


def _scales(fleet: results.Fleet, reference: facts.Reference) -> dict[str, float]:
    """The length of each profile's scale: the largest of its speeds and marks."""
    scales = {}
    for profile, entries in fleet.by_profile().items():
        marks = [results.reference_of(entry, reference) for entry in entries]
        marks += [facts.bound(entries), *(speed for _entry, speed in facts.measured(entries))]
        scales[profile] = max(one or 0.0 for one in marks) or 1.0
    return scales


def _gauge(entry: results.Entry, profile: str, marks: Sequence[float | None], scale: float) -> drawing.Gauge:
    value = None if entry.failed else entry.figure
    text = "failed" if entry.failed else f"{facts.speed(value)} {facts.unit(entry)}"
    room = svg.TEXT / drawing.GAUGE_TEXT * (svg.WIDTH - 18) - 1.1 * drawing.text_width(text)
    places = [None if one is None else one / scale for one in (value, *marks)]
    return drawing.Gauge(_short(profile, room), text, entry.verdict.state, entry.outlier, *places)


def _spoken_service(entry: results.Entry, profile: str, text: str, marks: Mapping[str, float | None]) -> str:
    said = [text, *[facts.STATES["slow"]] * (entry.verdict.state == "slow"), *["outlier"] * entry.outlier]
    beside = ", ".join(f"{name} {facts.speed(value)}" for name, value in marks.items() if value is not None)
    return f"{profile}: {', '.join(said)}" + (f" ({beside})" if beside else "")


# One chart of all devices, where there are many


@dataclass(frozen=True)
class _Device:
    """A row of the overview: a host with its services, each relative to the fleet's median of its profile."""

    host: str
    points: Sequence[drawing.Point]
    failed: bool

    @property
    def slowest(self) -> float:
        """The share of its slowest service."""
        return min((point.value for point in self.points), default=0.0)

    @property
    def text(self) -> str:
        """The number at the end of its row."""
        return facts.percent(self.slowest) if self.points else "failed"

    @property
    def marks(self) -> list[str]:
        """What its marks say of its services, in words."""
        found = [facts.STATES["slow"]] * any(point.state == "slow" for point in self.points)
        found += ["outlier"] * any(point.outlier for point in self.points)
        return found + ["failed"] * self.failed


def overview(fleet: results.Fleet, floor: float) -> Picture | None:
    """One chart of all devices, for a large fleet: each service relative to the fleet's median of its profile."""
    if len(fleet.by_host()) <= facts.OWN_CHARTS:
        return None
    found = sorted(_devices(fleet), key=lambda one: (one.failed, -one.slowest, one.host))
    named, hidden = _named([bool(one.marks) for one in found])
    values = [point.value for one in found for point in one.points]
    left, right = min([*values, floor]) - 0.04, max([*values, 2 - floor]) + 0.03
    lines = [
        # A failed service has no speed, so its mark stands at the left edge.
        drawing.Line(
            _short(one.host), [*one.points, *[drawing.Point(left, "failed")] * one.failed], one.text, index in named
        )
        for index, one in enumerate(found)
    ]
    notes = [
        "Each row is a device, each mark one of its services; the number is its slowest service. "
        f"The band is within {facts.percent(1 - floor)} of the median."
    ]
    if hidden:
        notes.append(f"{facts.many(hidden, 'more device')} that stand out have no name here: {TABLES_HAVE_THEM}")
    each = (
        f"{one.host} {one.text}" + (f" ({', '.join(one.marks)})" if one.points and one.marks else "")
        for index, one in enumerate(found)
        if index in named
    )
    spoken = f"{len(found)} devices, among them {', '.join(each)}."
    paint = partial(drawing.paint_overview, lines=lines, limits=(left, right), floor=floor)
    height = drawing.OVERVIEW_TOP + drawing.lines_height(lines) + 32
    drawn = svg.draw("overview", "Speed of every device relative to the fleet", spoken, height, paint)
    return _picture("All devices", "Speed relative to the fleet's median of each profile", notes, drawn)


def _devices(fleet: results.Fleet) -> list[_Device]:
    medians = facts.medians(fleet)
    return [
        _Device(
            host,
            [
                drawing.Point(speed / median, entry.verdict.state, entry.outlier)
                for entry, speed in facts.measured(entries)
                if (median := medians[str(entry.service["profile"])])
            ],
            any(entry.failed for entry in entries),
        )
        for host, entries in fleet.by_host().items()
    ]
