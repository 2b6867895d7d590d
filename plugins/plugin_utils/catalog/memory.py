# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A service's memory budget as the engine's own fraction."""

from __future__ import annotations

import math

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Memory

GIB = 1024**3


def memory_of(draft: Draft) -> Memory | None:
    """The budget of an engine that claims a share of the device's memory; None of any other engine, or while it is unknown."""
    if draft.engine.get("memory") is None:
        return None
    spec, budget = draft.engine["memory"], _budget_gib(draft)
    if budget is None:
        return None
    return Memory(option=f"--{spec['option']}", of=spec["of"], budget_bytes=max(0, int(budget * GIB)))


def fraction_option(draft: Draft) -> dict[str, str]:
    """The engine's option with its share of the device's memory, where the engine has one and the budget fits."""
    budget = None if draft.engine.get("memory") is None else _budget_gib(draft)
    if budget is None or not 0 < (fraction := _fraction(budget, draft)) <= 1:
        return {}
    return {draft.engine["memory"]["option"]: f"{fraction:.3f}"}


def budget_problems(draft: Draft) -> list[Problem]:
    """A budget that is no valid share of the device's memory."""
    spec, device = draft.engine.get("memory"), draft.inputs.device_memory_gib
    if spec is None or (budget := _budget_gib(draft)) is None or fraction_option(draft):
        return []
    overhead = spec["overhead_gib"]
    reason = (
        f"{overhead:g} GiB of it are the engine's overhead, which leaves --{spec['option']} {budget:g} of the device's {device:.1f} GiB: "
        f"a fraction of {_fraction(budget, draft):g}. It must be above 0 and at most 1."
    )
    remedy = f"Choose a memory_gib between {overhead + device / 1000:.1f} and {device + overhead:.1f}."
    return [Problem("THOR-MEMORY-FRACTION", draft.where("memory_gib"), draft.setting("memory_gib"), reason, remedy)]


def _budget_gib(draft: Draft) -> float | None:
    """What is left for the engine's option once the engine's own overhead is taken off; None while the whole is unknown."""
    whole = draft.setting("memory_gib")
    return None if whole is None else whole - draft.engine["memory"]["overhead_gib"]


def _fraction(budget: float, draft: Draft) -> float:
    """A budget in GiB as a share of the device's memory, rounded down."""
    device = draft.inputs.device_memory_gib
    # Floats such as 30.5 / 122 * 1000 fall a hair below what they mean.
    return math.floor(budget / device * 1000 + 1e-9) / 1000 if device > 0 else 0
