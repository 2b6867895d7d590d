# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How a host differs from its inventory, in words: what a run of site.yml would do, and what somebody has changed by hand. Pure.

Nothing is compared here: the plan is the comparison.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.services import drop_ins
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Kind, Plan, Step
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.text import verb

# Units of ours that are no services: of the gateway, of metrics, and of services on demand.
OUR_UNITS = re.compile(r"thor-(gateway|metrics|.+-proxy|.+-exclusive)\.service")


def drift(plan: Plan, host: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    """``in_step``: whether a run would do nothing; ``steps``: what it would do; ``by_hand``: what others have changed.

    ``problems``: why a run would refuse; then ``in_step`` is None, and there are no steps.
    """
    by_hand = [*_drop_ins(host, status), *_units(host)]
    if plan.problems:
        problems = [f"{one.code}: {one.variable}: {one.reason}" for one in plan.problems]
        return {"in_step": None, "steps": [], "by_hand": by_hand, "problems": problems}
    steps = [_words(step) for step in plan.steps if not _is_by_hand(step)]
    by_hand = [*(step.subject for step in plan.steps if _is_by_hand(step)), *by_hand]
    return {"in_step": not steps and not by_hand, "steps": steps, "by_hand": by_hand, "problems": []}


def _is_by_hand(step: Step) -> bool:
    return step.kind == Kind.CHECK and step.subject.startswith(f"{drop_ins.CODE}:")


def _words(step: Step) -> str:
    return f"{verb(step)} {step.subject}" + (f" ({step.reason})" if step.reason else "")


def _drop_ins(host: Mapping[str, Any], status: Mapping[str, Any]) -> list[str]:
    """Drop-ins that change no service: the plan has the others, and says what to do about them."""
    told = " ".join(text for texts in host["serving"]["drift"].values() for text in texts)
    return [
        f"{unit}: {path} limits or orders the unit; it is left as it is"
        for unit, paths in status["drop_ins"].items()
        for path in paths
        if path not in told
    ]


def _units(host: Mapping[str, Any]) -> list[str]:
    """Units with a name like ours that this collection did not write."""
    ours = {f"thor-{name}.service" for name in host["serving"]["services"]}
    return [
        f"{unit}: a unit by hand, which nothing here manages"
        for unit in host["units"]
        if unit not in ours and not OUR_UNITS.fullmatch(unit)
    ]
