# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The names of variables: those of an inventory that this collection reads, and those that nothing reads."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, closest, nearest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.role_variables import VARIABLES
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.schema import NOUNS

# What roles and playbooks read; a test compares this with their files.
KNOWN = tuple(
    sorted(
        {"thor_profiles", *(f"thor_extra_{noun}" for noun in NOUNS)}
        | {name for name in VARIABLES if name.startswith("thor_")}
    )
)
# What the collection's own modules return: a host has them once it has been observed.
FACTS = ("thor_host", "thor_plan", "thor_problems", "thor_services")
# Variables of roles that have a new name, under which an inventory must set them.
RENAMED = {
    "catalog_memory_reserve_gib": "preflight_memory_reserve_gib",
    "catalog_plan_file": "preflight_plan_file",
    "engine_image_collect": "engine_image_prune",
    "engine_image_extend": "engine_image_derive",
    "model_store_rehash": "model_store_verify_checksums",
}
EDITS = 2


@dataclass
class Unknown:
    """Variables that nothing reads. ``meant`` are the known names that were probably intended."""

    problems: list[Problem] = field(default_factory=list)
    meant: set[str] = field(default_factory=set)


def unknown(names: Iterable[str], role_variables: Collection[str], roles: Collection[str]) -> Unknown:
    """What is wrong with the names of a host's variables.

    The prefix ``thor_`` belongs to the collection: any unknown name that begins with it is refused. A person's own variable may well
    begin with a role's prefix, so only old names and near misses of a known name are refused there. No value is quoted: it may be a secret.
    """
    result = Unknown()
    for name in sorted(map(str, names)):
        if re.match(r"thor[_-]", name, re.IGNORECASE):
            if name not in KNOWN and name not in FACTS:
                near = closest(name.lower().replace("-", "_"), KNOWN)
                _add(result, name, near, nearest(near or name, KNOWN))
        elif name not in role_variables and any(name.startswith(f"{role}_") for role in roles):
            near = RENAMED.get(name) or min((one for one in role_variables if _within(name, one, EDITS)), default=None)
            if near:
                _add(result, name, near, nearest(near, [near]))
    return result


def _add(result: Unknown, name: str, near: str | None, remedy: str) -> None:
    reason = "Nothing reads a variable of this name."
    result.problems.append(Problem("THOR-VARIABLE-UNKNOWN", name, None, reason, remedy))
    result.meant.update([near] if near else [])


def _within(one: str, other: str, limit: int) -> bool:
    """Whether inserting, deleting or changing at most ``limit`` letters turns one word into the other."""
    if abs(len(one) - len(other)) > limit:
        return False
    row = list(range(len(other) + 1))
    for index, letter in enumerate(one, 1):
        above, row[0] = row[0], index
        for column, against in enumerate(other, 1):
            above, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, above + (letter != against))
    return row[-1] <= limit
