# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Services that can only be switched together, because one takes over a port or memory that another one has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import Definition, ServiceFiles


@dataclass
class Group:
    """Services in the order of their start, and removed ones whose port or memory they take over."""

    services: list[ServiceFiles] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def takes_over(new: Definition, present: Definition, other_has: Definition, other_gets: Definition) -> str | None:
    """What a service takes over from another one: ``port ...``, ``memory`` or None."""
    if new.port is not None and other_has.port == new.port:
        return f"port {new.port}"
    if new.memory > present.memory and other_has.memory > other_gets.memory:
        return "memory"
    return None


def groups_of(pending: Sequence[ServiceFiles], removed: Sequence[str], has: Mapping[str, Definition]) -> list[Group]:
    """The groups, in the order of their first services; the last group only removes. ``has``: the present definitions."""
    gets = {service.name: service.definition for service in pending} | dict.fromkeys(removed, Definition(None, None))
    group_of = {name: {name} for name in gets}
    for name in gets:
        for other in gets:
            if name != other and takes_over(gets[name], has[name], has[other], gets[other]):
                joined = group_of[name] | group_of[other]
                group_of |= dict.fromkeys(joined, joined)
    groups: list[Group] = []
    for service in pending:
        if not any(service in group.services for group in groups):
            members = group_of[service.name]
            groups.append(
                Group([one for one in pending if one.name in members], [one for one in removed if one in members])
            )
    leaving = [name for name in removed if not any(name in group.removed for group in groups)]
    return [*groups, Group([], leaving)]
