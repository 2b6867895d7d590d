# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the role power has to do on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: power_steps
short_description: What the role power has to do on a host
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Compares what was observed of a device's power mode, clocks and memory settings with what is wanted, without a connection.
options:
  _input:
    description: What was observed, C(ansible_facts['thor_host']['power']).
    type: dict
    required: true
  wanted:
    description:
      - C(mode) (a name, or null), C(clocks) and C(clocks_unit) (the text of the unit), C(headless), C(stop_display_manager),
        C(disable_zram), and C(sysctl).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be done
  ansible.builtin.debug:
    msg: "{{ ansible_facts['thor_host']['power'] | jetson.thor.power_steps(wanted) }}"
"""

RETURN = r"""
_value:
  description:
    - A flag for each step, C(sysctl_text) (the file of kernel settings), C(skipped) with what this device cannot do and why,
      and C(problems).
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.plan import power


def power_steps(observed: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The steps as plain data, with the problems as text."""
    found = power.steps(observed, wanted)
    return {
        **vars(found),
        "skipped": list(found.skipped),
        "problems": [problem.text() for problem in found.problems],
    }


class FilterModule:
    """Filters of power settings."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by their names."""
        return {"power_steps": power_steps}
