# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Tables of text."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.jetson.thor.plugins.filter.table import table
from ansible_collections.jetson.thor.plugins.plugin_utils.report.text_table import text_table


def test_numbers_are_aligned_right_and_everything_else_left() -> None:
    rows: list[dict[str, Any]] = [
        {"name": "chat", "port": 8000, "gib": 14.25, "ready": True, "note": "two\nlines"},
        {"name": "dictation", "port": None, "gib": 3, "ready": False, "note": ""},
    ]
    columns = {"name": "service", "port": "port", "gib": "GiB", "ready": "ready", "note": "note"}
    assert text_table(rows, columns).splitlines() == [
        "service    port   GiB  ready  note",
        "chat       8000  14.2  yes    two lines",
        "dictation     -     3  no     -",
    ]


def test_a_table_without_rows_is_its_titles() -> None:
    assert text_table([], {"name": "service", "port": "port"}) == "service  port"


def test_the_filter_refuses_a_list_of_columns() -> None:
    with pytest.raises(AnsibleFilterError, match="must map"):
        table([], ["name"])  # type: ignore[arg-type]
