# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The switch of services that start on demand, with systemd played by a table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from ansible_collections.jetson.thor.plugins.module_utils.services import previous
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import ServiceFiles, paths_of
from ansible_collections.jetson.thor.plugins.module_utils.services.observation import observe
from ansible_collections.jetson.thor.plugins.module_utils.services.transaction import Touched
from switch_helper import Host, on_demand, service

SOCKET, PROXY, ENGINE, TURN = (
    "thor-chat.socket",
    "thor-chat-proxy.service",
    "thor-chat.service",
    "thor-chat-exclusive.service",
)


def ours(host: Host) -> list[str]:
    """The files of the service chat that exist."""
    return [Path(path).name for path in paths_of("chat") if host.disk.path(path).exists()]


def test_it_is_proven_by_its_door_and_boot_starts_its_socket_alone(host: Host) -> None:
    host.run(on_demand("chat", 8000))
    assert set(host.systemd.active) >= {SOCKET, PROXY, ENGINE}
    assert host.systemd.enabled == {SOCKET, "thor.target"}
    assert host.systemd.orders[-5:-1] == [f"start {SOCKET}", f"restart {PROXY}", f"restart {ENGINE}", "reload"]


def test_asleep_or_awake_an_unchanged_one_is_left_alone(host: Host) -> None:
    chat = on_demand("chat", 8000, turn="group big")
    host.run(chat)
    assert not host.difference(chat)
    host.systemd.sleep("chat")
    assert not host.difference(chat)
    assert host.carry_out(chat)["changed"] is False and host.serving == []


def test_one_whose_socket_does_not_listen_is_started(host: Host) -> None:
    chat = on_demand("chat", 8000)
    host.run(chat)
    host.systemd.stop(SOCKET, PROXY, ENGINE)
    assert host.run(chat).started == ["chat"]
    assert {SOCKET, PROXY, ENGINE} <= set(host.systemd.active)


def test_a_change_restarts_engine_and_door_and_the_socket_stays_open(host: Host) -> None:
    host.run(on_demand("chat", 8000))
    host.run(on_demand("chat", 8000, "better"))
    assert [one for one in host.systemd.orders if "chat" in one] == [f"restart {PROXY}", f"restart {ENGINE}"]
    host.run(on_demand("chat", 8001, "better"))  # another port
    assert f"start {SOCKET}" in host.systemd.orders
    assert host.systemd.active[SOCKET] == "8001"


@pytest.mark.parametrize("awake", [True, False])
def test_between_on_demand_and_always_both_ways(host: Host, awake: bool) -> None:
    host.run(service("chat", 8000))
    host.run(on_demand("chat", 8000, turn="group big"))
    assert ours(host) == ["thor-chat.service", "chat.json", SOCKET, PROXY, TURN]
    assert host.systemd.enabled == {SOCKET, "thor.target"} and host.systemd.active[SOCKET] == "8000"
    if not awake:
        host.systemd.sleep("chat")
    host.run(service("chat", 8000))
    assert ours(host) == ["thor-chat.service", "chat.json"]
    assert host.systemd.enabled == {ENGINE, "thor.target"} and host.serving == [ENGINE]
    assert SOCKET not in host.systemd.active
    assert not host.difference(service("chat", 8000))


def test_a_turn_that_is_given_up_leaves_nothing(host: Host) -> None:
    host.run(on_demand("chat", 8000, turn="group big"))
    assert host.difference(on_demand("chat", 8000)).switched == ["chat"]
    host.run(on_demand("chat", 8000))
    assert ours(host) == ["thor-chat.service", "chat.json", SOCKET, PROXY]
    assert f"stop {TURN}" in host.systemd.orders


def test_nothing_is_left_after_removal(host: Host) -> None:
    host.run(on_demand("chat", 8000, turn="group big"), service("ear", 9000))
    shown = host.diffs(service("ear", 9000))
    assert {Path(one["before_header"]).name for one in shown} == {ENGINE, SOCKET, PROXY, TURN}
    assert host.run(service("ear", 9000)).removed == ["chat"]
    assert ours(host) == [] and host.systemd.enabled == {"thor-ear.service", "thor.target"}
    assert not [unit for unit in host.systemd.active if "chat" in unit]


