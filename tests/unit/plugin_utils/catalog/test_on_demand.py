# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Services that start with their first request: their keys, their two ports, and what is refused about them."""

from __future__ import annotations

from typing import Any

import pytest
import resolved
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.on_demand import seconds
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import OnDemand, Service
from real_catalog import BUILT_IN, argument, codes, only, run

ON_DEMAND: dict[str, Any] = {"on_demand": {"idle": "15m"}}


def problems(*changes: dict[str, Any], **settings: Any) -> list[str]:
    return codes(run(*({"profile": resolved.LLAMA, **one} for one in changes), **settings))


@pytest.mark.parametrize(("written", "meant"), [("15m", 900), ("90s", 90), ("2h", 7200), ("7", 7), (900, 900), (1, 1)])
def test_an_idle_time_is_written_with_a_unit_or_in_seconds(written: int | str, meant: int) -> None:
    assert seconds(written) == meant
    found = resolved.service(on_demand={"idle": written}).on_demand
    assert found is not None and found.idle_seconds == meant


def test_the_engine_listens_on_a_port_of_its_own_on_loopback() -> None:
    service = resolved.service(port=9000, address="10.0.0.7", **ON_DEMAND)
    assert service.on_demand == OnDemand(idle_seconds=900, engine_port=19000)
    assert (service.address, service.port, service.engine_address, service.engine_port) == (
        *("10.0.0.7", 9000),
        *("127.0.0.1", 19000),
    )
    assert (argument(service, "host"), argument(service, "port")) == ("127.0.0.1", "19000")
    chosen = resolved.service(port=9000, on_demand={"idle": 5, "port": 9100})
    assert argument(chosen, "port") == "9100"


def test_a_service_that_always_runs_has_one_port() -> None:
    service = resolved.service(port=9000, address="10.0.0.7")
    assert service.on_demand is None and service.exclusive is None
    assert (service.engine_address, service.engine_port, argument(service, "port")) == ("10.0.0.7", 9000, "9000")


def test_it_survives_the_way_through_json() -> None:
    service = resolved.service(exclusive="big", **ON_DEMAND)
    assert service.to_facts()["on_demand"] == {"idle_seconds": 900, "engine_port": 18000}
    assert Service.from_facts(service.to_facts()) == service


def test_a_service_may_take_both_back_from_its_profile() -> None:
    profile = {**BUILT_IN.profiles[resolved.LLAMA], **ON_DEMAND, "exclusive": "big"}
    other = {"profile": "mine", "name": "b", "port": 9001, "on_demand": None, "exclusive": None}
    asleep, awake = run({"profile": "mine"}, other, extra={"profiles": {"mine": profile}}).services
    assert asleep.on_demand is not None and asleep.exclusive == "big"
    assert awake.on_demand is None and awake.exclusive is None


@pytest.mark.parametrize(
    "idle", ["soon", "15 m", "0", 0, -5, "1.5h", 604801, "99999999s", True, None, [5], {"minutes": 5}, "15m\n"]
)
def test_no_other_idle_time_is_accepted(idle: Any) -> None:
    (code,) = problems({"on_demand": {"idle": idle}})
    assert code in {"THOR-VALUE-INVALID", "THOR-TYPE-INVALID"}


def test_an_idle_time_of_more_than_a_week_is_refused_in_every_unit() -> None:
    assert problems({"on_demand": {"idle": "169h"}}) == ["THOR-VALUE-INVALID"]
    assert problems({"on_demand": {"idle": "168h"}}) == []


def test_misspelled_and_missing_keys_are_one_problem_each() -> None:
    assert problems({"on_demand": {"idel": "15m"}}) == ["THOR-KEY-UNKNOWN"]
    assert problems({"on_demand": {}}) == ["THOR-KEY-MISSING"]
    assert problems({"on_demand": True}) == ["THOR-TYPE-INVALID"]
    assert problems({"exclusive": "Not A Group", **ON_DEMAND}) == ["THOR-VALUE-INVALID"]


def test_a_service_that_always_runs_cannot_take_turns() -> None:
    problem = only(run({"profile": resolved.LLAMA, "exclusive": "big"}))
    assert (problem.code, problem.variable) == ("THOR-EXCLUSIVE-ALWAYS", "thor_profiles[0].exclusive")
    # What is wrong with on_demand is reported once.
    assert problems({"exclusive": "big", "on_demand": "15m"}) == ["THOR-TYPE-INVALID"]


@pytest.mark.parametrize(
    "change",
    [
        {"port": 60000, **ON_DEMAND},
        {"port": 9000, "on_demand": {"idle": 5, "port": 9000}},
        {"port": 9000, "on_demand": {"idle": 5, "port": 80}},
    ],
)
def test_an_engine_needs_a_port_that_it_can_have(change: dict[str, Any]) -> None:
    problem = only(run({"profile": resolved.LLAMA, **change}))
    assert problem.code == "THOR-ON-DEMAND-PORT" and problem.variable == "thor_profiles[0].on_demand.port"


def test_two_services_may_not_share_a_port_of_either_kind() -> None:
    other = {"name": "b", "port": 19000}
    assert problems({"port": 9000, **ON_DEMAND}, other) == ["THOR-PORT-DUPLICATE"]
    assert (
        problems({"port": 9000, **ON_DEMAND}, {**other, "on_demand": {"idle": 5, "port": 9000}})
        == ["THOR-PORT-DUPLICATE"] * 2
    )
    assert problems({"port": 9000, **ON_DEMAND}, {"name": "b", "port": 9001, **ON_DEMAND}) == []
    # A port that is refused says nothing about the one behind it.
    assert problems({"port": 80, **ON_DEMAND}, {"name": "b", "port": 10080}) == ["THOR-PORT-INVALID"]


def test_the_engines_own_options_cannot_name_its_internal_port() -> None:
    entry = {
        "model": BUILT_IN.profiles[resolved.LLAMA]["model"],
        "engine": "llama.cpp",
        "memory_gib": 9,
        "options": {"port": 9000, "host": "127.0.0.1"},
    }
    service = run(entry).services[0]
    assert service.port == 9000
    assert codes(run({**entry, **ON_DEMAND})) == ["THOR-ON-DEMAND-PORT"] * 2


@pytest.mark.parametrize("name", ["gateway", "metrics", "chat-proxy", "chat-exclusive"])
def test_names_of_our_own_units_are_reserved(name: str) -> None:
    found = run({"profile": resolved.LLAMA, "name": "chat"}, {"profile": resolved.LLAMA, "name": name, "port": 9001})
    assert only(found).code == "THOR-NAME-RESERVED" and only(found).value == name
    assert problems({"name": "other-proxy"}) == []
