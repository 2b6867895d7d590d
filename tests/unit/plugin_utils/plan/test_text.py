# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A plan as people read it: verbs, sizes and durations."""

from __future__ import annotations

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Kind, Plan, Share, Step
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.text import lines


def told(*steps: Step, observed: bool = True, notes: tuple[str, ...] = ()) -> list[str]:
    """The lines of a plan with these steps."""
    return lines(Plan("thor01", observed, (Share("x", steps, notes=notes),)))


@pytest.mark.parametrize(
    ("size", "seconds", "costs"),
    [
        (None, None, ""),
        (0, 0, ""),
        (999, None, ""),
        (1000, None, " (1 kB)"),
        (5_850_000_000, None, " (5.85 GB)"),
        (999_400_000, None, " (999 MB)"),
        (999_500_000, None, " (1 GB)"),
        (1_234_000_000_000, None, " (1.23 TB)"),
        (None, 89, " (about 89 s)"),
        (None, 90, " (about 2 min)"),
        (6 * 2**30, 267, " (6.44 GB, about 4 min)"),
    ],
)
def test_a_size_and_a_duration_stand_in_brackets(size: int | None, seconds: int | None, costs: str) -> None:
    assert told(Step(Kind.BUILD, "x", "it", "", size, seconds)) == [f"thor01: build it{costs}"]


def test_a_switch_is_called_replace_and_steps_share_a_line() -> None:
    steps = Step(Kind.FETCH, "x", "a", ""), Step(Kind.SWITCH, "x", "b", ""), Step(Kind.REMOVE, "x", "c", "")
    assert told(*steps) == ["thor01: fetch a; replace b; remove c"]


def test_nothing_to_do_is_said_and_notes_follow() -> None:
    assert told(notes=("look",)) == ["thor01: nothing to do", "thor01: note: look"]


def test_a_plan_without_a_look_says_so() -> None:
    assert told(observed=False)[-1].endswith("is known only after observing it: -e thor_plan_contact=true")


def test_a_plan_with_problems_is_its_refusal() -> None:
    plan = Plan("thor01", False, problems=(Problem("THOR-X", "a", 1, "No.", "Yes."),))
    assert lines(plan) == plan.refusal.splitlines()
