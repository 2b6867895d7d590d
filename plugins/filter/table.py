# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Rows of data as a table of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: table
short_description: Rows of data as a table of text
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - One line per row below a line of titles; numbers are right-aligned, booleans are yes or no, a missing value is a dash.
positional: columns
options:
  _input:
    description: The rows.
    type: list
    elements: dict
    required: true
  columns:
    description: Which keys of a row to show, each with its title.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show where each service listens
  ansible.builtin.debug:
    msg: "{{ ansible_facts['thor_services'] | jetson.thor.table({'name': 'service', 'port': 'port'}) }}"
"""

RETURN = r"""
_value:
  description: The table.
  type: str
"""


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """Arrange ``rows`` in columns as wide as their widest cell."""
    if not isinstance(columns, Mapping):
        raise AnsibleFilterError("jetson.thor.table: columns must map a row's keys to titles")
    lines = [list(columns.values())] + [[_cell(row.get(key)) for key in columns] for row in rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    right = [bool(rows) and all(_is_number(row.get(key)) for row in rows) for key in columns]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    return str(value).replace("\n", " ")


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names to functions."""
        return {"table": table}
