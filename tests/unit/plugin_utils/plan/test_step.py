# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a plan is made of: order, what is due, and the fact that roles read."""

from __future__ import annotations

import json

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import SCHEMA, Kind, Plan, Share, Step

BUILD = Step(Kind.BUILD, "llama_cpp", "llama.cpp 0c1e570", "not built yet", 6 * 2**30, 267)
REPLACE = Step(Kind.SWITCH, "serving", "chat", "its engine changes")
SHARES = (
    Share("llama_cpp", (BUILD,), {"builds": ["x"]}),
    Share("model_store", (), {"models": []}, notes=("a note",)),
    Share("serving", (REPLACE,), {"renewed": ["chat"]}, notes=("another",)),
)


def test_steps_and_roles_are_in_the_order_in_which_they_run() -> None:
    plan = Plan("thor01", True, SHARES)
    assert plan.steps == (BUILD, REPLACE)
    assert plan.due == ("llama_cpp", "serving"), "a role without a step is not due"
    assert plan.notes == ("a note", "another") and plan.refusal == ""


def test_the_fact_has_a_section_for_every_role_due_or_not() -> None:
    fact = Plan("thor01", True, SHARES).as_dict()
    assert json.loads(json.dumps(fact)) == fact
    assert (fact["schema"], fact["host"], fact["observed"]) == (SCHEMA, "thor01", True)
    assert fact["model_store"] == {"models": []} and fact["serving"] == {"renewed": ["chat"]}
    assert fact["steps"][0] == {
        "kind": "build",
        "concern": "llama_cpp",
        "subject": "llama.cpp 0c1e570",
        "reason": "not built yet",
        "bytes": 6 * 2**30,
        "seconds": 267,
    }
    assert (fact["steps"][1]["bytes"], fact["steps"][1]["seconds"]) == (None, None)


def test_sections_are_those_of_the_roles_that_are_asked_for() -> None:
    assert Plan("thor01", True, SHARES).sections("serving", "power") == {"serving": {"renewed": ["chat"]}}


def test_problems_are_told_with_the_host() -> None:
    plan = Plan("thor01", True, problems=(Problem("THOR-X", "power_mode", "MAX", "No.", "Write MAXN."),))
    assert plan.refusal.splitlines()[1] == 'thor01: THOR-X: power_mode = "MAX": No. Write MAXN.'
    assert plan.as_dict()["problems"][0]["code"] == "THOR-X" and plan.as_dict()["due"] == []
