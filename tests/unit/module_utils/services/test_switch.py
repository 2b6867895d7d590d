# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The switch from services that are to services that should be, with systemd played by a table."""

from __future__ import annotations

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from ansible_collections.jetson.thor.plugins.module_utils.services import previous
from ansible_collections.jetson.thor.plugins.module_utils.services.compare import Wanted
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import (
    Definition,
    File,
    ServiceFiles,
)
from switch_helper import Host, service


def test_the_first_run_starts_everything_and_the_second_finds_nothing_to_do(host: Host) -> None:
    services = [service("chat", 8000), service("ear", 8080)]
    tool = File("/opt/thor/bin/tool", "x\n", "0755")
    planned = host.difference(*services, files=[tool])
    assert planned.switched == ["chat", "ear"]
    assert planned.files == [tool]
    assert not host.disk.path("/opt/thor").exists()  # comparing touches nothing
    host.run(*services, files=[tool])
    assert host.serving == ["thor-chat.service", "thor-ear.service"]
    assert host.disk.path("/opt/thor/bin/tool").stat().st_mode & 0o777 == 0o755
    # A target would start services before their turn: it comes last.
    assert host.systemd.orders[-1] == "start thor.target"
    assert not host.difference(*services, files=[tool])


def test_only_what_differs_is_restarted(host: Host) -> None:
    host.run(service("chat", 8000), service("ear", 8080))
    host.run(service("chat", 8000), service("ear", 8080, "better"))
    assert [order for order in host.systemd.orders if "thor-" in order] == ["restart thor-ear.service"]


def test_a_service_whose_engine_was_renewed_at_its_path_is_restarted_as_it_is(host: Host) -> None:
    services = [service("chat", 8000), service("ear", 8080)]
    host.run(*services)
    before = host.systemd.invocations.copy()
    result = host.carry_out(*services, renewed=["chat", "gone"])
    assert result["changed"] and result["switched"] == ["chat"] and result["diff"] == []
    assert host.systemd.invocations["thor-chat.service"] != before["thor-chat.service"]
    assert host.systemd.invocations["thor-ear.service"] == before["thor-ear.service"]
    assert host.carry_out(*services)["changed"] is False
    # Through a job's spec, too, and without one that an older version of the collection wrote.
    spec = Wanted([], [], services, ["chat"]).spec()
    assert Wanted.from_spec(spec).renewed == ["chat"]
    del spec["renewed"]
    assert Wanted.from_spec(spec).renewed == []


def test_one_that_does_not_run_is_started_without_a_restart(host: Host) -> None:
    host.run(service("chat", 8000))
    host.systemd.active.pop("thor-chat.service")
    difference = host.run(service("chat", 8000))
    assert difference.started == ["chat"]
    assert not difference.switched
    assert "start thor-chat.service" in host.systemd.orders


def test_what_is_no_longer_wanted_goes_first_and_strangers_stay(host: Host) -> None:
    host.run(service("chat", 8000))
    host.disk.write(File("/etc/systemd/system/thor-stranger.service", "[Unit]\nDescription=not ours\n"))
    host.run(service("ear", 8000))
    assert host.systemd.orders.index("stop thor-chat.service") < host.systemd.orders.index("restart thor-ear.service")
    assert not host.unit("chat")
    assert host.unit("stranger")
    assert host.serving == ["thor-ear.service"]


def test_nothing_that_takes_time_lies_between_the_old_and_the_new_on_a_port(host: Host) -> None:
    host.run(service("chat", 8000))
    host.run(service("ear", 8000))
    orders = host.systemd.orders
    stop, start = orders.index("stop thor-chat.service"), orders.index("restart thor-ear.service")
    assert start == stop + 1
    assert orders.index("settle") < stop
    assert "reload" in orders[:stop]
    assert "reload" in orders[start:]  # systemd has to learn what the target wants


