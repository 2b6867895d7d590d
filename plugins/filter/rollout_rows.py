# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The state of each host in a rollout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import model_origin

DOCUMENTATION = r"""
name: rollout_rows
short_description: The state of each host in a rollout
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - One row per host - its state, what it serves, and why it failed.
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
- name: Show the rollout status
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


class State(StrEnum):
    """Where a host stands. The role rollout notes some of them, the others follow from groups and facts."""

    UNREACHABLE = "unreachable"
    NOT_PREPARED = "not_prepared"
    WAITING = "waiting"
    CURRENT = "current"
    WRONG_ANSWERS = "wrong_answers"
    SWITCHING = "switching"
    WOULD_SWITCH = "would_switch"
    SWITCHED = "switched"
    NOT_SWITCHED = "not_switched"
    RESTORED = "restored"
    NOT_RESTORED = "not_restored"


# As the table and the messages show them. A host that is still switching when they are shown was lost.
WORDS = {
    State.UNREACHABLE: "out of reach",
    State.NOT_PREPARED: "not ready",
    State.WAITING: "waiting",
    State.CURRENT: "up to date",
    State.WRONG_ANSWERS: "wrong answers",
    State.SWITCHING: "lost while switching",
    State.WOULD_SWITCH: "would be switched",
    State.SWITCHED: "switched",
    State.NOT_SWITCHED: "not switched",
    State.RESTORED: "back on its previous services",
    State.NOT_RESTORED: "not restored",
}
FINE = frozenset({State.SWITCHED, State.WOULD_SWITCH, State.WAITING, State.CURRENT, State.UNREACHABLE})
ON_NEW = frozenset({State.SWITCHED, State.CURRENT, State.WRONG_ANSWERS})
UNKNOWN = frozenset({State.UNREACHABLE, State.SWITCHING, State.NOT_RESTORED})


def rollout_rows(hosts: Iterable[str], variables: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each host; see RETURN."""
    return [_row(host, variables[host]) for host in hosts]


def _row(host: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    facts = variables.get("ansible_facts") or {}
    outcome: Mapping[str, Any] = variables.get("rollout_outcome") or {}
    state = State(outcome["state"]) if outcome.get("state") else _standing(variables, facts)
    reason = "it failed before its wave: see above" if state == State.NOT_PREPARED else str(outcome.get("reason", ""))
    if state in ON_NEW:
        serves = _wanted(facts.get("thor_services") or [])
    else:
        serves = "not known" if state in UNKNOWN else _before(facts.get("thor_host") or {})
    shown = " ".join(reason.split())[:SHOWN]
    return {"host": host, "state": WORDS[state], "serves": serves, "reason": shown, "failed": state not in FINE}


def _standing(variables: Mapping[str, Any], facts: Mapping[str, Any]) -> State:
    """The state of a host that has not been through a wave."""
    groups = variables.get("group_names") or []
    if "thor_rollout_waiting" in groups:
        return State.WAITING
    if "thor_rollout_current" in groups:
        return State.CURRENT
    return State.NOT_PREPARED if "thor_host" in facts else State.UNREACHABLE


def _before(host: Mapping[str, Any]) -> str:
    """What served when the host was observed."""
    return (
        "; ".join(unit["serves"] for unit in (host.get("units") or {}).values() if unit["active"] == "active")
        or "nothing"
    )


def _wanted(services: Iterable[Mapping[str, Any]]) -> str:
    names = []
    for service in services:
        revision = model_origin.revision(service["model"])
        model = (model_origin.identity(service["model"]) or service["model"]["key"]) + (
            f"@{revision}" if revision else ""
        )
        names.append(f"{service['name']}, {model} with {service['engine']} {service['version']}")
    return "; ".join(names) or "nothing"


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names to functions."""
        return {"rollout_rows": rollout_rows}
