# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether the services of a host fit its memory, and which context would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import budget
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import GIB, Load
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import on_demand

Services = Sequence[Mapping[str, Any]]
BOUND = "an upper bound, every layer counted as full attention (the geometry of this architecture is not known)"
# MemTotal of the modules, about.
MODULES = {"T5000": 122.0, "T4000": 61.0}


def unknown(services: Services) -> list[Problem]:
    """Services of which neither the catalog nor the model's own files say how much memory they need."""
    problems = []
    for one in services:
        if one["memory_gib"] is None and "memory_gib" not in one["unclear"]:
            key, fault = _fault(one)
            reason = f"It cannot be computed from the catalog and the model's own files: {fault.removesuffix('.')}."
            remedy = (
                "Say it: memory_gib of the service, in GiB: the weights, the KV cache and about 2 GiB. Or say the model's layers: "
                f"thor_extra_models[{key!r}].geometry."
            )
            problems.append(
                Problem("THOR-MEMORY-UNKNOWN", f"thor_services[{one['name']!r}].memory_gib", None, reason, remedy)
            )
    return problems


def _fault(service: Mapping[str, Any]) -> tuple[str, str]:
    """The model that makes the memory unknown, and why: the service's own, or the one that drafts for it."""
    about = service.get("about") or {}
    fault = about.get("geometry_fault") or about.get("fault")
    drafting = (service.get("speculative") or {}).get("model")
    if drafting and not fault:
        return drafting["key"], f"the size or the layers of its draft model {drafting['key']} are not known"
    return service["model"]["key"], fault or "neither says the size or the layers"


def over(services: Services, device_gib: float, reserve_gib: float, source: str = "") -> list[Problem]:
    """Budgets that exceed, in total, the device's memory minus the reserve. ``source``: the variable with that memory."""
    # A budget that could not be determined (None) is a problem of its own.
    services = [service for service in services if service["memory_gib"] is not None]
    groups = on_demand.together(services)
    wanted = sum(max(one["memory_gib"] for one in group) for group in groups)
    excess = wanted + reserve_gib - device_gib
    if not services or excess <= 0:
        return []
    largest = max(services, key=lambda service: service["memory_gib"])
    reason = (
        f"The services need {wanted:g} GiB and {reserve_gib:g} GiB are kept for the system "
        f"(thor_memory_reserve_gib), but the device has {device_gib:.1f} GiB{f' ({source})' if source else ''}: {excess:.1f} GiB too much. "
        f"The largest is {largest['name']} ({largest['profile']}) with {largest['memory_gib']:g} GiB."
    )
    if len(groups) < len(services):
        reason += " Of services that take turns (exclusive) only the largest is counted."
    remedy = contexts_that_fit(services, excess) or _less(services)
    bounds = [service["name"] for service in services if is_bound(service)]
    if bounds:
        remedy += f" {', '.join(bounds)}: {BOUND}; give a memory_gib if you know that less is enough."
    return [Problem("THOR-MEMORY-OVER", "thor_profiles", [service["name"] for service in services], reason, remedy)]


def _less(services: Services) -> str:
    """What helps where no context does: of a budget that somebody gave, that is a smaller one."""
    given = [service["name"] for service in services if not is_computed(service)]
    if not given:
        return "Serve less, or a smaller model."
    how = "memory_gib, or the engine's share in its options"
    return f"Serve less, or lower what was given to {', '.join(given)} ({how}), or what is kept for the system."


def contexts_that_fit(services: Services, excess_gib: float) -> str:
    """The largest context of each service with which all would fit; empty where none is short enough."""
    found = []
    for service in services:
        if service["memory_load"] is None or not is_computed(service) or _is_pressed(service, services, excess_gib):
            continue
        load = Load.from_facts(service["memory_load"])
        way = budget.WAYS[load.like]
        length = budget.largest_context(load, int((service["memory_gib"] - excess_gib) * GIB))
        if way and length and length < (service["context"] or 0):
            found.append(f"{service['name']} with {way.length_option}: {length} (now {service['context']})")
    return f"Serve less, or shorten one context. It would fit: {'; or '.join(found)}." if found else ""


def _is_pressed(service: Mapping[str, Any], services: Services, excess_gib: float) -> bool:
    """Whether less memory for this service alone would not help: another one of its group needs as much."""
    (group,) = [group for group in on_demand.together(services) if service in group]
    return any(other is not service and other["memory_gib"] > service["memory_gib"] - excess_gib for other in group)


def is_bound(service: Mapping[str, Any]) -> bool:
    """Whether memory_gib is a computed upper bound."""
    return is_computed(service) and Load.from_facts(service["memory_load"]).is_bound


