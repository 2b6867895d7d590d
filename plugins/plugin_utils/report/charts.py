# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The charts of a report's page, which matplotlib draws as SVG.

They are drawn in colours that only hold a place: ``_inline`` puts variables of the page's style sheet there, and one drawing serves
for light, dark and print.
"""

from __future__ import annotations

import io
import re
import statistics
import warnings
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from ansible_collections.jetson.thor.plugins.plugin_utils.report import facts, results
from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# From here on charts name only the hosts that stand out, and at most so many of them.
NAMED_HOSTS = 30
NAMED_MOST = 20


class PlotterMissing(Exception):
    """The charts cannot be drawn: this Python has no matplotlib."""


# Colours hold a place for variables of the page's style sheet.
COLOURS = {
    "#010101": "var(--ink)",
    "#020202": "var(--quiet)",
    "#030303": "var(--line)",
    "#040404": "var(--accent)",
    "#050505": "var(--slow)",
    "#060606": "var(--outlier)",
    "#070707": "var(--failed)",
    "#080808": "var(--bound)",
    "#090909": "var(--ground)",
    "#0a0a0a": "var(--band)",
}
INK, QUIET, LINE, ACCENT, SLOW, OUTLIER, FAILED, BOUND, GROUND, BAND = COLOURS
# Shape and colour both say what a mark means: either is enough.
MARKS: dict[str, dict[str, Any]] = {
    "good": {"marker": "o", "markerfacecolor": ACCENT, "markeredgecolor": ACCENT},
    "unknown": {"marker": "o", "markerfacecolor": GROUND, "markeredgecolor": ACCENT, "markeredgewidth": 1.4},
    "slow": {"marker": "v", "markerfacecolor": SLOW, "markeredgecolor": SLOW},
    "failed": {"marker": "x", "markerfacecolor": "none", "markeredgecolor": FAILED, "markeredgewidth": 1.8},
}
RING: dict[str, Any] = {
    "marker": "o",
    "markersize": 11,
    "markerfacecolor": "none",
    "markeredgecolor": OUTLIER,
    "markeredgewidth": 1.3,
}
# Everything is in points. A chart fills a phone's width, where a point is a little more than a pixel.
WIDTH = 259.2
TEXT = 9.0
NAME_ROOM = 92.0  # for the name of a host
GAUGE_TEXT = 8.5
GAUGE = 34.0  # the height of a service in a device's chart
OVERVIEW_TOP = 22.0  # room for the word above it
STYLE: Any = {  # matplotlib's types know each key by its name
    "svg.fonttype": "none",  # text stays text, in the page's own font
    "svg.hashsalt": "jetson.thor",  # the same input gives the same page
    "path.simplify": False,
    "text.parse_math": False,  # a host may have a dollar in its name
    "font.family": "DejaVu Sans",  # matplotlib brings it along: widths are the same everywhere
    "font.size": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": TEXT,
    "ytick.labelsize": TEXT,
    "axes.labelpad": 3,
    "text.color": INK,
    "axes.labelcolor": QUIET,
    "xtick.color": LINE,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": INK,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    **{f"axes.spines.{side}": False for side in ("left", "right", "top", "bottom")},
    **{f"{axis}tick.major.size": 0 for axis in "xy"},
}


@dataclass(frozen=True)
class Picture:
    """A chart of the page, and the words above and below it."""

    title: str
    lead: str
    svg: str
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class _Point:
    """A mark in a chart."""

    value: float
    state: str
    outlier: bool = False


@dataclass(frozen=True)
class _Line:
    """A row of a chart: its name to the left, its points, and its number to the right. Only those named have the room for text."""

    name: str
    points: Sequence[_Point]
    text: str
    named: bool


@dataclass(frozen=True)
class _Gauge:
    """A service in a device's chart: a bar, and the places of its marks as shares of a scale that all devices have in common."""

    name: str
    text: str
    state: str
    outlier: bool
    value: float | None
    reference: float | None
    bound: float | None
    middle: float | None


def profiles(fleet: results.Fleet, reference: facts.Reference) -> list[Picture]:
    """A chart per profile: every host's speed, and what it could be."""
    return [
        _profile_figure(f"p{number}", profile, entries, reference)
        for number, (profile, entries) in enumerate(fleet.by_profile().items())
    ]


