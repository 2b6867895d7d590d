# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Services that can only be switched together, because one takes over a port or memory that another one has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import (
    Definition,
    ModelTree,
    ServiceFiles,
)


@dataclass
class Group:
    """Services in the order of their start, removed ones whose port or memory they take over, and the models of both."""

    services: list[ServiceFiles] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    models: list[ModelTree] = field(default_factory=list)  # that get their directories with it


def takes_over(new: Definition, present: Definition, other_has: Definition, other_gets: Definition) -> str | None:
    """What a service takes over from another one: ``port ...``, ``memory`` or None."""
    if shared := new.ports & other_has.ports:
        return f"port {min(shared)}"
    if new.memory > present.memory and other_has.memory > other_gets.memory:
        return "memory"
    return None


def groups_of(
    pending: Sequence[ServiceFiles],
    removed: Sequence[str],
    has: Mapping[str, Definition],
    models: Sequence[ModelTree] = (),
) -> list[Group]:
    """The groups, in the order of their first services; the last group only removes. ``has``: the present definitions.

    Services that use a model which is exchanged, now or afterwards, are one group: none may be proven with the other tree.
    """
    gets = {service.name: service.definition for service in pending} | dict.fromkeys(removed, Definition(None, None))
    group_of = {name: {name} for name in gets}
    for name in gets:
        for other in gets:
            if name != other and takes_over(gets[name], has[name], has[other], gets[other]):
                _join(group_of, {name, other})
    users = {
        tree: {name for name in gets if gets[name].uses(tree.path) or has[name].uses(tree.path)} for tree in models
    }
    for names in users.values():
        _join(group_of, names)
    groups: list[Group] = []
    for service in pending:
        if not any(service in group.services for group in groups):
            members = group_of[service.name]
            groups.append(
                Group(
                    [one for one in pending if one.name in members],
                    [one for one in removed if one in members],
                    [tree for tree in models if users[tree] & members],
                )
            )
    leaving = [name for name in removed if not any(name in group.removed for group in groups)]
    return [*groups, Group([], leaving, [tree for tree in models if not any(tree in group.models for group in groups)])]


def _join(group_of: dict[str, set[str]], names: set[str]) -> None:
    joined = set[str]().union(*(group_of[name] for name in names))
    group_of |= dict.fromkeys(joined, joined)
