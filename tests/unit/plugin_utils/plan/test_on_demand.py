# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which services run together, and what the plan says of them."""

from __future__ import annotations

from typing import Any

import pytest
import resolved
from ansible_collections.jetson.thor.plugins.filter.plan_text import plan_text
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import memory
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.on_demand import duration, lines, together


def facts(name: str, port: int, gib: float, group: str | None = None) -> dict[str, Any]:
    more: dict[str, Any] = {"on_demand": {"idle": "15m"}, "exclusive": group} if group else {}
    return resolved.service(name=name, port=port, memory_gib=gib, **more).to_facts()


BIG = [
    facts("red", 8001, 60, "big"),
    facts("ear", 8002, 20),
    facts("blue", 8003, 90, "big"),
    facts("own", 8004, 9, "own"),
]


def test_services_of_a_group_share_their_memory() -> None:
    assert [[one["name"] for one in group] for group in together(BIG)] == [["red", "blue"], ["ear"], ["own"]]


def test_the_plan_says_when_they_run_and_with_whom_they_take_turns() -> None:
    said = "red starts with its first request and stops after 15m without one; its engine listens on 127.0.0.1:18001"
    assert lines(BIG)[0] == said
    assert lines(BIG)[-1] == "red, blue take turns (exclusive: big): one of them runs at a time"
    assert len(lines(BIG)) == 4 and lines(BIG[1:2]) == []
    assert said in plan_text(BIG, 122, 8)


def test_the_largest_of_a_group_is_counted_and_not_their_sum() -> None:
    assert memory.over(BIG, 127.0, 8) == []  # 90 + 20 + 9 + 8
    (problem,) = memory.over(BIG, 126.5, 8)
    assert problem.code == "THOR-MEMORY-OVER" and "need 119 GiB" in problem.reason and "take turns" in problem.reason
    alone = [{**one, "exclusive": None} for one in BIG]
    (problem,) = memory.over(alone, 127.0, 8)
    assert "need 179 GiB" in problem.reason and "take turns" not in problem.reason
    line = (
        "memory: max(60, 90) + 20 + 9 = 119 GiB of services and 8 GiB kept for the system, of 127 GiB: 0 GiB still free"
    )
    assert line in memory.text(BIG, 127, 8)


def test_a_shorter_context_is_offered_only_where_it_would_help() -> None:
    keys: dict[str, Any] = {"on_demand": {"idle": 5}, "exclusive": "big"}
    two = [resolved.service(name=name, port=port, **keys).to_facts() for name, port in (("a", 8001), ("b", 8002))]
    size = two[0]["memory_gib"]
    (problem,) = memory.over(two, size + 7, 8)
    assert "It would fit" not in problem.remedy, "the other one needs as much"
    (problem,) = memory.over(two[:1], size + 7, 8)
    assert "It would fit" in problem.remedy


@pytest.mark.parametrize(("seconds", "text"), [(900, "15m"), (90, "90s"), (3600, "1h"), (86400, "24h"), (1, "1s")])
def test_a_time_is_written_as_people_do(seconds: int, text: str) -> None:
    assert duration(seconds) == text
