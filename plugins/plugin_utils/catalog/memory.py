# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A service's memory budget: as the engine's own fraction, and beside the other services of a host."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.catalog import Catalog
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft, number
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Memory, Service

GIB = 1024**3


def memory_of(draft: Draft) -> Memory | None:
    """The budget of an engine that claims a share of the device's memory; None of any other engine."""
    if draft.engine.get("memory") is None:
        return None
    spec = draft.engine["memory"]
    return Memory(option=f"--{spec['option']}", of=spec["of"], budget_bytes=max(0, int(_budget_gib(draft) * GIB)))


def fraction_option(draft: Draft) -> dict[str, str]:
    """The engine's option with its share of the device's memory, where the engine has one and the budget fits."""
    if draft.engine.get("memory") is None or not 0 < _fraction(draft) <= 1:
        return {}
    return {draft.engine["memory"]["option"]: f"{_fraction(draft):.3f}"}


def budget_problems(draft: Draft) -> list[Problem]:
    """A budget that is no valid share of the device's memory."""
    if draft.engine.get("memory") is None or fraction_option(draft):
        return []
    spec, device, budget = draft.engine["memory"], draft.inputs.device_memory_gib, _budget_gib(draft)
    overhead = spec["overhead_gib"]
    reason = (
        f"{overhead:g} GiB of it are the engine's overhead, which leaves --{spec['option']} {budget:g} of the device's {device:.1f} GiB: "
        f"a fraction of {_fraction(draft):g}. It must be above 0 and at most 1."
    )
    remedy = f"Choose a memory_gib between {overhead + device / 1000:.1f} and {device + overhead:.1f}."
    return [Problem("THOR-MEMORY-FRACTION", draft.where("memory_gib"), draft.setting("memory_gib"), reason, remedy)]


def _budget_gib(draft: Draft) -> float:
    """What is left for the engine's option once the engine's own overhead is taken off."""
    budget: float = draft.setting("memory_gib") - draft.engine["memory"]["overhead_gib"]
    return budget


def _fraction(draft: Draft) -> float:
    """The budget as a share of the device's memory, rounded down."""
    device = draft.inputs.device_memory_gib
    # Floats such as 30.5 / 122 * 1000 fall a hair below what they mean.
    return math.floor(_budget_gib(draft) / device * 1000 + 1e-9) / 1000 if device > 0 else 0


def unbounded_problems(services: Sequence[Service], catalog: Catalog) -> list[Problem]:
    """Services whose engine exceeds its memory budget, beside others that share the same memory."""
    problems: list[Problem] = []
    for service in services:
        others = [other.name for other in services if other is not service]
        if not service.unbounded_memory or not others or service.version is None:
            continue
        bounded = [
            version
            for version, known in catalog.engines[service.engine]["versions"].items()
            if not (known or {}).get("unbounded_memory") and (service.engine, version) in catalog.flags
        ]
        newest = max(bounded, key=number, default=None)
        reason = (
            f"{service.engine} {service.version} exceeds its memory budget ({service.unbounded_memory}): on this host "
            f"{service.name} would take the memory of {', '.join(others)}."
        )
        alone = f"{service.name} alone, or set thor_allow_unbounded_memory: true."
        newer = f'Choose another version (thor_engine_versions: {{{service.engine}: "{newest}"}}), serve'
        remedy = f"{newer if newest else 'Serve'} {alone}"
        where = f"thor_services[{service.name!r}].version"
        problems.append(Problem("THOR-MEMORY-UNBOUNDED", where, service.version, reason, remedy))
    return problems
