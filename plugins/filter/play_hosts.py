# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The hosts of a playbook's first play, or an error where the whole playbook would do nothing and say nothing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from ansible import context
from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: play_hosts
short_description: The hosts of a playbook's first play, or an error where it would do nothing
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - Ansible ends with success where a group is empty or absent, where C(--limit) leaves none of its hosts, and where no task has a tag
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
    description: C(ansible_play_hosts_all) - the hosts that C(--limit) leaves.
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

# Tags of tasks that --tags may name: there are none. The two that Ansible brings along leave nothing out here.
TAGS: frozenset[str] = frozenset()
EVERYTHING = frozenset({"all", "untagged"})
# molecule skips these by itself in each of its runs, also of people who test their own playbooks.
SKIPPED_BY_MOLECULE = frozenset({"molecule-notest", "molecule-idempotence-notest", "notest"})
SHOWN = 5
EXAMPLE = Path(__file__).absolute().parents[2] / "inventories" / "example"


def play_hosts(group: str, groups: Mapping[str, Sequence[str]], reached: Collection[str]) -> str:
    """Return ``group``, or fail where a run would do nothing."""
    asked = context.CLIARGS
    # No run: a playbook is to be read without an inventory too.
    if asked.get("syntax") or asked.get("listhosts") or asked.get("listtasks") or asked.get("listtags"):
        return group
    for option, allowed in (("tags", TAGS | EVERYTHING), ("skip_tags", TAGS | SKIPPED_BY_MOLECULE)):
        wrong = sorted({str(tag) for tag in asked.get(option) or ()} - allowed)
        if wrong:
            raise AnsibleFilterError(_no_tags(f"--{option.replace('_', '-')}", wrong))
    limit = asked.get("subset") or ""
    if group == "localhost":
        if limit and group not in re.split("[,:]", limit):
            raise AnsibleFilterError(
                f"THOR-HOSTS-NONE: -l {limit} leaves out this machine, and this playbook runs here alone. Leave out -l."
            )
        return group
    members = groups.get(group) or []
    if not members:
        raise AnsibleFilterError(_no_group(group, groups, asked.get("inventory") or ()))
    if not set(members) & set(reached):
        raise AnsibleFilterError(
            f"THOR-HOSTS-NONE: -l {limit} leaves none of the hosts of the group {group}: {_some(members)}. "
            "Name some of those, or leave out -l."
        )
    return group


def _no_tags(option: str, wrong: Sequence[str]) -> str:
    known = (
        f"The tags are {', '.join(sorted(TAGS))}." if TAGS else "There are none: a run that has nothing to do is short."
    )
    return (
        f"THOR-TAGS-UNKNOWN: {option} {','.join(wrong)}: no task has such a tag, so not what you mean would be done. "
        f"{known} Leave out {option}."
    )


def _no_group(group: str, groups: Mapping[str, Sequence[str]], sources: Sequence[str]) -> str:
    where = ", ".join(map(str, sources)) or "no inventory"
    if group in groups:
        reason = f"The group {group} of the inventory ({where}) has no hosts"
    else:
        reason = f"The inventory ({where}) has no group {group}"
    own = [name for name in groups if name not in ("all", "ungrouped") and groups[name]]
    near = difflib.get_close_matches(group, [name.lower() for name in own], n=1)
    hint = f" Its groups are {_some(own)}{': rename the one that you mean' if near else ''}." if own else ""
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
