# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The builds that a host's services need and that it does not have."""

from __future__ import annotations

DOCUMENTATION = r"""
name: missing_builds
short_description: The builds that a host's services need and that it does not have
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Picks the services of one role, and returns a build for each version of their engine that the host does not have
    with the wanted inputs (source, options, targets, compiler, CUDA, machine).
  - What it returns is the list that the role C(jetson.thor.cmake_build) takes.
options:
  _input:
    description: The resolved services, C(ansible_facts['thor_services']).
    type: list
    elements: dict
    required: true
  host:
    description: What was observed, C(ansible_facts['thor_host']).
    type: dict
    required: true
  recipe:
    description:
      - C(role), whose services are looked at, and what all versions have in common - the arguments of
        M(jetson.thor.cmake_build) without C(engine), C(version), C(source) and C(argvs).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be built
  ansible.builtin.debug:
    msg: "{{ ansible_facts['thor_services'] | jetson.thor.missing_builds(ansible_facts['thor_host'], recipe) }}"
"""

RETURN = r"""
_value:
  description: One entry for each missing build.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.builds import cmake


class FilterModule:
    """Filters of builds."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by their names."""
        return {"missing_builds": cmake.missing}
