# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The artifacts that the services of a host need and the host lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.models import merge, missing

DOCUMENTATION = r"""
name: missing_artifacts
short_description: What the services of a host need on disk and the host lacks
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Models and files of all services, each once, with the union of the files that the services want of a model.
  - Leaves out what the host was observed to hold, complete and unchanged.
positional: models, everything
options:
  _input:
    description: The resolved services, the fact C(thor_services).
    type: list
    elements: dict
    required: true
  models:
    description: What the host holds, C(models) of the fact C(thor_host).
    type: dict
    required: true
  everything:
    description: Whether to return what is there, too.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show what would have to be fetched
  ansible.builtin.debug:
    msg: "{{ ansible_facts['thor_services'] | jetson.thor.missing_artifacts(ansible_facts['thor_host']['models']) }}"
"""

RETURN = r"""
_value:
  description: The artifacts.
  type: list
  elements: dict
"""


def missing_artifacts(
    services: Sequence[Mapping[str, Any]], models: Mapping[str, Any], everything: bool = False
) -> list[dict[str, Any]]:
    """The artifacts that the host lacks, or all of them."""
    problems = merge(services)[1]
    if problems:
        raise AnsibleFilterError("\n".join(problem.text() for problem in problems))
    return [dict(fetch.artifact) for fetch in missing(services, models, everything)]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names to functions."""
        return {"missing_artifacts": missing_artifacts}
