# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The switch from services that are to services that should be, with systemd played by a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.job import JobFailed
from ansible_collections.jetson.thor.plugins.module_utils.switch import (
    MARKER,
    Definition,
    Difference,
    Disk,
    File,
    Kept,
    Progress,
    Service,
    State,
    Switch,
    Systemctl,
    Wanted,
    before,
    carry_out,
    compare,
    first_exception,
    last_served,
    reason_of,
)


class Systemd(Systemctl):
    """A systemd whose units run when their text does not say ``bad`` and nobody else has their port."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.active: dict[str, str] = {}
        self.enabled: set[str] = set()
        self.orders: list[str] = []
        self.starts = 0
        self.invocations: dict[str, str] = {}

    def states(self, units: Sequence[str]) -> dict[str, State]:
        return {
            unit: State(
                "active" if unit in self.active else "inactive",
                "enabled" if unit in self.enabled else "",
                self.invocations.get(unit, ""),
            )
            for unit in units
        }

    def reload(self) -> None:
        self.orders.append("reload")

    def enable(self, unit: str, reload: bool = False) -> None:
        self.enabled.add(unit)
        if reload:
            self.reload()

    def disable(self, unit: str) -> None:
        self.enabled.discard(unit)

    def settle(self) -> None:
        self.orders.append("settle")

    def stop(self, unit: str) -> None:
        self.orders.append(f"stop {unit}")
        self.active.pop(unit, None)

    def start(self, unit: str, restart: bool, report: Progress, done: int, total: int) -> bool:
        report.progress(done, total)
        name = unit.removeprefix("thor-").removesuffix(".service")
        definition = self.disk.definition(name)
        if not restart and unit in self.active:
            return True
        self.orders.append(f"{'restart' if restart else 'start'} {unit}")
        self.active.pop(unit, None)
        port = str(definition.port) if definition.port else unit
        if "bad" in (definition.unit or "") or port in self.active.values():
            return False
        self.active[unit] = port
        self.starts += 1
        self.invocations[unit] = str(self.starts)
        return True

    def journal(self, unit: str, since: float) -> list[str]:
        assert since > 0
        return [
            "loading",
            "thor-serve: THOR-ENGINE-EXITED: the engine ended with code 3",
            f"{unit}: Failed with result 'x'.",
        ]


class Silent:
    """A reporter that tells nobody."""

    def progress(self, done: float, total: float, unit: str = "steps", text: str = "") -> None:
        """Say nothing."""

    def say(self, line: str) -> None:
        """Say nothing."""


def service(name: str, port: int, text: str = "good") -> Service:
    return Service(name, f"{MARKER} {name}\n{text}\n", json.dumps({"port": port}))


class Host:
    """A disk and a systemd, and runs on them."""

    def __init__(self, root: Path) -> None:
        self.disk = Disk(root)
        self.systemd = Systemd(self.disk)

    def difference(self, *services: Service, files: Sequence[File] = ()) -> Difference:
        return compare(Wanted(list(files), ["thor.target"], list(services)), self.disk, self.systemd)

    def run(self, *services: Service, files: Sequence[File] = ()) -> Difference:
        self.systemd.orders.clear()
        wanted = Wanted(list(files), ["thor.target"], list(services))
        difference = compare(wanted, self.disk, self.systemd)
        Switch(wanted, difference, self.disk, self.systemd, Silent()).run()
        return difference

    def unit(self, name: str) -> str:
        return self.disk.definition(name).unit or ""

    @property
    def serving(self) -> list[str]:
        return sorted(unit for unit in self.systemd.active if unit.endswith(".service"))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


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


def test_one_that_does_not_run_is_started_without_a_restart(host: Host) -> None:
    host.run(service("chat", 8000))
    host.systemd.active.pop("thor-chat.service")
    difference = host.run(service("chat", 8000))
    assert difference.started == ["chat"]
    assert not difference.switched
    assert "start thor-chat.service" in host.systemd.orders


def test_what_is_no_longer_wanted_goes_first_and_strangers_stay(host: Host) -> None:
    host.run(service("chat", 8000))
    host.disk.write("etc/systemd/system/thor-stranger.service", "[Unit]\nDescription=not ours\n")
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
    assert host.disk.kept("ear") is None
    assert host.serving == ["thor-chat.service"]


def test_a_heir_that_does_not_answer_is_removed_and_the_old_one_comes_back(host: Host) -> None:
    host.run(service("chat", 8000))
    with pytest.raises(JobFailed, match=r"thor-ear\.service was removed again: there was none before"):
        host.run(service("ear", 8000, "bad"))
    assert not host.unit("ear")
    assert host.serving == ["thor-chat.service"]


def test_a_heir_whose_run_was_cut_off_is_taken_up_again(host: Host) -> None:
    host.run(service("chat", 8000))
    heir = service("ear", 8000)
    # Power is lost after the new definition was written and before the old one was stopped.
    host.disk.keep("ear", Kept(host.disk.definition("ear"), False, ""))
    host.disk.write("etc/systemd/system/thor-ear.service", heir.unit)
    host.disk.write("etc/thor/services/ear.json", heir.config)
    difference = host.run(heir)
    assert (difference.removed, difference.started) == (["chat"], ["ear"])
    assert host.serving == ["thor-ear.service"]
    assert not host.difference(heir)


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


def test_a_run_that_was_cut_off_goes_back_to_what_had_served(host: Host) -> None:
    host.run(service("chat", 8000))
    served = host.disk.definition("chat")
    # Power is lost after the new definition was written and before it has answered.
    host.disk.keep("chat", Kept(served, False, "1"))
    bad = service("chat", 8000, "bad")
    host.disk.write("etc/systemd/system/thor-chat.service", bad.unit)
    host.systemd.active.clear()
    assert host.difference(bad).started == ["chat"]
    with pytest.raises(JobFailed, match="serves again as it did before"):
        host.run(bad)
    assert host.disk.definition("chat") == served
    assert host.serving == ["thor-chat.service"]


def test_a_definition_that_was_written_and_not_started_is_started(host: Host) -> None:
    host.run(service("chat", 8000))
    unit = "thor-chat.service"
    host.disk.keep("chat", Kept(host.disk.definition("chat"), False, host.systemd.invocations[unit]))
    second = service("chat", 8000, "second")
    host.disk.write(f"etc/systemd/system/{unit}", second.unit)
    assert host.difference(second).switched == ["chat"]
    host.run(second)
    assert f"restart {unit}" in host.systemd.orders
    assert not host.difference(second)


def test_a_definition_that_came_up_after_the_cut_is_what_serves(host: Host) -> None:
    host.run(service("chat", 8000))
    host.disk.keep("chat", Kept(host.disk.definition("chat"), False, "an earlier start"))
    second = service("chat", 8000, "second")
    host.disk.write("etc/systemd/system/thor-chat.service", second.unit)  # and it serves since the boot
    assert not host.difference(second)
    with pytest.raises(JobFailed):
        host.run(service("chat", 8000, "bad"))
    assert host.unit("chat") == second.unit


def test_an_unchanged_service_that_cannot_start_keeps_trying(host: Host) -> None:
    host.run(service("chat", 8000))
    host.systemd.active["thief.service"] = host.systemd.active.pop("thor-chat.service")
    with pytest.raises(JobFailed, match="systemd goes on trying"):
        host.run(service("chat", 8000))
    assert host.unit("chat")
    assert "thor-chat.service" in host.systemd.enabled


def test_the_difference_is_shown(host: Host) -> None:
    host.run(service("chat", 8000), service("old", 8001))
    diff = {item["after_header"]: item for item in host.difference(service("chat", 8000, "new")).diff}
    assert diff["/etc/systemd/system/thor-chat.service"]["before"].endswith("good\n")
    assert diff["/etc/systemd/system/thor-chat.service"]["after"].endswith("new\n")
    assert diff["/etc/systemd/system/thor-old.service"]["after"] == ""
    assert "/etc/thor/services/chat.json" not in diff


def test_the_first_exception_is_shown_where_it_stands_above_the_last_lines() -> None:
    cause = "(EngineCore pid=7) ERROR 11-24 [core.py:1] ImportError: Please install modelscope>=1.18.1"
    tail = [f"(APIServer pid=1)   File {number}" for number in range(40)]
    last = "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above."
    assert first_exception(["INFO ok", cause, *tail, last])[1].strip() == cause
    assert first_exception([cause, last]) == [], "the last lines show it"
    assert first_exception(tail) == []


@pytest.mark.parametrize(
    ("journal", "code", "reason"),
    [
        (["thor-serve: THOR-GPU-UNUSED: no GPU", "Failed to start x."], "THOR-GPU-UNUSED", "no GPU"),
        (
            ["x.service: Failed at step EXEC", "x.service: Failed with result 'exit-code'."],
            None,
            "x.service: Failed at step EXEC",
        ),
        (["the model said THOR-FAKE: x"], None, "the model said THOR-FAKE: x"),
        ([], None, "its journal says nothing"),
    ],
)
def test_the_reason_is_found_in_the_journal(journal: list[str], code: str | None, reason: str) -> None:
    assert reason_of(journal) == (code, reason)


def test_what_last_served_is_what_a_host_goes_back_to(host: Host) -> None:
    host.run(service("chat", 8000), service("ear", 8080))
    old = {one["name"]: one for one in last_served(host.disk, host.systemd)}
    assert set(old) == {"chat", "ear"} and old["chat"]["unit"] == service("chat", 8000).unit
    # A run that was cut off after it had written the new definition: the one before it is what has served.
    host.disk.keep(
        "chat", Kept(host.disk.definition("chat"), False, host.systemd.invocations.get("thor-chat.service", ""))
    )
    host.disk.put("chat", Definition(service("chat", 8000, "bad").unit, service("chat", 8000, "bad").config))
    assert {one["name"]: one for one in last_served(host.disk, host.systemd)} == old
    host.run(*(Service(**one) for one in old.values()))
    assert host.serving == ["thor-chat.service", "thor-ear.service"]


def test_where_nothing_was_switched_nothing_can_be_taken_back(host: Host) -> None:
    with pytest.raises(JobFailed, match=r"THOR-NOTHING-BEFORE: .*before\.json is not there"):
        before(host.disk)


def carried(host: Host, *services: Service, restore: bool = False) -> dict[str, object]:
    """A run as the module makes it."""
    wanted = Wanted([], ["thor.target"], list(services))
    return carry_out(wanted, restore, host.disk, host.systemd, Silent())


def went_back(host: Host) -> dict[str, object]:
    return carried(host, *(Service(**one) for one in before(host.disk)), restore=True)


def test_the_way_back_stays_what_it_is_until_a_switch_has_come_to_its_end(host: Host) -> None:
    old, new, bad = ([service("a", 1, text), service("b", 2, text)] for text in ("good", "new", "new"))
    bad[1] = service("b", 2, "bad")
    carried(host, *old)
    for _again in range(2):
        with pytest.raises(JobFailed, match="THOR-SERVICE-START") as error:
            carried(host, *bad)
        assert error.value.extra["changed"] is True
        assert host.disk.definition("a").unit == new[0].unit, "the first of both was switched, and stays"
    went_back(host)
    assert [host.disk.definition(one.name).unit for one in old] == [one.unit for one in old]
    assert went_back(host)["changed"] is False, "to go back twice is to be there already"
    carried(host, *new)
    went_back(host)
    assert [host.disk.definition(one.name).unit for one in old] == [one.unit for one in old]


def test_a_way_back_that_failed_can_be_gone_again(host: Host) -> None:
    old, new = service("a", 1, "good"), service("a", 1, "new")
    carried(host, old)
    carried(host, new)
    start, host.systemd.start = host.systemd.start, lambda *_: False  # type: ignore[method-assign]
    with pytest.raises(JobFailed):
        went_back(host)
    host.systemd.start = start  # type: ignore[method-assign]
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
            carried(host, service("a", 1))
        assert error.value.extra["changed"] is True
    monkeypatch.setattr(host.systemd, "reload", full)
    with pytest.raises(JobFailed, match=r"THOR-SYSTEMD-FAILED: .*No space left on device") as error:
        carried(host, service("a", 1))
    assert error.value.extra["changed"] is True


def test_who_gives_up_memory_is_stopped_before_another_one_takes_it(host: Host) -> None:
    def pair(first: int, second: int) -> list[Service]:
        return [
            Service(name, f"{MARKER} {name}\n", json.dumps({"port": port, "memory_gib": memory}))
            for name, port, memory in (("a", 1, first), ("b", 2, second))
        ]

    host.run(*pair(60, 30))
    host.systemd.orders.clear()
    host.run(*pair(30, 60))
    assert "stop thor-b.service" not in host.systemd.orders, "what grows waits for its turn, and serves meanwhile"
    host.systemd.orders.clear()
    host.run(*pair(60, 30))
    orders = host.systemd.orders
    assert orders.index("stop thor-b.service") < orders.index("restart thor-a.service")
    assert host.serving == ["thor-a.service", "thor-b.service"]
