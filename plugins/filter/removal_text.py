# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What prune and remove have removed from a host, or would remove, as lines of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.jetson.thor.plugins.plugin_utils.report import removal_text as report

DOCUMENTATION = r"""
name: removal_text
short_description: What prune and remove have removed from a host, as lines of text
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - A table of what was removed, with sizes and reasons, and a line for each thing that stays.
positional: host, check
options:
  _input:
    description: The result of M(jetson.thor.prune) or M(jetson.thor.remove_host).
    type: dict
    required: true
  host:
    description: The name of the host.
    type: str
    required: true
  check:
    description: Whether the module ran in check mode and removed nothing.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what would be removed
  ansible.builtin.debug:
    msg: "{{ pruned | jetson.thor.removal_text(inventory_hostname, ansible_check_mode) | jetson.thor.lines }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""


def removal_text(result: Mapping[str, Any], host: str, check: bool = False) -> list[str]:
    """The lines for a person."""
    if not isinstance(result, Mapping) or not {"removed", "kept", "bytes"} <= set(result):
        raise AnsibleFilterError("jetson.thor.removal_text: this is not the result of prune or remove_host")
    return report.removal_text(result, host, check)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names to functions."""
        return {"removal_text": removal_text}
