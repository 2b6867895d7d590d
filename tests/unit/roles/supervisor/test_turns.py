# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is, from what systemd says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import systemd
from thor_supervisor import configuration, turns
from thor_supervisor.turns import DRAIN, END, WAIT, Member, Unit, step

ACTIVE, GONE = Unit("active"), Unit("inactive")
DRAINED = Unit("active", status="drained")


def waiting(since: int) -> Member:
    return Member(Unit("activating", "start", since=since), GONE, GONE)


def serving(door: Unit = ACTIVE, engine: Unit = ACTIVE, turn: Unit = ACTIVE) -> Member:
    return Member(turn, engine, door)


ASLEEP = Member(GONE, GONE, GONE)


@pytest.mark.parametrize(
    ("other", "action"),
    [
        (ASLEEP, None),
        (Member(Unit("failed"), GONE, GONE), None),
        (waiting(9), None),  # behind me
        (waiting(3), WAIT),  # before me
        (serving(), DRAIN),
        (serving(DRAINED), END),
        (serving(GONE, Unit("activating", "start")), WAIT),  # it starts, and must be allowed an answer
        (serving(GONE, Unit("activating", "auto-restart")), END),  # it has crashed
        (serving(ACTIVE, Unit("activating", "auto-restart-queued")), END),
        (serving(DRAINED, Unit("deactivating")), WAIT),
        (serving(GONE, GONE, Unit("deactivating")), WAIT),
        (serving(GONE, GONE, ACTIVE), WAIT),  # nobody needs it any more: systemd ends it
        (Member(GONE, Unit("deactivating"), GONE), WAIT),
        (Member(Unit("activating", "auto-restart", since=1), GONE, GONE), None),
    ],
)
def test_what_keeps_me_from_my_turn(other: Member, action: str | None) -> None:
    assert step("b", {"a": other, "b": waiting(5)}) == ({} if action is None else {"a": action})


def test_only_the_first_in_line_acts() -> None:
    members = {"a": serving(), "b": waiting(5), "c": waiting(4)}
    assert step("b", members) == {"c": WAIT}
    assert step("c", members) == {"a": DRAIN}


def test_two_that_ask_at_once_take_turns_by_their_names() -> None:
    members = {"a": waiting(5), "b": waiting(5)}
    assert step("a", members) == {} and step("b", members) == {"a": WAIT}


def test_every_order_of_asking_ends_and_is_first_come_first_served() -> None:
    """Play systemd: whoever ends its turn and is asked again goes behind everybody else."""
    now = 10
    members = {name: waiting(since) for name, since in (("a", 3), ("b", 1), ("c", 2))}
    held: list[str] = []
    for _round in range(30):
        for name, member in list(members.items()):
            if member.waits:
                actions = step(name, members)
                if not actions:
                    held.append(name)
                    members[name] = serving()
                for other, action in actions.items():
                    if action == DRAIN:
                        members[other] = serving(DRAINED)
                    if action == END:
                        now += 1
                        members[other] = waiting(now)
        assert sum(one.turn.active == "active" for one in members.values()) <= 1
    assert held[:6] == ["b", "c", "a", "b", "c", "a"]


def test_the_members_of_a_group_are_found_by_their_configurations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "CONFIGS", str(tmp_path))
    for name, text in {
        "red": '{"exclusive": "big"}',
        "blue": '{"exclusive": "big"}',
        "other": '{"exclusive": "small"}',
        "always": "{}",
        "torn": "{",
        "list": "[]",
    }.items():
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
    assert turns.members_of("big") == ["blue", "red"]


class Systemd:
    """Answers with one state after the other, and keeps the orders."""

    def __init__(self, *states: dict[str, dict[str, str]]) -> None:
        self.states = list(states)
        self.orders: list[tuple[str, ...]] = []

    def observe(self, units: list[str], *_properties: str) -> dict[str, dict[str, str]]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {unit: {"ActiveState": "inactive", **state.get(unit, {})} for unit in units} if state else {}


@pytest.fixture
def take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Systemd], int]:
    monkeypatch.setattr(configuration, "CONFIGS", str(tmp_path))
    monkeypatch.setattr(turns, "TICK", 0)
    for name in ("red", "blue"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"exclusive": "big"}), encoding="utf-8")

    def take(manager: Systemd) -> int:
        monkeypatch.setattr(systemd, "observe", manager.observe)
        monkeypatch.setattr(turns, "order", lambda *arguments: manager.orders.append(arguments))
        return turns.take("blue")

    return take


MINE = {"ActiveState": "activating", "SubState": "start", "InactiveExitTimestampMonotonic": "5"}
UP = {"ActiveState": "active", "InvocationID": "1"}
BUSY = {"thor-blue-exclusive.service": MINE, "thor-red-exclusive.service": UP, "thor-red.service": UP}


def test_the_holder_is_drained_then_its_engine_stopped_and_its_door_last(take: Callable[[Systemd], int]) -> None:
    busy = {**BUSY, "thor-red-proxy.service": UP}
    done = {**BUSY, "thor-red-proxy.service": {**UP, "StatusText": "drained"}}
    manager = Systemd({}, busy, busy, done, {"thor-blue-exclusive.service": MINE})
    assert take(manager) == 0
    drain = ("kill", "--kill-whom=main", "--signal=SIGUSR1", "thor-red-proxy.service")
    assert manager.orders == [drain, drain, ("stop", "thor-red-exclusive.service"), ("stop", "thor-red-proxy.service")]


def test_an_answer_without_end_does_not_keep_the_memory(
    take: Callable[[Systemd], int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(turns, "DRAIN_LIMIT", -1.0)
    manager = Systemd({**BUSY, "thor-red-proxy.service": UP}, {"thor-blue-exclusive.service": MINE})
    assert take(manager) == 0
    assert manager.orders == [("stop", "thor-red-exclusive.service"), ("stop", "thor-red-proxy.service")]
    assert "red has not finished its answers" in capsys.readouterr().err
