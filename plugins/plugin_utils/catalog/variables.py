# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The names of variables: those of an inventory that this collection reads, and those that nothing reads."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

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
FACTS = ("thor_host", "thor_looks", "thor_plan", "thor_problems", "thor_seen", "thor_services", "thor_sources")
# Variables that were renamed or removed, each with the ones to set instead.
RENAMED: dict[str, tuple[str, ...]] = {
    "catalog_memory_reserve_gib": ("preflight_memory_reserve_gib",),
    "catalog_plan_file": ("preflight_plan_file",),
    "engine_image_collect": ("engine_image_prune",),
    "engine_image_extend": ("engine_image_derive",),
    "engine_image_registry": ("engine_image_registry_logins",),
    "engine_image_registry_key": ("engine_image_registry_logins",),
    "engine_image_registry_user": ("engine_image_registry_logins",),
    "model_store_rehash": ("model_store_verify_checksums",),
    "preflight_builds": tuple(
        f"{role}_{key}"
        for role in ("llama_cpp", "whisper_cpp")
        for key in ("cuda", "cuda_architectures", "cmake_options")
    ),
    "preflight_container_runtime": ("container_runtime_toolkit_version", "container_runtime_daemon_options"),
    "preflight_cuda": ("llama_cpp_cuda", "whisper_cpp_cuda"),
    "preflight_install_programs": ("whisper_cpp_install_ffmpeg",),
    "thor_ngc_key": ("thor_registry_logins",),
}
# Variables that are gone, and why nothing takes their place.
GONE: dict[str, str] = {
    f"{prefix}_{name}": f"{reason} Remove it."
    for prefix in ("thor", "catalog")
    for name, reason in {
        "allow_unbounded_memory": "No version of an engine exceeds its memory budget, so nothing has to be allowed.",
        "allow_unchecked_flags": "An engine without a stored list of options is asked for them on the device.",
    }.items()
}
EDITS = 2


@dataclass(frozen=True)
class Unknown:
    """Variables that nothing reads. ``meant`` are the known names that were probably intended."""

    problems: list[Problem]
    meant: frozenset[str]


def unknown(names: Iterable[str], role_variables: Collection[str], roles: Collection[str]) -> Unknown:
    """What is wrong with the names of a host's variables.

    The prefix ``thor_`` belongs to the collection: any unknown name that begins with it is refused. A person's own variable may well
    begin with a role's prefix, so only old names and near misses of a known name are refused there. No value is quoted: it may be a secret.
    """
    found: list[tuple[str, str | None, str]] = []
    for name in sorted(map(str, names)):
        if name in RENAMED:
            found.append((name, None, f"Set {', '.join(RENAMED[name])} instead."))
        elif name in GONE:
            found.append((name, None, GONE[name]))
        elif re.match(r"thor[_-]", name, re.IGNORECASE):
            if name not in KNOWN and name not in FACTS:
                near = closest(name.lower().replace("-", "_"), KNOWN)
                found.append((name, near, nearest(near or name, KNOWN)))
        elif (
            name not in role_variables
            and any(name.startswith(f"{role}_") for role in roles)
            and (near := min((one for one in role_variables if _within(name, one, EDITS)), default=None))
        ):
            found.append((name, near, nearest(near, [near])))
    reason = "Nothing reads a variable of this name."
    return Unknown(
        [Problem("THOR-VARIABLE-UNKNOWN", name, None, reason, remedy) for name, _near, remedy in found],
        frozenset(near for _name, near, _remedy in found if near),
    )


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
