# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How matplotlib draws the charts of the report."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from ansible_collections.jetson.thor.plugins.plugin_utils.report import facts
from ansible_collections.jetson.thor.plugins.plugin_utils.report.svg import (
    ACCENT,
    BAND,
    BOUND,
    FAILED,
    GROUND,
    INK,
    LINE,
    OUTLIER,
    QUIET,
    SLOW,
    WIDTH,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A mark's meaning shows in its shape as well as in its colour.
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
# In points, as everything here.
NAME_ROOM = 92.0  # width of a host's name
GAUGE_TEXT = 8.5
GAUGE = 34.0  # the height of a service in a device's chart
OVERVIEW_TOP = 22.0  # room for the word above the chart


@dataclass(frozen=True)
class Point:
    """A mark in a chart."""

    value: float
    state: str
    outlier: bool = False


@dataclass(frozen=True)
class Line:
    """A row of a chart: its name on the left, its points, and its number on the right. Only named rows show text."""

    name: str
    points: Sequence[Point]
    text: str
    named: bool


@dataclass(frozen=True)
class Gauge:
    """A service in a device's chart: a bar, and the positions of its marks as shares of a scale that all devices share."""

    name: str
    text: str
    state: str
    outlier: bool
    value: float | None
    reference: float | None
    bound: float | None
    middle: float | None


def text_width(text: str) -> float:
    """The approximate width of a text in a chart; an overestimate, because the page's font is not known."""
    narrow, wide = "fijlrtI.,:;|!'()[]-/ ", "mwMW@%…"
    return sum(
        3.4 if one in narrow else 9.2 if one in wide or east_asian_width(one) in "WF" else 6.6 if one.isupper() else 5.7
        for one in text
    )


def _axes(figure: Figure, box: tuple[float, float, float, float]) -> Axes:
    """Axes in a box given in points: left, top, width and height, from the figure's upper left corner."""
    left, top, width, height = box
    whole = figure.get_figheight() * 72
    return figure.add_axes((left / WIDTH, 1 - (top + height) / whole, width / WIDTH, height / whole))


def _row_height(line: Line) -> float:
    return 14.0 if line.named else 2.4


def lines_height(lines: Sequence[Line]) -> float:
    """The height of these rows. Rows without a name are only as high as their marks."""
    return sum(_row_height(line) for line in lines) + 6


def rules_height(reference: float | None, bound: float | None) -> float:
    """The height of the labels above a chart, one for each vertical line."""
    return 6 + 12 * sum(one is not None for one in (reference, bound))


def _paint_lines(axes: Axes, lines: Sequence[Line], origin: float | None) -> None:
    """Rows with their marks. A thin line leads to each mark from the origin, or from the first mark to the last."""
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
    for place, line in zip(places, lines, strict=True):
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
    _paint_marks(axes, places, lines, origin)


def _paint_marks(axes: Axes, places: Sequence[float], lines: Sequence[Line], origin: float | None) -> None:
    """The marks of all rows, few paths for many of them."""
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
    gap = float("nan")  # makes them one path
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


def _unnamed(lines: Sequence[Line]) -> list[tuple[int, int]]:
    """Runs of rows without a name that are long enough to show their number beside them."""
    found, begin = [], 0
    for end, line in enumerate([*lines, None]):
        if line is None or line.named:
            if end - begin >= 6:
                found.append((begin, end))
            begin = end + 1
    return found


def _left(lines: Sequence[Line]) -> float:
    """The width of the names to the left of a chart."""
    return 16 + max((text_width(line.name) for line in lines if line.named), default=0)


def _right(lines: Sequence[Line]) -> float:
    """The width of the numbers to the right of a chart."""
    return 12 + max((text_width(line.text) for line in lines if line.named), default=0)


def paint_profile(
    figure: Figure,
    lines: Sequence[Line],
    unit: str,
    reference: float | None,
    bound: float | None,
    loads: Mapping[int, Sequence[float]],
) -> None:
    left, top, height = _left(lines), rules_height(reference, bound), lines_height(lines)
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
    """The median and the range of all hosts, by the number of concurrent requests."""
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


def paint_gauges(figure: Figure, gauges: Sequence[Gauge]) -> None:
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


def paint_overview(figure: Figure, lines: Sequence[Line], limits: tuple[float, float], floor: float) -> None:
    left = _left(lines)
    axes = _axes(figure, (left, OVERVIEW_TOP, WIDTH - left - _right(lines), lines_height(lines)))
    axes.axvspan(floor, 2 - floor, color=BAND, linewidth=0, zorder=0)
    _paint_lines(axes, lines, None)
    axes.set_xlim(*limits)
    axes.axvline(1, color=INK, linewidth=1.2, linestyle=(0, (4, 2)), zorder=2)
    axes.annotate("median", (1, 0), xytext=(0, 4), textcoords="offset points", ha="center", annotation_clip=False)
    axes.grid(visible=True, axis="x")
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter(lambda value, _place: facts.percent(value))
    axes.set_xlabel("of the fleet's median")