@pytest.mark.parametrize("old", [service("chat", 8000), on_demand("chat", 8000), on_demand("chat", 8000, turn="big")])
@pytest.mark.parametrize(
    "new", [service("chat", 8000, "bad"), on_demand("chat", 8000, "bad"), on_demand("chat", 8001, "bad", turn="x")]
)
def test_one_that_does_not_answer_goes_back_to_what_it_was(host: Host, old: ServiceFiles, new: ServiceFiles) -> None:
    host.run(old)
    with pytest.raises(JobFailed, match="THOR-SERVICE-START"):
        host.run(new)
    assert host.disk.definition("chat") == old.definition
    assert not host.difference(old)
    assert ENGINE in host.serving


@pytest.mark.parametrize("always", [True, False])
def test_a_sleeping_one_is_not_woken_by_a_rollback(host: Host, always: bool) -> None:
    old = on_demand("chat", 8000)
    host.run(old)
    host.systemd.sleep("chat")
    new = service("chat", 8000, "bad") if always else on_demand("chat", 8000, "bad")
    with pytest.raises(JobFailed):
        host.run(new)
    assert host.serving == [] and SOCKET in host.systemd.active and not host.difference(old)


def test_a_first_one_that_does_not_answer_is_gone_again(host: Host) -> None:
    with pytest.raises(JobFailed):
        host.run(on_demand("chat", 8000, "bad", turn="x"))
    assert ours(host) == [] and not [unit for unit in host.systemd.active if "chat" in unit]
    assert "thor-chat.socket" not in host.systemd.enabled


def test_restore_brings_it_back_as_it_was(host: Host) -> None:
    old = on_demand("chat", 8000, turn="group big")
    host.carry_out(old)
    host.carry_out(service("chat", 8000))
    before = [ServiceFiles(**one) for one in previous.services(host.disk)]
    assert before == [old]
    host.carry_out(*before, restore=True)
    assert host.disk.definition("chat") == old.definition and SOCKET in host.systemd.active


def test_a_service_may_have_the_name_of_a_part_that_nobody_has(host: Host) -> None:
    host.run(service("chat-proxy", 8000))
    assert host.difference(service("chat-proxy", 8000), service("chat", 8001)).switched == ["chat"]
    host.run(service("chat-proxy", 8000), service("chat", 8001))
    assert not host.difference(service("chat-proxy", 8000), service("chat", 8001))
    # And its place may be taken by the part in one run.
    host.run(on_demand("chat", 8001))
    assert ours(host) == ["thor-chat.service", "chat.json", SOCKET, PROXY]
    assert not host.difference(on_demand("chat", 8001))


def test_its_two_ports_are_handed_over_like_any_other(host: Host) -> None:
    host.run(service("a", 18000), service("b", 8000))
    host.run(on_demand("chat", 8000))
    assert set(host.serving) == {ENGINE, PROXY}
    host.run(on_demand("chat", 8001), service("b", 8000))
    assert "thor-b.service" in host.serving and host.systemd.active[SOCKET] == "8001"


def test_a_stale_part_is_renewed(host: Host) -> None:
    chat = on_demand("chat", 8000)
    host.run(chat)
    host.systemd.launched[PROXY] = "earlier"
    assert host.difference(chat).switched == ["chat"]
    found = observe(host.disk, host.systemd)
    assert found.services == ["chat"] and found.units[SOCKET].runs


def test_the_record_of_an_interrupted_switch_from_before_there_were_parts_is_read() -> None:
    old: dict[str, Any] = {"files": {}, "enabled": True, "active": "active", "invocation": "1"}
    assert Touched(**old).served_by("chat") == [ENGINE]
    assert replace(Touched(**old), active="inactive").served_by("chat") == []
