# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The variables of an inventory that this collection reads, and what is refused because nothing reads it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, closest, nearest

# What roles and playbooks read. A test holds this list equal to what they really read.
KNOWN = (
    "thor_address",
    "thor_allow_broken",
    "thor_allow_unauthenticated",
    "thor_allow_unbounded_memory",
    "thor_allow_unchecked_flags",
    "thor_allow_unsafe_options",
    "thor_bench_floor",
    "thor_bench_results",
    "thor_device_memory_gib",
    "thor_disk_reserve_gib",
    "thor_engine_versions",
    "thor_extra_engines",
    "thor_extra_models",
    "thor_extra_profiles",
    "thor_facts_root",
    "thor_junit_dir",
    "thor_memory_reserve_gib",
    "thor_modelscope_endpoint",
    "thor_modelscope_token",
    "thor_ngc_key",
    "thor_ngc_registry",
    "thor_pip_extra_args",
    "thor_plan_contact",
    "thor_plan_file",
    "thor_profiles",
    "thor_rollout_first",
    "thor_rollout_max_failures",
    "thor_rollout_waves",
)
# What the collection's own modules return: a host has them once it was looked at.
FACTS = ("thor_host", "thor_plan", "thor_problems", "thor_services")
EDITS = 2


@dataclass
class Unknown:
    """Variables that nothing reads. ``meant`` are the known ones that they were probably to be."""

    problems: list[Problem] = field(default_factory=list)
    meant: set[str] = field(default_factory=set)


def unknown(names: Iterable[str], role_variables: Collection[str], roles: Collection[str]) -> Unknown:
    """What is wrong with the names of a host's variables.

    The prefix ``thor_`` is the collection's: whatever else it begins is refused. The prefix of a role may well begin a
    person's own name, so there only what is nearly the name of a variable is refused. No value is repeated: it may be a secret.
    """
    result = Unknown()
    for name in sorted(map(str, names)):
        if re.match(r"thor[_-]", name, re.IGNORECASE):
            if name not in KNOWN and name not in FACTS:
                near = closest(name.lower().replace("-", "_"), KNOWN)
                _add(result, name, near, nearest(near or name, KNOWN))
        elif name not in role_variables and any(name.startswith(f"{role}_") for role in roles):
            near = min((known for known in role_variables if _within(name, known, EDITS)), default=None)
            if near:
                _add(result, name, near, nearest(near, [near]))
    return result


def _add(result: Unknown, name: str, near: str | None, remedy: str) -> None:
    reason = "Nothing reads a variable of this name."
    result.problems.append(Problem("THOR-VARIABLE-UNKNOWN", name, None, reason, remedy))
    result.meant.update([near] if near else [])


def _within(one: str, other: str, limit: int) -> bool:
    """Whether ``limit`` letters put in, taken out or changed make one word of the other."""
    if abs(len(one) - len(other)) > limit:
        return False
    row = list(range(len(other) + 1))
    for index, letter in enumerate(one, 1):
        above, row[0] = row[0], index
        for column, against in enumerate(other, 1):
            above, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, above + (letter != against))
    return row[-1] <= limit