def is_computed(service: Mapping[str, Any]) -> bool:
    """Whether memory_gib is the computed sum, and not a number that somebody gave."""
    parts = service["memory_parts"]
    return parts is not None and budget.gibibytes(parts) == service["memory_gib"]


def on_module(service: Mapping[str, Any], device_gib: float) -> tuple[float | None, Mapping[str, int] | None]:
    """What the service would take on a device with this memory, in GiB and part by part; engines choose some sizes by that.

    No parts of a number that somebody gave; neither of what is not known.
    """
    if service["memory_load"] is None or not is_computed(service):
        return service["memory_gib"], None
    load = replace(Load.from_facts(service["memory_load"]), device_bytes=int(device_gib * GIB))
    parts = budget.parts_of(load)
    return (budget.gibibytes(parts), parts) if parts is not None else (None, None)


def text(services: Services, device_gib: float, reserve_gib: float) -> list[str]:
    """Each service's parts, the sum against the device, and how the other module would do, for plan.yml."""
    amounts = [None if one["memory_gib"] is None else float(one["memory_gib"]) for one in services]
    written, wanted = _sum(services, amounts)
    left, known = device_gib - reserve_gib - wanted, None not in amounts
    verdict = f"{round(abs(left), 3):g} GiB {'too much' if left < 0 else 'still free'}"
    if not known and left >= 0:
        verdict = "whether that fits is known once all of it is"
    total = f"{' = ' if known else ': at least '}{wanted:g}" if len(amounts) > 1 else ""
    lines = [line for service in services for line in _parts(service)]
    lines.append(
        f"memory: {written}{total} GiB of services and {reserve_gib:g} GiB kept for the system, of {device_gib:g} GiB: "
        f"{verdict}"
    )
    return [*lines, *_other_module(services, device_gib, reserve_gib)]


def _sum(services: Services, amounts: Sequence[float | None]) -> tuple[str, float]:
    """The services' memory in GiB as a sum that people can follow, and its result; of those that take turns the largest counts."""
    of = {service["name"]: amount for service, amount in zip(services, amounts, strict=True)}
    words, total = [], 0.0
    for group in on_demand.together(services):
        members = [of[one["name"]] for one in group]
        texts = ["unknown" if one is None else f"{one:g}" for one in members]
        words.append(texts[0] if len(texts) == 1 else f"max({', '.join(texts)})")
        total += max(one or 0 for one in members)
    return " + ".join(words), total


def _parts(service: Mapping[str, Any]) -> list[str]:
    name = service["name"]
    if service["memory_gib"] is None:
        return [f"memory of {name}: known after contact, once its model has been looked at"]
    if not is_computed(service):
        return [f"memory of {name}: {service['memory_gib']:g} GiB, as given (memory_gib)"]
    length = f" ({_length(service)})" if service["context"] and service["sequences"] else ""
    bound = f"; {BOUND}" if is_bound(service) else ""
    return [f"memory of {name}: {_words(service['memory_parts'])} = {service['memory_gib']:g} GiB{length}{bound}"]


def _words(parts: Mapping[str, int]) -> str:
    return " + ".join(f"{size / GIB:.1f} {budget.PARTS[part]}" for part, size in parts.items())


def _length(service: Mapping[str, Any]) -> str:
    number, context = service["sequences"], f"{service['context']:,} tokens"
    if service["memory_load"]["like"] == "llama.cpp":
        return f"{context}, shared by {number} slots" if number > 1 else context
    return f"{number} sequences of {context}" if number > 1 else f"one sequence of {context}"


def _other_module(services: Services, device_gib: float, reserve_gib: float) -> list[str]:
    """The module of the two that this device is not: the parts of services that differ there, and each service's sum."""
    name = "T4000" if device_gib >= 96 else "T5000"
    memory = MODULES[name]
    found = [on_module(service, memory) for service in services]
    amounts = [one for one, _parts_there in found if one is not None]
    if not amounts or len(amounts) < len(found):
        return []
    lines = [
        f"memory of {service['name']} on a {name}: {_words(parts)} = {gibibytes:g} GiB"
        for service, (gibibytes, parts) in zip(services, found, strict=True)
        if parts is not None and parts != service["memory_parts"]
    ]
    written, wanted = _sum(services, amounts)
    left = memory - reserve_gib - wanted
    verdict = f"{round(abs(left), 3):g} GiB {'too much' if left < 0 else 'still free'}"
    each = f"{written} = " if len(amounts) > 1 else ""
    return [*lines, f"on a {name} ({memory:g} GiB): {each}{wanted:g} GiB of services, {verdict}"]
