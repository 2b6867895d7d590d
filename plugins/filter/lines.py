# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A text of several lines, in a form that Ansible shows line by line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ansible import constants
from ansible.plugins.loader import callback_loader

DOCUMENTATION = r"""
name: lines
short_description: A text of several lines, in a form that Ansible shows line by line
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Ansible's default format for results, JSON, shows the line breaks of a text as C(\n), but a list item by item. YAML
    (C(callback_result_format=yaml)) shows a text unchanged, but wraps and quotes the items of a list.
options:
  _input:
    description: The text, or its lines.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show the plan
  ansible.builtin.debug:
    msg: "{{ ansible_facts['thor_services'] | jetson.thor.plan_text(122, 8) | jetson.thor.lines }}"
"""

RETURN = r"""
_value:
  description: A list of lines, or one text if results are shown as YAML.
  type: raw
"""


def lines(text: str | Sequence[str]) -> list[str] | str:
    """Return the value that is shown line by line."""
    found = text.splitlines() if isinstance(text, str) else list(text)
    return "\n".join(found) if _result_format() == "yaml" else found


def _result_format() -> str:
    callback_loader.get("default", class_only=True)  # makes its options known
    return str(constants.config.get_config_value("result_format", plugin_type="callback", plugin_name="default"))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names to functions."""
        return {"lines": lines}
