# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a table of the report is made of. Cells are already text, so page, Markdown and terminal show the same numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ansible_collections.jetson.thor.plugins.plugin_utils.report import facts


@dataclass(frozen=True)
class Column:
    """A column. Neighbours of the same group share a title above their own."""

    title: str
    group: str = ""
    kind: str = ""  # number: aligned right; word: kept on one line where there is room; prose: sentences
    optional: bool = False  # left out if no row has a value

    @property
    def heading(self) -> str:
        """Its title where titles have only one line."""
        return f"{self.group} {self.title}".strip()


@dataclass(frozen=True)
class Cell:
    """Text, and a note: smaller below it, or in brackets after it."""

    text: str = ""
    note: str = ""

    def __str__(self) -> str:
        """On one line."""
        return (f"{self.text} ({self.note})" if self.note else self.text) or "-"


@dataclass(frozen=True)
class Row:
    """A cell for each column, and the state that marks the row."""

    cells: Sequence[Cell]
    state: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the report."""

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    lead: str
    empty: str  # shown instead of rows if there are none

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The upper line of titles, each with its number of columns; empty if no column has a group."""
        found = [(group, len(list(columns))) for group, columns in groupby(self.columns, key=lambda one: one.group)]
        return found if any(group for group, _rest in found) else []


def _columns(text: str) -> list[Column]:
    """Columns from ``group/title:kind?``. Everything but the title may be missing; ``?`` makes the column optional."""
    parts = re.findall(r"(?:([^,]+)/)?([^,]+?)(?::(\w+))?(\?)?(?:, |$)", text)
    return [Column(title, group, kind, bool(optional)) for group, title, kind, optional in parts]


def build(
    key: str, title: str, columns: str, rows: Sequence[Row], lead: str = "", empty: str = facts.NO_RESULTS
) -> Table:
    """A table without the optional columns that no row fills."""
    all_columns = _columns(columns)
    kept = [
        index
        for index, column in enumerate(all_columns)
        if not column.optional or any(one.cells[index].text for one in rows)
    ]
    shown = [Row([one.cells[index] for index in kept], one.state) for one in rows]
    return Table(key, title, [all_columns[index] for index in kept], shown, lead, empty)


def cell(value: object = None, note: object = None) -> Cell:
    """A cell of any value; None becomes an empty cell."""
    return Cell(*("" if one is None else facts.plain(str(one)) for one in (value, note)))


def row(*values: object, state: str = "") -> Row:
    """A row of anything; ``state`` marks it."""
    return Row([one if isinstance(one, Cell) else cell(one) for one in values], state)
