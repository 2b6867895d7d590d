# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The hosts of a playbook's first play, or an error if the whole playbook would silently do nothing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from ansible import context
from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: play_hosts
short_description: The hosts of a playbook's first play, or an error if it would do nothing
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Ansible exits with success if a group is empty or absent, if C(--limit) matches none of its hosts, and if no task has a tag
    of C(--tags). This filter fails instead, and says what to do.
positional: groups, reached
options:
  _input:
    description: Name of the group; C(localhost) for a playbook that needs no other host.
    type: str
    required: true
  groups:
    description: C(groups).
    type: dict
    required: true
  reached:
    description: C(ansible_play_hosts_all) - the hosts that C(--limit) matches.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Plan what each host would serve and need
  hosts: "{{ 'thor' | jetson.thor.play_hosts(groups, ansible_play_hosts_all) }}"
  gather_facts: false
  roles:
    - role: jetson.thor.catalog
"""

RETURN = r"""
_value:
  description: The name of the group.
  type: str
"""

# No task has tags. Ansible's two built-in ones exclude nothing here.
EVERYTHING = frozenset({"all", "untagged"})
# molecule always skips these by itself, also when people test their own playbooks.
SKIPPED_BY_MOLECULE = frozenset({"molecule-notest", "molecule-idempotence-notest", "notest"})
SHOWN = 5
EXAMPLE = Path(__file__).absolute().parents[2] / "inventories" / "example"


def play_hosts(group: str, groups: Mapping[str, Sequence[str]], reached: Collection[str]) -> str:
    """Return ``group``, or fail if a run would do nothing."""
    asked = context.CLIARGS
    # Not a run: playbooks can be inspected without an inventory.
    if asked.get("syntax") or asked.get("listhosts") or asked.get("listtasks") or asked.get("listtags"):
        return group
    for option, allowed in (("tags", EVERYTHING), ("skip_tags", SKIPPED_BY_MOLECULE)):
        wrong = sorted({str(tag) for tag in asked.get(option) or ()} - allowed)
        if wrong:
            raise AnsibleFilterError(_no_tags(f"--{option.replace('_', '-')}", wrong))
    limit = asked.get("subset") or ""
    if group == "localhost":
        if limit and group not in re.split("[,:]", limit):
            raise AnsibleFilterError(
                f"THOR-HOSTS-NONE: -l {limit} excludes this machine, but this playbook runs only here. Omit -l."
            )
        return group
    members = groups.get(group) or []
    if not members:
        raise AnsibleFilterError(_no_group(group, groups, asked.get("inventory") or ()))
    if not set(members) & set(reached):
        raise AnsibleFilterError(
            f"THOR-HOSTS-NONE: -l {limit} matches none of the hosts in the group {group}: {_some(members)}. "
            "Name some of them, or omit -l."
        )
    return group


def _no_tags(option: str, wrong: Sequence[str]) -> str:
    return (
        f"THOR-TAGS-UNKNOWN: {option} {','.join(wrong)}: no task has such a tag, so the run would not do what you intend. "
        f"There are none: a run with nothing to do is short. Omit {option}."
    )


def _no_group(group: str, groups: Mapping[str, Sequence[str]], sources: Sequence[str]) -> str:
    where = ", ".join(map(str, sources)) or "no inventory"
    if group in groups:
        reason = f"The group {group} of the inventory ({where}) has no hosts"
    else:
        reason = f"The inventory ({where}) has no group {group}"
    own = [name for name in groups if name not in ("all", "ungrouped") and groups[name]]
    near = difflib.get_close_matches(group, [name.lower() for name in own], n=1)
    hint = f" Its groups are {_some(own)}{': rename the right one' if near else ''}." if own else ""
    return (
        f"THOR-HOSTS-NONE: {reason}, so nothing would be done.{hint} Copy {EXAMPLE}, set the address in the copy's hosts.yml, "
        "and name the copy: -i COPY."
    )


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Names to functions."""
        return {"play_hosts": play_hosts}
