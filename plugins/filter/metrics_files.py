# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the role metrics puts on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: metrics_files
short_description: The files that measure a host
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Makes the option C(files) of M(jetson.thor.node_metrics) from the facts C(thor_services) and C(thor_host).
positional: _input, host, settings
options:
  _input:
    description: The fact C(thor_services).
    type: list
    elements: dict
    required: true
  host:
    description: The fact C(thor_host).
    type: dict
    required: true
  settings:
    description: What the role C(metrics) tells the plan, C(enabled), C(bench_floor) and C(facts_root).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Measure the host
  jetson.thor.node_metrics:
    files: "{{ ansible_facts['thor_services'] | jetson.thor.metrics_files(ansible_facts['thor_host'], {'enabled': true}) }}"
"""

RETURN = r"""
_value:
  description: The files, each with C(path), C(content) and C(mode).
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.plan import metrics


def metrics_files(
    services: Iterable[Mapping[str, Any]], host: Mapping[str, Any], settings: Mapping[str, Any]
) -> list[dict[str, str]]:
    """The files of the role metrics on this host."""
    return [asdict(one) for one in metrics.files(list(services), host, metrics.MetricsSettings.of(settings))]


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"metrics_files": metrics_files}
