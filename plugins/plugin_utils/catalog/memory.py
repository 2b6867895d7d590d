# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A service's memory: computed or given, what is wrong with it, and what it is as the engine's own fraction."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import budget, vllm_memory
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import GIB
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Memory
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service_load import load_of


def parts_of(draft: Draft) -> Mapping[str, int] | None:
    """The computed memory, part by part, in bytes; None while it is not known."""
    load = load_of(draft)
    return budget.parts_of(load) if load else None


def writes_share(draft: Draft) -> bool:
    """Whether an entry without a profile writes the engine's own share, as the commands of model cards do, in place of memory_gib."""
    spec = draft.engine.get("memory")
    is_free = draft.is_inline and draft.setting("memory_gib") is None
    return is_free and spec is not None and draft.option(spec["option"]) is not None


def given_gib(draft: Draft) -> float | None:
    """The memory that somebody has given: as memory_gib, or as the engine's own share of the device; None where nobody has."""
    if not writes_share(draft):
        given: float | None = draft.setting("memory_gib")
        return given
    spec = draft.engine["memory"]
    try:
        share = float(draft.option(spec["option"]))
    except (TypeError, ValueError):
        return None  # reported by options.check
    is_share = not isinstance(draft.option(spec["option"]), bool) and 0 < share <= 1
    return round(share * draft.inputs.device_memory_gib + outside_gib(draft), 3) if is_share else None


def outside_gib(draft: Draft) -> float:
    """What an engine with a share takes outside it: its overhead, and what vLLM keeps of its cache in host memory."""
    spec = draft.engine.get("memory")
    if spec is None:
        return 0
    is_vllm = (draft.engine.get("computed") or {}).get("like") == "vllm"
    overhead: float = spec["overhead_gib"]
    return overhead + (vllm_memory.offloaded(draft.option("kv-offloading-size")) / GIB if is_vllm else 0)


def gibibytes_of(draft: Draft) -> float | None:
    """What is given, or else the computed sum in whole GiB; None while it is not known."""
    given = given_gib(draft)
    if given is not None or writes_share(draft):
        return given
    parts = parts_of(draft)
    return budget.gibibytes(parts) if parts is not None else None


def memory_of(draft: Draft) -> Memory | None:
    """The budget of an engine that claims a share of the device's memory; None of any other engine, and while it is not known."""
    share = _share_gib(draft)
    if share is None:
        return None
    spec = draft.engine["memory"]
    return Memory(option=f"--{spec['option']}", of=spec["of"], budget_bytes=max(0, int(share * GIB)))


def fraction_option(draft: Draft) -> dict[str, str]:
    """The engine's option with its share of the device's memory, where the engine has one and the budget fits."""
    share = _share_gib(draft)
    if share is None or writes_share(draft) or not 0 < _fraction(draft, share) <= 1:
        return {}
    return {draft.engine["memory"]["option"]: f"{_fraction(draft, share):.3f}"}


def budget_problems(draft: Draft) -> list[Problem]:
    """Memory that does not hold the weights, or that is no valid share of the device's memory."""
    return _below_weights(draft) or _no_fraction(draft)


def _below_weights(draft: Draft) -> list[Problem]:
    given, load = given_gib(draft), load_of(draft)
    overhead = outside_gib(draft)  # not for the weights
    if given is None or load is None or (given - overhead) * GIB >= load.files_bytes:
        return []
    reason = f"The files of the model alone take {load.files_bytes / GIB:.1f} GiB"
    reason += f", and {overhead:g} GiB of it are the engine's overhead." if overhead else "."
    where, name = draft.where("memory_gib"), "memory_gib"
    if writes_share(draft):
        name = draft.engine["memory"]["option"]
        where = draft.where("options", name)
    remedy = f"Leave {name} out, and it is computed; what a context costs is shortened with the engine's option for it."
    return [Problem("THOR-MEMORY-BELOW-WEIGHTS", where, given, reason, remedy)]


def _no_fraction(draft: Draft) -> list[Problem]:
    share = _share_gib(draft)
    if share is None or writes_share(draft) or fraction_option(draft):
        return []
    spec, device = draft.engine["memory"], draft.inputs.device_memory_gib
    overhead = outside_gib(draft)
    reason = (
        f"{overhead:g} GiB of it are the engine's overhead, which leaves --{spec['option']} {share:g} of the device's {device:.1f} GiB: "
        f"a fraction of {_fraction(draft, share):g}. It must be above 0 and at most 1."
    )
    if draft.setting("memory_gib") is None:
        remedy = _shorter(draft)
    else:
        remedy = f"Choose a memory_gib between {overhead + device / 1000:.1f} and {device + overhead:.1f}."
    return [Problem("THOR-MEMORY-FRACTION", draft.where("memory_gib"), gibibytes_of(draft), reason, remedy)]


def _shorter(draft: Draft) -> str:
    """What to do about a computed sum that is larger than the device: the largest context that its memory would hold."""
    load = load_of(draft)
    length = budget.largest_context(load, int(draft.inputs.device_memory_gib * GIB)) if load else None
    way = budget.WAYS[load.like] if load else None
    if way and length:
        asked = draft.option(way.length_option)
        remedy = (
            f"{gibibytes_of(draft):g} GiB are computed. Shorten the context: {way.length_option} of at most {length}."
        )
        if str(asked) in ("auto", "-1"):  # vLLM (model_config.max_model_len)
            remedy += f" Or give a memory_gib: with {way.length_option} {asked} the engine shortens it to what fits."
        return remedy
    return f"{gibibytes_of(draft):g} GiB are computed. Serve a smaller model."


def _share_gib(draft: Draft) -> float | None:
    """What is left for the engine's option once the engine's own overhead is taken off; None where there is no option or no budget."""
    spec, total = draft.engine.get("memory"), gibibytes_of(draft)
    if spec is None or total is None:
        return None
    return total - outside_gib(draft)


def _fraction(draft: Draft, share: float) -> float:
    """The budget as a share of the device's memory, rounded down."""
    device = draft.inputs.device_memory_gib
    # Floats such as 30.5 / 122 * 1000 fall a hair below what they mean.
    return math.floor(share / device * 1000 + 1e-9) / 1000 if device > 0 else 0
