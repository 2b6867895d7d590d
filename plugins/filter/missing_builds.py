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
  - Returns a build for each version of an engine that the host does not have with the wanted inputs (source, options, targets,
    compiler, CUDA, architecture).
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
  settings:
    description:
      - By role, how its engines are built - C(cuda), C(architectures) and C(cmake_options). Other roles are left out.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be built
  ansible.builtin.debug:
    msg: "{{ ansible_facts['thor_services'] | jetson.thor.missing_builds(ansible_facts['thor_host'], settings) }}"
"""

RETURN = r"""
_value:
  description: One entry for each missing build.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.plan import builds


def missing_builds(
    services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], settings: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The builds of these roles that are due, as plain data."""
    due = builds.due(services, host, builds.settings(settings))
    return [build.arguments() for build in due if build.role in settings]


class FilterModule:
    """Filters of builds."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by their names."""
        return {"missing_builds": missing_builds}