def _profile_figure(key: str, profile: str, entries: Sequence[results.Entry], reference: facts.Reference) -> Picture:
    measured = sorted(facts.measured(entries), key=lambda pair: (-pair[1], pair[0].host))
    failed = [entry for entry in entries if entry.failed]
    model, unit = entries[0].service["model"], facts.unit(entries[0])
    about = [str(one) for one in (model.get("id") or model["key"], model.get("precision")) if one]
    lead = f"{', '.join(about)}; {facts.engines(entries)}"
    names = [entry.host for entry in failed]
    missing = ", ".join(names[:NAMED_MOST]) + (f" and {len(names) - NAMED_MOST} more" if names[NAMED_MOST:] else "")
    if not measured:
        return _picture(profile, lead, ["Nothing was measured" + (f": it failed on {missing}." if failed else ".")])
    table = next((one for entry in entries if (one := results.reference_figure(entry.service, reference))), None)
    bound, share, speeds = facts.bound(entries), facts.best_share(entries), [speed for _rest, speed in measured]
    said = f"{facts.many(facts.hosts(entry for entry, _rest in measured), 'host')}: median {facts.speed(statistics.median(speeds))} {unit}"
    said += f", from {facts.speed(speeds[-1])} to {facts.speed(speeds[0])}" if len(speeds) > 1 else ""
    notes = [f"{said}{f'; at best {facts.percent(share)} of the bound' if share else ''}."]
    notes += [f"Failed on {missing}."] if failed else []
    lines, hidden = _profile_lines([*measured, *((entry, 0.0) for entry in failed)])
    notes += [f"{facts.many(hidden, 'more mark')} without a name: the tables below have them."] if hidden else []
    loads = _throughput(entries)
    words = notes + [
        f"{name}: {facts.speed(one)} {unit}." for name, one in (("facts.Reference", table), ("Bound", bound)) if one
    ]
    slow = [f"{line.name} {line.text}" for line in lines if line.points[0].state == "slow"]
    words += [f"Too slow: {', '.join(slow)}."] if slow else []

    def paint(figure: Figure) -> None:
        _paint_profile(figure, lines, unit, table, bound, loads)

    height = _top(table, bound) + _height(lines) + 32 + (116 if loads else 0)
    return _picture(profile, lead, notes, _draw(key, f"Speed of {profile} by host", " ".join(words), height, paint))


def _picture(title: str, lead: str, notes: Iterable[str] = (), svg: str = "") -> Picture:
    return Picture(facts.plain(title), facts.plain(lead), svg, [facts.plain(note) for note in notes])


def _profile_lines(pairs: Sequence[tuple[results.Entry, float]]) -> tuple[list[_Line], int]:
    """A line per service, and how many that stand out go without a name."""
    hosts = Counter(entry.host for entry, _rest in pairs)
    named, hidden = _named([entry.outlier or entry.verdict.state in ("slow", "failed") for entry, _rest in pairs])
    lines = []
    for index, (entry, speed) in enumerate(pairs):
        name = entry.host if hosts[entry.host] == 1 else f"{entry.host} {entry.service['name']}"
        text = "failed" if entry.failed else facts.speed(speed)
        lines.append(_Line(_short(name), [_Point(speed, entry.verdict.state, entry.outlier)], text, index in named))
    return lines, hidden


def _named(standing_out: Sequence[bool]) -> tuple[set[int], int]:
    """Which lines have a name: all of a few; of many those at both ends and those that stand out, the last ones first."""
    if len(standing_out) <= NAMED_HOSTS:
        return set(range(len(standing_out))), 0
    wanted = [index for index in reversed(range(len(standing_out))) if standing_out[index]]
    return {0, len(standing_out) - 1, *wanted[:NAMED_MOST]}, len(wanted[NAMED_MOST:])


def _short(name: str, room: float = NAME_ROOM) -> str:
    """A name that leaves room for the chart: its middle is what goes, because hosts differ at their ends."""
    text = facts.plain(name)
    for kept in range(min(len(text), 80), 0, -1):
        short = text if kept == len(text) else f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
        if _width(short) <= room:
            return short
    return ""