def test_a_heir_that_was_not_reached_leaves_nothing(host: Host) -> None:
    host.run(service("chat", 8000))
    with pytest.raises(JobFailed):
        host.run(service("new", 8081, "bad"), service("ear", 8000))
    assert not host.unit("ear")
    assert host.serving == ["thor-chat.service"]


def test_a_heir_that_does_not_answer_is_removed_and_the_old_one_comes_back(host: Host) -> None:
    host.run(service("chat", 8000))
    with pytest.raises(JobFailed, match=r"thor-ear\.service was removed again: there was none before"):
        host.run(service("ear", 8000, "bad"))
    assert not host.unit("ear")
    assert host.serving == ["thor-chat.service"]


def test_a_failed_switch_goes_back_and_stops_there(host: Host) -> None:
    host.run(service("chat", 8000), service("ear", 8080))
    with pytest.raises(JobFailed) as caught:
        host.run(service("chat", 8000, "bad"), service("ear", 8080, "better"))
    assert "good" in host.unit("chat")
    assert "good" in host.unit("ear")
    assert host.serving == ["thor-chat.service", "thor-ear.service"]
    assert "restart thor-ear.service" not in host.systemd.orders
    message = str(caught.value)
    assert message.startswith("THOR-SERVICE-START: ")
    assert "THOR-ENGINE-EXITED: the engine ended with code 3" in message
    assert "thor-chat.service serves again as it did before" in message
    assert caught.value.extra["restored"] == ["chat"]
    assert caught.value.extra["serving"] == ["thor-chat.service", "thor-ear.service"]


def test_a_new_one_that_fails_is_removed_and_the_removed_one_comes_back(host: Host) -> None:
    host.run(service("chat", 8000))
    with pytest.raises(JobFailed, match=r"thor-new\.service was removed again: there was none before"):
        host.run(service("new", 8000, "bad"))
    assert not host.unit("new")
    assert "thor-new.service" not in host.systemd.enabled
    assert host.serving == ["thor-chat.service"]
    assert "thor-chat.service" in host.systemd.enabled


def test_a_removed_one_stays_away_when_its_port_is_taken(host: Host) -> None:
    host.run(service("chat", 8000), service("ear", 8080))
    with pytest.raises(JobFailed):
        host.run(service("other", 8000), service("new", 8081, "bad"))
    assert not host.unit("chat")
    assert host.serving == ["thor-ear.service", "thor-other.service"]


def test_support_files_go_back_with_the_first_service(host: Host) -> None:
    old, new = File("/opt/thor/bin/tool", "old\n"), File("/opt/thor/bin/tool", "new\n")
    host.run(service("chat", 8000), files=[old])
    with pytest.raises(JobFailed):
        host.run(service("chat", 8000, "bad"), files=[new])
    assert host.disk.read("/opt/thor/bin/tool") == "old\n"


def test_two_services_swap_their_ports(host: Host) -> None:
    host.run(service("one", 8000), service("two", 8001))
    host.run(service("one", 8001), service("two", 8000))
    assert host.systemd.active["thor-one.service"] == "8001"
    assert host.systemd.active["thor-two.service"] == "8000"


def test_a_paused_service_comes_back_when_the_switch_fails(host: Host) -> None:
    host.run(service("one", 8000), service("two", 8001))
    with pytest.raises(JobFailed):
        host.run(service("one", 8001, "bad"), service("two", 8000))
    assert host.systemd.active["thor-one.service"] == "8000"
    assert host.systemd.active["thor-two.service"] == "8001"


def test_an_unchanged_service_that_cannot_start_keeps_trying(host: Host) -> None:
    host.run(service("chat", 8000))
    host.systemd.active["thief.service"] = host.systemd.active.pop("thor-chat.service")
    with pytest.raises(JobFailed, match="systemd keeps trying"):
        host.run(service("chat", 8000))
    assert host.unit("chat")
    assert "thor-chat.service" in host.systemd.enabled


