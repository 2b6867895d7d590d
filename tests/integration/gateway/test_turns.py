# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Two services of one group, which do not fit in memory together, answer in turn through the gateway."""

from __future__ import annotations

from typing import Any

import gateway_scene
from gateway_scene import Door

GROUP = {"red", "blue"}


def running(host: Any) -> set[str]:
    """Which engines of the group run."""
    return {name for name in GROUP if host.run(f"systemctl is-active thor-{name}.service").stdout.strip() == "active"}


def test_they_answer_in_turn_and_never_run_together(host: Any) -> None:
    gateway_scene.set_up()
    robot = Door(gateway_scene.key("robot7"))
    question = [{"role": "user", "content": "Who are you?"}]
    for name in ("red", "blue", "red"):
        if name == "red":
            answer = robot.call("chat", model=name, messages=question, max_tokens=200)
            assert "Hello from the sandbox!" in answer.get("text", ""), answer
        else:
            answer = robot.call("embed", model=name, encoding_format="float", input=["the red door", "a red door"])
            assert answer.get("sizes") == [512, 512], answer
        assert running(host) == {name}


def test_both_fit_on_one_budget() -> None:
    needs = [
        entry["memory_gib"] for entry in gateway_scene.variables()["thor_profiles"] if entry.get("exclusive") == "big"
    ]
    # 8 of the 122 GiB are kept for the system.
    assert len(needs) == 2 and sum(needs) > 122 - 8 > max(needs)