def _width(text: str) -> float:
    """How wide a text is in a chart, roughly; rather too wide, because the page's font is not known."""
    narrow, wide = "fijlrtI.,:;|!'()[]-/ ", "mwMW@%…"
    return sum(
        3.4 if one in narrow else 9.2 if one in wide or east_asian_width(one) in "WF" else 6.6 if one.isupper() else 5.7
        for one in text
    )


def _throughput(entries: Iterable[results.Entry]) -> dict[int, list[float]]:
    """What all clients together get, of every host, by the number of requests at once; empty where that is one alone."""
    found: dict[int, list[float]] = {}
    for entry, _rest in facts.measured(entries):
        for load in entry.service["loads"]:
            value = facts.together(entry.service, load)
            if value is not None and not load["failed"]:
                found.setdefault(int(load["concurrency"]), []).append(value)
    return {count: found[count] for count in sorted(found)} if max(found, default=1) > 1 else {}


def devices(fleet: results.Fleet, reference: facts.Reference) -> list[Picture]:
    """A chart per device, where they are few: each of its services on a scale that all devices share."""
    hosts = fleet.by_host()
    if len(hosts) > facts.OWN_CHARTS:
        return []
    middles = facts.medians(fleet) if len(hosts) > 1 else {}
    scales = {}
    for profile, entries in fleet.by_profile().items():
        marks = [results.reference_figure(entry.service, reference) for entry in entries]
        marks += [facts.bound(entries), *(speed for _rest, speed in facts.measured(entries))]
        scales[profile] = max(one or 0.0 for one in marks) or 1.0
    found = []
    for number, (host, entries) in enumerate(hosts.items()):
        newest, gauges = facts.newest(entries), []
        for entry in entries:
            profile, failed = str(entry.service["profile"]), entry.failed
            value = None if failed else entry.figure
            text = "failed" if failed else f"{facts.speed(value)} {facts.unit(entry)}"
            marks = [results.reference_figure(entry.service, reference), facts.bound([entry]), middles.get(profile)]
            places = [None if one is None else one / scales[profile] for one in (value, *marks)]
            gauges.append(
                _Gauge(
                    _short(profile, TEXT / GAUGE_TEXT * (WIDTH - 18) - 1.1 * _width(text)),
                    text,
                    entry.verdict.state,
                    entry.outlier,
                    *places,
                )
            )

        level = newest["device"].get("l4t")
        lead = f"power mode {facts.known(newest['conditions'].get('power_mode'))}; L4T {facts.known(level)}; {facts.engines(entries)}"
        words = "; ".join(f"{gauge.name}: {gauge.text}" for gauge in gauges) + "."
        svg = _draw(
            f"d{number}", f"Services of {host}", words, GAUGE * len(gauges) + 4, partial(_paint_gauges, gauges=gauges)
        )
        found.append(_picture(host, lead, svg=svg))
    return found


def overview(fleet: results.Fleet, floor: float) -> Picture | None:
    """One chart of all devices, where they are many: each service in relation to the fleet's median of its profile."""
    hosts, middles = fleet.by_host(), facts.medians(fleet)
    if len(hosts) <= facts.OWN_CHARTS:
        return None
    rows: list[tuple[bool, float, str, list[_Point]]] = []
    for host, entries in hosts.items():
        points = [
            _Point(speed / middle, entry.verdict.state, entry.outlier)
            for entry, speed in facts.measured(entries)
            if (middle := middles[str(entry.service["profile"])])
        ]
        failed = any(entry.failed for entry in entries)
        rows.append((failed, -min((point.value for point in points), default=0.0), host, points))
    rows.sort(key=lambda row: row[:3])
    named, hidden = _named(
        [failed or any(one.outlier or one.state == "slow" for one in points) for failed, *_rest, points in rows]
    )
    values = [point.value for *_rest, points in rows for point in points]
    left, right = min([*values, floor]) - 0.04, max([*values, 2 - floor]) + 0.03
    lines = [
        # What failed has no speed: it stands at the left edge.
        _Line(
            _short(host),
            [*points, *[_Point(left, "failed")] * failed],
            facts.percent(-least) if points else "failed",
            index in named,
        )
        for index, (failed, least, host, points) in enumerate(rows)
    ]

    def paint(figure: Figure) -> None:
        _paint_overview(figure, lines, (left, right), floor)

    notes = [
        "A row is a device, a mark one of its services; the number is that of its slowest. "
        f"The band is within {facts.percent(1 - floor)} of the median.",
        *(
            [f"{facts.many(hidden, 'more device')} that stand out have no name here: the tables have them."]
            if hidden
            else []
        ),
    ]
    words = (
        f"{len(hosts)} devices, among them " + ", ".join(f"{one.name} {one.text}" for one in lines if one.named) + "."
    )
    title = "Speed of every device in relation to the fleet"
    svg = _draw("overview", title, words, OVERVIEW_TOP + _height(lines) + 32, paint)
    return _picture("All devices", "Speed in relation to the fleet's median of each profile", notes, svg)


