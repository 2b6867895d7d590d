# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Columns, titles and cells of a table of the report."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.plugin_utils.report import facts, table


def test_a_column_may_have_a_group_a_kind_and_be_optional() -> None:
    built = table.build(
        "k", "Title", "host, Speed/now:number, Speed/before:number?, why:prose?", [table.row("a", 1, None, "x")]
    )
    assert [(one.heading, one.kind) for one in built.columns] == [
        ("host", ""),
        ("Speed now", "number"),
        ("why", "prose"),
    ]
    assert built.groups == [("", 1), ("Speed", 1), ("", 1)]
    assert [str(one) for one in built.rows[0].cells] == ["a", "1", "x"]


def test_an_optional_column_stays_if_one_row_fills_it() -> None:
    built = table.build("k", "Title", "host, why?", [table.row("a", None), table.row("b", "x", state="slow")])
    assert [one.title for one in built.columns] == ["host", "why"]
    assert [[str(one) for one in row.cells] for row in built.rows] == [["a", "-"], ["b", "x"]]
    assert [row.state for row in built.rows] == ["", "slow"]
    assert built.groups == [], "no line of groups without a group"


def test_a_table_without_rows_says_so() -> None:
    assert table.build("k", "Title", "host", []).empty == facts.NO_RESULTS


def test_a_note_stands_in_brackets_on_one_line() -> None:
    assert str(table.cell(33.0, "3 hosts")) == "33.0 (3 hosts)"
    assert str(table.cell()) == "-"
    assert str(table.cell(0)) == "0", "nothing and zero are different"
