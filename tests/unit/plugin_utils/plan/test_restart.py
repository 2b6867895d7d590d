# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which services of a host are restarted, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import restart, text
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.plan import plan
from sample_host import HOST, SERVICE, SETTINGS

CHAT = {**SERVICE, "name": "chat", "unit": "thor-chat.service"}
SMALL = {**SERVICE, "name": "small", "unit": "thor-small.service", "port": 8001}
DEPLOYED = {**HOST, "units": {"thor-chat.service": {}, "thor-small.service": {}}}


@pytest.mark.parametrize(("names", "restarted"), [([], ["chat", "small"]), (["small"], ["small"])])
def test_the_services_that_were_named_or_all(names: list[str], restarted: list[str]) -> None:
    share = restart.share([CHAT, SMALL], DEPLOYED, names)
    assert [step.subject for step in share.steps] == restarted
    assert share.section == {
        "services": [{"name": name, "unit": f"thor-{name}.service", "on_demand": False} for name in restarted]
    }
    assert share.problems == ()


def test_a_service_that_starts_on_demand_is_told() -> None:
    sleeper = {**CHAT, "on_demand": {"idle_seconds": 900, "engine_port": 18000}}
    (one,) = restart.share([sleeper], DEPLOYED, []).section["services"]
    assert one["on_demand"] is True


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    share = restart.share([CHAT, SMALL], DEPLOYED, ["smal"])
    (problem,) = share.problems
    assert (problem.code, problem.variable, problem.value) == ("THOR-SERVICE-UNKNOWN", "thor_service", "smal")
    assert problem.reason == "This host serves chat, small." and problem.remedy == "Did you mean 'small'?"
    (empty,) = restart.share([], DEPLOYED, ["chat"]).problems
    assert empty.reason == "This host serves nothing." and "-l" in empty.remedy


def test_a_service_that_is_not_deployed_is_refused() -> None:
    host = {**DEPLOYED, "units": {"thor-chat.service": {}}}
    share = restart.share([CHAT, SMALL], host, [])
    assert [(one.code, one.variable) for one in share.problems] == [("THOR-NOT-DEPLOYED", "thor_services[small]")]
    assert share.steps == ()


def test_only_the_playbook_that_asks_for_it_plans_a_restart() -> None:
    settings = replace(SETTINGS, restart=["small"])
    found = plan("t1", [CHAT, SMALL], DEPLOYED, settings, roles=["restart"])
    assert found.due == ("restart",) and text.lines(found) == ["t1: restart small"]
    assert "restart" not in plan("t1", [CHAT, SMALL], DEPLOYED, settings).as_dict()
    assert "restart" not in plan("t1", [CHAT, SMALL], DEPLOYED, settings).due