# Charts: how they are drawn


def _draw(key: str, title: str, description: str, height: float, paint: Callable[[Figure], None]) -> str:
    """A chart as an element for the page; raises PlotterMissing."""
    try:
        import matplotlib  # noqa: PLC0415 - everything else works without it
        from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise PlotterMissing(str(error)) from error
    text = io.StringIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A name in letters that its font lacks: the browser has others.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        matplotlib.rcdefaults()  # and nothing from a matplotlibrc of this machine
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(WIDTH / 72, height / 72))
        FigureCanvasSVG(figure)
        paint(figure)
        figure.savefig(text, format="svg", metadata={"Date": None})
    return _inline(text.getvalue(), key, title, description)


def _inline(document: str, key: str, title: str, description: str) -> str:
    """An SVG file as an element of a page that has others: without namespaces, with ids of its own and the page's colours."""
    root = ET.fromstring(document)
    # Who drew it, and a style, which would be one of the whole page.
    for child in [
        one for one in root if one.tag.endswith("}metadata") or any(two.tag.endswith("}style") for two in one)
    ]:
        root.remove(child)
    used = set(re.findall(r'(?:url\(|href=")#([\w-]+)', document))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.tail = None
        if element.tag != "text":
            element.text = None
        attributes = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
        if attributes.get("id") not in used:
            attributes.pop("id", None)
        if "rotate(-0 " in attributes.get("transform", ""):
            attributes.pop("transform")
        element.attrib.clear()
        element.attrib.update({name: _attribute(name, value, key) for name, value in attributes.items()})
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib.update({"role": "img", "aria-labelledby": f"{key}-title {key}-text"})
    for place, (name, text, suffix) in enumerate((("title", title, "title"), ("desc", description, "text"))):
        child = ET.Element(name, {"id": f"{key}-{suffix}"})
        child.text = facts.plain(text)
        root.insert(place, child)
    return Markup(ET.tostring(root, encoding="unicode", short_empty_elements=False))


def _attribute(name: str, value: str, key: str) -> str:
    """An attribute's value for the page; only numbers, ids, fonts and colours change."""
    if name == "id":
        return f"{key}-{value}"
    if name == "href":
        return f"#{key}-{value.removeprefix('#')}"
    if name == "style":
        value = re.sub(r"font-family: [^;]*;? ?", "", value)
        return re.sub(r"#[0-9a-f]{6}", lambda found: COLOURS.get(found[0], found[0]), value)
    value = re.sub(r"url\(#", f"url(#{key}-", value)
    return re.sub(r"(\.\d\d)\d+", r"\1", " ".join(value.split()))


def _axes(figure: Figure, box: tuple[float, float, float, float]) -> Axes:
    """Axes in a box of points: left, top, width and height, from the figure's upper left corner."""
    left, top, width, height = box
    whole = figure.get_figheight() * 72
    return figure.add_axes((left / WIDTH, 1 - (top + height) / whole, width / WIDTH, height / whole))


def _row_height(line: _Line) -> float:
    return 14.0 if line.named else 2.4


def _height(lines: Sequence[_Line]) -> float:
    """Room for these rows: those without a name are as close as their marks."""
    return sum(_row_height(line) for line in lines) + 6


def _top(reference: float | None, bound: float | None) -> float:
    """Room for the names of the lines above a chart."""
    return 6 + 12 * sum(one is not None for one in (reference, bound))


