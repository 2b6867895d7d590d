# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which services are switched together: those that take a port, memory or a model from each other."""

from __future__ import annotations

import json

from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import (
    Definition,
    ModelTree,
    ServiceFiles,
)
from ansible_collections.jetson.thor.plugins.module_utils.services.groups import Group, groups_of

NONE = Definition(None, None)


def wants(name: str, port: int, gib: float = 0, model: str = "") -> ServiceFiles:
    """A service as it should be."""
    return ServiceFiles(name, f"ExecStart=x {model}\n", json.dumps({"port": port, "memory_gib": gib}))


def has(port: int, gib: float = 0, model: str = "") -> Definition:
    """A service as it is."""
    return wants("x", port, gib, model).definition


def names(groups: list[Group]) -> list[tuple[list[str], list[str]]]:
    """The services of each group, and those that it removes."""
    return [([one.name for one in group.services], group.removed) for group in groups]


def test_services_that_share_nothing_are_switched_one_by_one_and_what_nobody_follows_goes_last() -> None:
    pending, present = [wants("a", 1), wants("b", 2)], {"a": has(1), "b": NONE, "old": has(3)}
    assert names(groups_of(pending, ["old"], present)) == [(["a"], []), (["b"], []), ([], ["old"])]


def test_who_takes_a_port_is_switched_with_who_had_it() -> None:
    present = {"a": has(1), "b": has(2), "c": has(3), "old": has(9)}
    pending = [wants("a", 9), wants("b", 3), wants("c", 2)]
    assert names(groups_of(pending, ["old"], present)) == [(["a"], ["old"]), (["b", "c"], []), ([], [])]


def test_a_chain_of_ports_is_one_group() -> None:
    present = {"a": has(1), "b": has(2), "c": has(3)}
    assert names(groups_of([wants("a", 2), wants("b", 3), wants("c", 4)], [], present)) == [
        (["a", "b", "c"], []),
        ([], []),
    ]


def test_who_needs_more_memory_is_switched_with_who_gives_some_up() -> None:
    present = {"a": has(1, 10), "b": has(2, 60), "c": has(3, 5)}
    pending = [wants("a", 1, 40), wants("b", 2, 30), wants("c", 3, 5)]
    assert names(groups_of(pending, [], present)) == [(["a", "b"], []), (["c"], []), ([], [])]
    same = [wants("a", 1, 40), wants("b", 2, 60), wants("c", 3, 5)]
    assert names(groups_of(same, [], present)) == [(["a"], []), (["b"], []), (["c"], []), ([], [])]


def test_services_of_a_model_that_is_exchanged_are_one_group() -> None:
    tree, other = ModelTree("/models/a/b", "1"), ModelTree("/models/c/d", "2")
    present = {"old": has(1, model="/models/a/b"), "new": NONE, "else": has(3, model="/models/a/b-2"), "gone": has(4)}
    pending = [wants("old", 1, model="/models/x/y"), wants("else", 3), wants("new", 2, model="/models/a/b")]
    first, second, last = groups_of(pending, ["gone"], present, [tree, other])
    assert names([first, second, last]) == [(["old", "new"], []), (["else"], []), ([], ["gone"])]
    assert (first.models, second.models, last.models) == ([tree], [], [other]), (
        "a model of nobody is exchanged at the end"
    )
