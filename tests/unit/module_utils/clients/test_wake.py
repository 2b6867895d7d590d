# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which services sleep, and waking them before they are asked."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import api, verdicts, verify, wake

ALWAYS = {
    "name": "ear",
    "unit": "thor-ear.service",
    "address": "127.0.0.1",
    "port": 9000,
    "api": "other",
    "api_path": "/x",
}
NAP = {**ALWAYS, "name": "nap", "unit": "thor-nap.service", "port": 8000, "start_timeout": 60}
NAP = {**NAP, "on_demand": {"idle_seconds": 900, "engine_port": 18000}, "health": "/health"}
OPEN = {"port": 8000, "address": "127.0.0.1", "unit": "thor-nap.socket", "pid": 1}
ENGINE = {"port": 18000, "address": "127.0.0.1", "unit": "thor-nap.service", "pid": 7}
QUESTIONS = verify.Questions(prompt="hi", max_tokens=8, timeout=1)


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The requests that wake services."""
    sent: list[tuple[Any, ...]] = []

    def request(address: str, port: int, path: str, *, timeout: float) -> tuple[int, bytes]:
        sent.append((address, port, path, timeout))
        return 503, b"whatever it says, it is awake"

    monkeypatch.setattr(api, "request", request)
    return sent


def states(
    *services: dict[str, Any], listening: tuple[dict[str, Any], ...] = (OPEN,), **more: Any
) -> list[tuple[str, str]]:
    results = verify.verify_services(services, QUESTIONS, listening=listening, **more)
    return [(one["name"], one["state"]) for one in results]


def test_it_sleeps_while_its_engine_does_not_listen() -> None:
    assert wake.is_asleep(NAP, [OPEN]) and not wake.is_asleep(NAP, [OPEN, ENGINE])
    assert not wake.is_asleep(ALWAYS, [])
    assert (wake.engine_port(NAP), wake.engine_port(ALWAYS)) == (18000, 9000)


def test_a_sleeping_service_is_woken_through_its_own_port(woken: list[tuple[Any, ...]]) -> None:
    assert states(NAP, ALWAYS) == [("nap", "unverified"), ("ear", "unverified")]
    assert woken == [("127.0.0.1", 8000, "/health", 180.0)]


def test_one_that_may_sleep_is_left_alone_and_counts_as_well(woken: list[tuple[Any, ...]]) -> None:
    (result,) = verify.verify_services([NAP], QUESTIONS, listening=[OPEN], let_sleep=["nap"])
    assert result["state"] == "asleep" and result["ok"] and not result["messages"] and not woken
    # Awake already, it is asked.
    assert states(NAP, listening=(OPEN, ENGINE), let_sleep=["nap"]) == [("nap", "unverified")]


def test_one_that_does_not_wake_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def request(*_arguments: Any, **_more: Any) -> Any:
        raise api.ProbeError("timeout", "no answer within 180 s")

    monkeypatch.setattr(api, "request", request)
    (result,) = verify.verify_services([NAP], QUESTIONS, listening=[OPEN])
    assert result["state"] == "failed" and result["problems"][0]["code"] == "THOR-ANSWER-MISSING"
    assert "does not wake up" in result["messages"][0]


def test_services_of_a_group_are_asked_one_after_the_other(
    woken: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def requests_of(service: dict[str, Any], _questions: verify.Questions) -> list[Any]:
        order.append(service["name"])
        return [lambda: verdicts.result(service, "chat")]

    monkeypatch.setattr(verify, "requests_of", requests_of)
    group = [{**NAP, "name": name, "exclusive": "big"} for name in ("a", "c", "b")]
    assert states(*group[:2], ALWAYS, group[2]) == [("a", "ok"), ("c", "ok"), ("ear", "ok"), ("b", "ok")]
    assert [name for name in order if name != "ear"] == ["a", "c", "b"]
    assert {timeout for *_where, timeout in woken} == {540.0}


def test_an_engine_that_listens_on_more_than_loopback_is_exposed() -> None:
    assert verify.exposed(NAP, [OPEN, ENGINE]) is None
    found = verify.exposed(NAP, [OPEN, {**ENGINE, "address": "0.0.0.0"}])
    assert found is not None and found.code == "THOR-LISTENS-OPEN"
    assert verify.exposed({**NAP, "address": "0.0.0.0"}, [{**ENGINE, "address": "0.0.0.0"}]) is not None
    assert verify.exposed(NAP, [{**OPEN, "address": "10.0.0.7"}]) is not None
