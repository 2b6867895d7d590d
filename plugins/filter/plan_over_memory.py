# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether the services of a plan fit the memory of the device, where nobody has asked the device itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import fail_text
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.preflight import over_memory

DOCUMENTATION = r"""
name: plan_over_memory
short_description: Whether the services of a plan fit the memory of the device
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Holds the sum of the budgets against the memory of the device less what is kept for the system, as M(jetson.thor.preflight) does
    with the memory that it has observed.
positional: host, device_memory_gib, memory_reserve_gib
options:
  _input:
    description: The fact C(thor_services).
    type: list
    elements: dict
    required: true
  host:
    description: Name of the host.
    type: str
    required: true
  device_memory_gib:
    description: Memory of the device in GiB.
    type: float
    required: true
  memory_reserve_gib:
    description: Memory in GiB that is kept for the system.
    type: float
    required: true
"""

EXAMPLES = r"""
- name: Refuse more than a T4000 has
  ansible.builtin.fail:
    msg: "{{ over_memory }}"
  vars:
    over_memory: "{{ ansible_facts['thor_services'] | jetson.thor.plan_over_memory(inventory_hostname, 61, 8) }}"
  when: over_memory | length > 0
"""

RETURN = r"""
_value:
  description: What to fail with; empty where the services fit.
  type: str
"""


def plan_over_memory(
    services: Sequence[Mapping[str, Any]], host: str, device_memory_gib: float, memory_reserve_gib: float
) -> str:
    """What to fail with where the services want more memory than there is; empty where they do not."""
    found = over_memory(services, float(device_memory_gib), float(memory_reserve_gib), "thor_device_memory_gib")
    return fail_text(host, found) if found else ""


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names to functions."""
        return {"plan_over_memory": plan_over_memory}
