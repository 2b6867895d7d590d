# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What an inventory says about all services of one host, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, closest, nearest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import HUBS
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.catalog import Catalog
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.schema import HOST
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.shapes import check

# NVIDIA's registry; thor_ngc_registry names another one that takes its place.
NGC = "nvcr.io"
# MemTotal of a Jetson AGX Thor, about.
DEVICE_MEMORY_GIB = 122.0


@dataclass(frozen=True)
class Inputs:
    """The variables ``thor_<field>`` of one host. ``device_memory_gib`` is the memory that engines take their share of.

    ``in_doubt``: fields whose intended value is unknown, which has already been reported.
    """

    profiles: Any
    engine_versions: Mapping[str, str] = field(default_factory=dict)
    address: str = "127.0.0.1"
    allow_unauthenticated: bool = False
    allow_broken: bool = False
    allow_unsafe_options: Sequence[str] = field(default_factory=list)
    ngc_registry: str = NGC
    package_locks: str = ""  # a folder on the controller; empty: none
    hubs: Sequence[str] = field(default_factory=lambda: list(HUBS))  # those that may be asked, in this order
    about: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict
    )  # what models say of themselves, by their names
    in_doubt: frozenset[str] = frozenset()
    device_memory_gib: float = DEVICE_MEMORY_GIB
    metrics: bool = False  # whether engines show their own metrics


@dataclass(frozen=True)
class Checked:
    """Inputs whose values are all valid, and the engines whose intended version is unknown."""

    inputs: Inputs
    unsure_engines: frozenset[str]
    problems: Sequence[Problem]


def checked(inputs: Inputs, catalog: Catalog) -> Checked:
    """Replace invalid values by their defaults, and say what was wrong with them."""
    problems: list[Problem] = []
    valid = inputs
    in_doubt = set(inputs.in_doubt)
    for key, spec in HOST.items():
        if found := check(getattr(inputs, key), spec, f"thor_{key}"):
            problems += found
            valid = replace(valid, **{key: getattr(Inputs([]), key)})
            in_doubt.add(key)
    problems += _versions_problems(valid, catalog) + _unsafe_names_problems(valid, catalog)
    # An invalid permission may have been meant to allow anything: what it would allow is not refused as well.
    allowed: dict[str, Any] = {key: True for key in in_doubt & set(HOST) if key.startswith("allow_")}
    if "allow_unsafe_options" in allowed:
        allowed["allow_unsafe_options"] = _unsafe_names(catalog)
    unsure = _unsure_engines(inputs, "engine_versions" in in_doubt, catalog)
    return Checked(replace(valid, **allowed, in_doubt=frozenset(in_doubt)), unsure, problems)


def _unsure_engines(inputs: Inputs, in_doubt: bool, catalog: Catalog) -> frozenset[str]:
    """Engines whose version a person has set, but not in a way that says which."""
    given = inputs.engine_versions
    if "engine_versions" in inputs.in_doubt or not isinstance(given, Mapping):
        return frozenset(catalog.engines)
    misspelled = {closest(engine, catalog.engines) or "" for engine in given if engine not in catalog.engines}
    return frozenset(misspelled | (set(given) if in_doubt else set()))


def _versions_problems(inputs: Inputs, catalog: Catalog) -> list[Problem]:
    return [
        Problem(
            "THOR-ENGINE-UNKNOWN",
            f"thor_engine_versions[{engine!r}]",
            None,
            "There is no such engine.",
            nearest(engine, catalog.engines),
        )
        for engine in inputs.engine_versions
        if engine not in catalog.engines and not catalog.is_refused("engines", engine)
    ]


def _unsafe_names(catalog: Catalog) -> list[str]:
    return sorted({name for engine in catalog.engines.values() for name in engine.get("unsafe_options") or {}})


def _unsafe_names_problems(inputs: Inputs, catalog: Catalog) -> list[Problem]:
    known = _unsafe_names(catalog)
    reason = "No engine has an option or variable of this name that would be refused."
    return [
        Problem("THOR-VALUE-INVALID", f"thor_allow_unsafe_options[{index}]", name, reason, nearest(name, known))
        for index, name in enumerate(inputs.allow_unsafe_options)
        if name not in known
    ]
