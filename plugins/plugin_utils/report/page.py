# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The report of measurements: one self-contained HTML page, Markdown, and text for the terminal.

facts.py has its figures and words, tables.py its tables, and charts.py its charts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import jinja2
from ansible_collections.jetson.thor.plugins.plugin_utils.report import charts, facts, results, tables
from ansible_collections.jetson.thor.plugins.plugin_utils.report.svg import PlotterMissing
from ansible_collections.jetson.thor.plugins.plugin_utils.report.text_table import text_table
from markupsafe import Markup

__all__ = ["PlotterMissing", "markdown", "page", "terminal"]


def page(
    fleet: results.Fleet,
    reference: facts.Reference,
    floor: float,
    *,
    template: str,
    written: str,
    left_out: Sequence[str] = (),
) -> str:
    """The report as one HTML page; raises PlotterMissing if it has a chart and matplotlib is missing."""
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters.update(tied=_tied, breakable=_breakable)
    return environment.from_string(template).render(
        tables={table.key: table for table in tables.tables(fleet, reference, floor)},
        cards=_cards(fleet),
        moments=facts.moments(fleet),
        basis=facts.basis(fleet),
        written=facts.plain(written),
        left_out=[facts.plain(one) for one in left_out],
        profiles=charts.profiles(fleet, reference),
        devices=charts.devices(fleet, reference),
        overview=charts.overview(fleet, floor),
        floor=facts.percent(floor),
        away=facts.percent(1 - floor),
        bandwidth=f"{results.BANDWIDTH / 1e9:.0f} GB/s",
    )


def markdown(fleet: results.Fleet, reference: facts.Reference, floor: float) -> str:
    """The report's tables in Markdown."""
    parts = ["# Benchmark report", _escaped(facts.said(fleet))]
    for table in tables.tables(fleet, reference, floor):
        parts.append(f"## {_escaped(table.title)}")
        if not table.rows:
            parts.append(_escaped(table.empty))
            continue
        parts += [_escaped(table.lead)] if table.lead else []
        lines = [
            [_escaped(column.heading) for column in table.columns],
            ["---:" if column.kind == "number" else "---" for column in table.columns],
            *([_escaped(str(cell)) for cell in row.cells] for row in table.rows),
        ]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts) + "\n"


def terminal(fleet: results.Fleet, reference: facts.Reference, floor: float) -> str:
    """The report's tables as text. The long ones come first, because a terminal shows the end."""
    parts = []
    for table in reversed(tables.tables(fleet, reference, floor)):
        if not table.rows:
            parts.append(f"{table.title}: {table.empty}")
            continue
        lines = [
            [column.heading for column in table.columns],
            *([str(cell) for cell in row.cells] for row in table.rows),
        ]
        for index in [index for index, column in enumerate(table.columns) if column.kind == "number"]:
            # The filter aligns numbers to the right, but these are already text.
            width = max(len(line[index]) for line in lines)
            for line in lines:
                line[index] = line[index].rjust(width)
        names = [str(index) for index in range(len(table.columns))]
        titles, *rows = [dict(zip(names, line, strict=True)) for line in lines]
        parts.append(f"{table.title}\n\n{text_table(rows, titles)}")
    return "\n\n".join([*parts, facts.said(fleet)])


def _escaped(text: str) -> str:
    """Text with Markdown's special characters escaped."""
    return re.sub(r"([\\|`*\[\]<>&#])", r"\\\1", text)


def _tied(text: str) -> str:
    """Text in which numbers stay on the same line as their unit."""
    return re.sub(r"(?<=\d) (?=%|tok/s|documents/s|x real|ms\b|GB/s)", "\N{NO-BREAK SPACE}", text)


def _breakable(text: str) -> Markup:
    """Text for HTML in which long words may break, so that a table is not as wide as its longest word."""
    parts = re.split(r"([^\s-]{20,})", text)
    pieces = [
        [part[at : at + 8] for at in range(0, len(part), 8)] if long % 2 else [part] for long, part in enumerate(parts)
    ]
    return Markup("").join(Markup("<wbr>").join(piece) for piece in pieces)


def _cards(fleet: results.Fleet) -> list[dict[str, Any]]:
    """The counts at the top of the page: number, words, the state that colours it, and its link."""
    counts = facts.count(fleet)
    cards = (
        ("hosts", "host" if counts["hosts"] == 1 else "hosts", "", "devices"),
        ("measured", "service measured" if counts["measured"] == 1 else "services measured", "", "services"),
        ("slow", "too slow", "slow", "marked"),
        ("failed", "failed", "failed", "failed"),
        ("outliers", "outlier" if counts["outliers"] == 1 else "outliers", "outlier", "marked"),
    )
    return [
        {"number": counts[name], "words": words, "state": state if counts[name] else "", "target": target}
        for name, words, state, target in cards
    ]