def _paint_lines(axes: Axes, lines: Sequence[_Line], origin: float | None) -> None:
    """Rows with their marks; a thin line leads to each mark from the origin, or from the first mark to the last one."""
    places, at = [], 3.0
    for line in lines:
        places.append(at + _row_height(line) / 2)
        at += _row_height(line)
    axes.set_ylim(at + 3, 0)
    axes.tick_params(axis="y", pad=8)  # clear of a mark at the left edge
    axes.set_yticks(
        [place for place, line in zip(places, lines, strict=True) if line.named],
        [line.name for line in lines if line.named],
    )
    for begin, end in _unnamed(lines):
        axes.annotate(
            f"{end - begin} more",
            (0, (places[begin] + places[end - 1]) / 2),
            xycoords=("axes fraction", "data"),
            xytext=(-8, 0),
            textcoords="offset points",
            ha="right",
            va="center_baseline",
            color=QUIET,
        )
    stems: list[tuple[float, float, float]] = []
    groups: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    rings: list[tuple[float, float]] = []
    for place, line in zip(places, lines, strict=True):
        values = [point.value for point in line.points]
        if values and (line.named or origin is None):
            stems.append((place, min(values) if origin is None else origin, max(values)))
        for point in line.points:
            groups.setdefault((point.state, line.named), []).append((point.value, place))
            if point.outlier:
                rings.append((point.value, place))
        if line.named:
            axes.annotate(
                line.text,
                (1, place),
                xycoords=("axes fraction", "data"),
                xytext=(_right(lines) - 2, 0),
                textcoords="offset points",
                ha="right",
                va="center_baseline",
            )
    gap = float("nan")  # one path for all of them
    axes.plot(
        [x for _place, begin, end in stems for x in (begin, end, gap)],
        [y for place, *_ends in stems for y in (place, place, gap)],
        color=LINE,
        linewidth=1,
        solid_capstyle="butt",
    )
    for (state, named), spots in sorted(groups.items()):
        size = 6.0 if named or state != "good" else 3.0
        axes.plot(*zip(*spots, strict=True), linestyle="none", markersize=size, clip_on=False, zorder=3, **MARKS[state])
    if rings:
        axes.plot(*zip(*rings, strict=True), linestyle="none", clip_on=False, zorder=4, **RING)


def _unnamed(lines: Sequence[_Line]) -> list[tuple[int, int]]:
    """Where so many lines without a name follow each other that their number has room beside them."""
    found, begin = [], 0
    for end, line in enumerate([*lines, None]):
        if line is None or line.named:
            if end - begin >= 6:
                found.append((begin, end))
            begin = end + 1
    return found


def _left(lines: Sequence[_Line]) -> float:
    """Room for the names to the left of a chart."""
    return 16 + max((_width(line.name) for line in lines if line.named), default=0)


def _right(lines: Sequence[_Line]) -> float:
    """Room for the numbers to the right of a chart."""
    return 12 + max((_width(line.text) for line in lines if line.named), default=0)


def _paint_profile(
    figure: Figure,
    lines: Sequence[_Line],
    unit: str,
    reference: float | None,
    bound: float | None,
    loads: Mapping[int, Sequence[float]],
) -> None:
    left, top, height = _left(lines), _top(reference, bound), _height(lines)
    width = WIDTH - left - _right(lines)
    axes = _axes(figure, (left, top, width, height))
    _paint_lines(axes, lines, 0)
    most = max([reference or 0, bound or 0, *(point.value for line in lines for point in line.points)])
    axes.set_xlim(0, 1.04 * most or 1)
    axes.grid(visible=True, axis="x")
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel(f"{unit}, one client")
    above = 0.0
    rules: list[tuple[float | None, str, dict[str, Any]]] = [
        (reference, "reference", {"color": INK, "linewidth": 1.2, "linestyle": (0, (4, 2))}),
        (bound, "bound", {"color": BOUND, "linewidth": 1.6}),
    ]
    for value, name, look in rules:
        if value is None:
            continue
        axes.plot([value, value], [0, -2 - above], color=look["color"], linewidth=0.8, clip_on=False)
        axes.axvline(value, zorder=2, **look)
        beyond = value > most / 2
        axes.annotate(
            f"{name} {facts.speed(value)}",
            (value, -above),
            xytext=(-3 if beyond else 3, 3),
            textcoords="offset points",
            ha="right" if beyond else "left",
            color=look["color"],
            annotation_clip=False,
        )
        above += 12
    if loads:
        _paint_loads(_axes(figure, (left, top + height + 54, width, 62)), loads, unit, left)


