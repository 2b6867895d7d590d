# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What Prometheus scrapes, from an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: monitoring_targets
short_description: The hosts of an inventory as targets for Prometheus
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Makes the target groups of C(file_sd_configs) of those hosts that have both C(thor_gateway) and C(thor_metrics). Each of their pages has
    a group of its own - the node exporter, the gateway, and each service whose engine has metrics of its own.
  - Fails if no host has both.
positional: _input, hostvars
options:
  _input:
    description: Names of hosts.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of the hosts, with the fact C(thor_services).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write the targets
  ansible.builtin.copy:
    content: "{{ ansible_play_hosts | jetson.thor.monitoring_targets(hostvars) | to_nice_json }}"
    dest: targets.json
    mode: "0644"
"""

RETURN = r"""
_value:
  description: Groups of one target each, with the labels C(job), C(instance), C(service) and C(__metrics_path__).
  type: list
  elements: dict
"""

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import inventory


def monitoring_targets(hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The target groups of these hosts; raises AnsibleFilterError without any."""
    found = [group for host in hosts for group in _groups(host, hostvars[host])]
    if not found:
        raise AnsibleFilterError(
            "THOR-MONITORING-NONE: no host has both thor_metrics and a thor_gateway beyond its own loopback, so there is nothing that "
            "Prometheus could reach. "
            "Set both in the inventory, run site.yml, and then this playbook."
        )
    return found


def _groups(host: str, variables: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    gateway = inventory.settings(variables.get("thor_gateway"))
    if gateway is None or not variables.get("thor_metrics"):
        return
    listens = ipaddress.ip_address(
        inventory.plain_address(gateway.get("address", inventory.ADDRESS)) or inventory.ADDRESS
    )
    if listens.is_loopback:
        return
    port = gateway.get("port", inventory.PORT)
    address = str(variables.get("ansible_host") or host)
    target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    pages: list[tuple[str, dict[str, str]]] = [("node", {}), ("gateway", {})]
    pages += [
        (one["name"], {"service": one["name"]})
        for one in variables.get("ansible_facts", {}).get("thor_services") or ()
        if one["metrics_path"]
    ]
    for page, labels in pages:
        job = "thor-service" if labels else f"thor-{page}"
        yield {
            "targets": [target],
            "labels": {"__metrics_path__": f"/metrics/{page}", "job": job, "instance": host, **labels},
        }


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"monitoring_targets": monitoring_targets}