def test_the_difference_is_shown(host: Host) -> None:
    host.run(service("chat", 8000), service("old", 8001))
    diff = {item["after_header"]: item for item in host.diffs(service("chat", 8000, "new"))}
    assert diff["/etc/systemd/system/thor-chat.service"]["before"].endswith("good\n")
    assert diff["/etc/systemd/system/thor-chat.service"]["after"].endswith("new\n")
    assert diff["/etc/systemd/system/thor-old.service"]["after"] == ""
    assert "/etc/thor/services/chat.json" not in diff


def test_where_nothing_was_switched_nothing_can_be_taken_back(host: Host) -> None:
    with pytest.raises(JobFailed, match=r"THOR-NOTHING-BEFORE: .*before\.json is not there"):
        previous.services(host.disk)


def went_back(host: Host) -> dict[str, object]:
    return host.carry_out(*(ServiceFiles(**one) for one in previous.services(host.disk)), restore=True)


def test_the_way_back_stays_what_it_is_until_a_switch_has_come_to_its_end(host: Host) -> None:
    old, new, bad = ([service("a", 1, text), service("b", 2, text)] for text in ("good", "new", "new"))
    bad[1] = service("b", 2, "bad")
    host.carry_out(*old)
    for _again in range(2):
        with pytest.raises(JobFailed, match="THOR-SERVICE-START") as error:
            host.carry_out(*bad)
        assert error.value.extra["changed"] is True
        assert host.disk.definition("a").unit == new[0].unit, "the first of both was switched, and stays"
    went_back(host)
    assert [host.disk.definition(one.name).unit for one in old] == [one.unit for one in old]
    assert went_back(host)["changed"] is False, "to go back twice is to be there already"
    host.carry_out(*new)
    went_back(host)
    assert [host.disk.definition(one.name).unit for one in old] == [one.unit for one in old]


def test_a_way_back_that_failed_can_be_gone_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = service("a", 1, "good"), service("a", 1, "new")
    host.carry_out(old)
    host.carry_out(new)
    with monkeypatch.context() as broken:
        broken.setattr(host.systemd, "start", lambda *_: False)
        with pytest.raises(JobFailed):
            went_back(host)
    went_back(host)
    assert host.disk.definition("a").unit == old.unit


def test_whatever_ends_a_switch_it_is_told_that_something_may_have_changed(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def refused(*_: object) -> None:
        raise JobFailed("THOR-SYSTEMD-FAILED: enable")

    with monkeypatch.context() as patch:
        patch.setattr(host.systemd, "enable", refused)
        with pytest.raises(JobFailed) as error:
            host.carry_out(service("a", 1))
        assert error.value.extra["changed"] is True
    monkeypatch.setattr(host.systemd, "reload", full)
    with pytest.raises(JobFailed, match=r"THOR-SWITCH-BROKEN: .*No space left on device") as error:
        host.carry_out(service("a", 1))
    assert error.value.extra["changed"] is True


def test_who_gives_up_memory_is_stopped_before_another_one_takes_it(host: Host) -> None:
    def pair(first: int, second: int) -> list[ServiceFiles]:
        return [service(name, port, memory=memory) for name, port, memory in (("a", 1, first), ("b", 2, second))]

    host.run(*pair(60, 30))
    host.systemd.orders.clear()
    host.run(*pair(30, 60))
    assert "stop thor-b.service" not in host.systemd.orders, "what grows waits for its turn, and serves meanwhile"
    host.systemd.orders.clear()
    host.run(*pair(60, 30))
    orders = host.systemd.orders
    assert orders.index("stop thor-b.service") < orders.index("restart thor-a.service")
    assert host.serving == ["thor-a.service", "thor-b.service"]


@pytest.mark.parametrize("config", ["[" * 100_000, '{"memory_gib": 1' + "0" * 400 + "}", '{"memory_gib": NaN}'])
def test_a_configuration_of_nobody_has_no_memory(config: str) -> None:
    assert (Definition(None, config).memory, Definition(None, config).port) == (0, None)
