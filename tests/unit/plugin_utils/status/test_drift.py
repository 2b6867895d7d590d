# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How a host differs from its inventory, in words."""

from __future__ import annotations

from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Kind, Plan, Share, Step
from ansible_collections.jetson.thor.plugins.plugin_utils.status.drift import drift

CHANGED = "THOR-UNIT-DRIFT: thor01: thor-chat.service: /etc/systemd/system/thor-chat.service.d/mine.conf = ExecStart: it changes it"


def host(**more: Any) -> dict[str, Any]:
    units: dict[str, Any] = {
        "thor-chat.service": {},
        "thor-gateway.service": {},
        "thor-chat-proxy.service": {},
        "thor-chat-exclusive.service": {},
    }
    return {"serving": {"services": ["chat"], "drift": {}}, "units": units, **more}


def plan(*steps: Step, problems: tuple[Problem, ...] = ()) -> Plan:
    return Plan("thor01", True, () if problems else (Share("serving", steps),), problems)


def test_a_host_with_nothing_to_do_is_in_step() -> None:
    assert drift(plan(), host(), {"drop_ins": {}}) == {"in_step": True, "steps": [], "by_hand": [], "problems": []}


def test_what_a_run_would_do_is_said_with_its_reason() -> None:
    steps = (
        Step(Kind.SWITCH, "serving", "chat", "its definition has changed"),
        Step(Kind.FETCH, "model_store", "qwen3-8b", "missing", 5 * 10**9),
        Step(Kind.CHECK, "serving", CHANGED, "not managed by this collection; remove it yourself"),
    )
    found = drift(plan(*steps), host(), {"drop_ins": {}})
    assert found["in_step"] is False
    assert found["steps"] == ["replace chat (its definition has changed)", "fetch qwen3-8b (missing)"]
    assert found["by_hand"] == [CHANGED]


def test_what_somebody_did_by_hand_is_told_once() -> None:
    path = "/etc/systemd/system/thor-chat.service.d/"
    there = host(serving={"services": ["chat"], "drift": {"thor-chat.service": [CHANGED]}})
    there["units"] = {**there["units"], "thor-mine.service": {}}
    drop_ins = {"thor-chat.service": [f"{path}mine.conf", f"{path}limits.conf"]}
    step = Step(Kind.CHECK, "serving", CHANGED, "not managed by this collection; remove it yourself")
    found = drift(plan(step), there, {"drop_ins": drop_ins})
    assert found["by_hand"] == [
        CHANGED,
        f"thor-chat.service: {path}limits.conf limits or orders the unit; it is left as it is",
        "thor-mine.service: a unit by hand, which nothing here manages",
    ]
    assert found["steps"] == [] and found["in_step"] is False


def test_what_a_run_would_refuse_is_no_plan() -> None:
    problem = Problem("THOR-MEMORY-LOW", "thor_services", 200, "they need 200 GiB.", "Serve less.")
    found = drift(plan(problems=(problem,)), host(), {"drop_ins": {}})
    assert found["in_step"] is None and found["steps"] == []
    assert found["problems"] == ["THOR-MEMORY-LOW: thor_services: they need 200 GiB."]
