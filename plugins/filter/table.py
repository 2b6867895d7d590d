# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Rows of data as a table of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.jetson.thor.plugins.plugin_utils.report.text_table import text_table

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
    """The rows as text."""
    if not isinstance(columns, Mapping):
        raise AnsibleFilterError("jetson.thor.table: columns must map a row's keys to titles")
    return text_table(rows, columns)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names to functions."""
        return {"table": table}
