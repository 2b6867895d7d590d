# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the role container_runtime has to do on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: container_runtime_steps
short_description: What the role container_runtime has to do on a host
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Compares the observed Docker and NVIDIA Container Toolkit with the wanted state, without a connection.
options:
  _input:
    description: What was observed, C(ansible_facts['thor_host']).
    type: dict
    required: true
  services:
    description: The services of the host, C(ansible_facts['thor_services']).
    type: list
    elements: dict
    required: true
  settings:
    description:
      - C(docker_source), C(docker_packages), C(toolkit_version), C(daemon_options), C(default_runtime), C(data_root), C(no_iptables_raw).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be done
  ansible.builtin.debug:
    msg: "{{ ansible_facts['thor_host'] | jetson.thor.container_runtime_steps(ansible_facts['thor_services'], settings) }}"
"""

RETURN = r"""
_value:
  description: A flag or a list of packages for each step, C(any), C(needed), C(problems), C(unproven), and what the steps need.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.plan import container_runtime


class FilterModule:
    """Filters of the container runtime."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by their names."""
        return {"container_runtime_steps": container_runtime.steps}