def _paint_loads(axes: Axes, loads: Mapping[int, Sequence[float]], unit: str, left: float) -> None:
    """The median of all hosts, and from the least to the most of them, by the number of requests at once."""
    places = list(range(len(loads)))
    middles = [statistics.median(values) for values in loads.values()]
    axes.set_ylim(0, 1.3 * max(max(values) for values in loads.values()) or 1)
    axes.set_xlim(-0.4, len(loads) - 0.6)
    axes.vlines(
        places, [min(one) for one in loads.values()], [max(one) for one in loads.values()], color=QUIET, linewidth=1.2
    )
    axes.plot(places, middles, color=ACCENT, linewidth=1.4, **{**MARKS["good"], "markersize": 5})
    for place, value in zip(places, middles, strict=True):
        axes.annotate(facts.speed(value), (place, value), xytext=(-5, 2), textcoords="offset points", ha="right")
    axes.set_xticks(places, [str(count) for count in loads])
    axes.set_xlabel("requests at once")
    axes.locator_params(axis="y", nbins=3)
    axes.tick_params(axis="y", labelcolor=QUIET)
    axes.grid(visible=True, axis="y")
    axes.annotate(
        f"all clients together, {unit}",
        (0, 1),
        xycoords="axes fraction",
        xytext=(-left + 8, 6),
        textcoords="offset points",
        va="bottom",
        color=QUIET,
    )


def _paint_gauges(figure: Figure, gauges: Sequence[_Gauge]) -> None:
    height = GAUGE * len(gauges)
    axes = _axes(figure, (8, 0, WIDTH - 16, height))
    axes.set_xlim(0, 1)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    for number, gauge in enumerate(gauges):
        base, value = GAUGE * number + 23, gauge.value or 0
        axes.text(0, base - 11, gauge.name, fontsize=GAUGE_TEXT)
        axes.text(1, base - 11, gauge.text, ha="right", weight="bold", fontsize=GAUGE_TEXT)
        colour = SLOW if gauge.state == "slow" else ACCENT
        axes.plot([0, 1], [base, base], color=LINE, linewidth=3, solid_capstyle="butt")
        axes.plot([0, value], [base, base], color=colour, linewidth=3, solid_capstyle="butt")
        _tick(axes, gauge.bound, (base - 6, base + 6), BOUND)
        _tick(axes, gauge.reference, (base - 8, base - 2), INK)
        _tick(axes, gauge.middle, (base + 2, base + 8), QUIET)
        axes.plot([value], [base], linestyle="none", markersize=7, clip_on=False, zorder=4, **MARKS[gauge.state])
        if gauge.outlier:
            axes.plot([value], [base], linestyle="none", clip_on=False, zorder=5, **RING)


def _tick(axes: Axes, value: float | None, ends: tuple[float, float], colour: str) -> None:
    if value is not None:
        axes.plot([value, value], ends, color=colour, linewidth=1.6, clip_on=False, zorder=3)


def _paint_overview(figure: Figure, lines: Sequence[_Line], limits: tuple[float, float], floor: float) -> None:
    left = _left(lines)
    axes = _axes(figure, (left, OVERVIEW_TOP, WIDTH - left - _right(lines), _height(lines)))
    axes.axvspan(floor, 2 - floor, color=BAND, linewidth=0, zorder=0)
    _paint_lines(axes, lines, None)
    axes.set_xlim(*limits)
    axes.axvline(1, color=INK, linewidth=1.2, linestyle=(0, (4, 2)), zorder=2)
    axes.annotate("median", (1, 0), xytext=(0, 4), textcoords="offset points", ha="center", annotation_clip=False)
    axes.grid(visible=True, axis="x")
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter(lambda value, _place: facts.percent(value))
    axes.set_xlabel("of the fleet's median")
