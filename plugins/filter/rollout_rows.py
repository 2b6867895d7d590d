# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What has become of the hosts of a rollout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

DOCUMENTATION = r"""
name: rollout_rows
short_description: What has become of the hosts of a rollout
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - One row for each host - where it stands, what it serves, and why it failed where it did.
positional: variables
options:
  _input:
    description: Names of the hosts, C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
  variables:
    description: C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show who is on what
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts_all | jetson.thor.rollout_rows(hostvars) }}"
"""

RETURN = r"""
_value:
  description: C(host), C(state), C(serves), C(reason), and C(failed).
  type: list
  elements: dict
"""

SHOWN = 160  # characters of a reason; the task that failed has shown all of it


def rollout_rows(hosts: Iterable[str], variables: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each host; see RETURN."""
    return [_row(host, variables[host]) for host in hosts]


def _row(host: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    facts = variables.get("ansible_facts") or {}
    outcome: Mapping[str, Any] = variables.get("__rollout_outcome") or {}
    state = outcome.get("state") or _standing(variables, facts)
    reason = "it failed before its wave: see there" if state == "not ready" else str(outcome.get("reason", ""))
    if state in ("switched", "up to date", "wrong answers"):
        serves = _wanted(facts.get("thor_services") or [])
    elif state in ("out of reach", "lost while switching", "not restored"):
        serves = "not known"
    else:
        serves = _before(facts.get("thor_host") or {})
    shown = " ".join(reason.split())[:SHOWN]
    return {"host": host, "state": state, "serves": serves, "reason": shown, "failed": _failed(state)}


def _standing(variables: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Where a host stands that has been through no wave."""
    groups = variables.get("group_names") or []
    if "thor_rollout_left" in groups:
        return "left"
    if "thor_rollout_done" in groups:
        return "up to date"
    return "not ready" if "thor_host" in facts else "out of reach"


def _failed(state: str) -> bool:
    return state not in ("switched", "would be switched", "left", "up to date", "out of reach")


def _before(host: Mapping[str, Any]) -> str:
    """What served when the host was observed."""
    return (
        "; ".join(unit["serves"] for unit in (host.get("units") or {}).values() if unit["active"] == "active")
        or "nothing"
    )


def _wanted(services: Iterable[Mapping[str, Any]]) -> str:
    names = []
    for service in services:
        revision = service["model"].get("revision")
        model = (service["model"].get("id") or service["model"]["key"]) + (f"@{revision}" if revision else "")
        names.append(f"{service['name']}, {model} with {service['engine']} {service['version']}")
    return "; ".join(names) or "nothing"


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names to functions."""
        return {"rollout_rows": rollout_rows}
