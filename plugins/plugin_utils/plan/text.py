# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A plan as text."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Kind, Plan, Step

_VERBS = {Kind.SWITCH: "replace"}
_UNSEEN = (
    "planned as if the host had nothing yet. What already exists, and what power mode, clocks, memory settings, Docker and disks need, "
    "is known only after observing it: -e thor_plan_contact=true"
)


def lines(plan: Plan) -> list[str]:
    """The plan as people read it: one line with all steps, then notes."""
    if plan.problems:
        return plan.refusal.splitlines()
    done = "; ".join(_step(step) for step in plan.steps) or "nothing to do"
    told = [f"{plan.host}: {done}", *(f"{plan.host}: note: {note}" for note in plan.notes)]
    return told if plan.observed else [*told, f"{plan.host}: {_UNSEEN}"]


def verb(step: Step) -> str:
    """What a step does, as a word."""
    return str(_VERBS.get(step.kind, step.kind))


def _step(step: Step) -> str:
    costs = [cost for cost in (_size(step.bytes), _duration(step.seconds)) if cost]
    return f"{verb(step)} {step.subject}" + (f" ({', '.join(costs)})" if costs else "")


def _size(size: int | None) -> str:
    for unit, scale in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size and size >= 0.9995 * scale:  # what three digits round up to it
            return f"{size / scale:.3g} {unit}"
    return ""


def _duration(seconds: int | None) -> str:
    if not seconds:
        return ""
    return f"about {round(seconds / 60)} min" if seconds >= 90 else f"about {seconds} s"
