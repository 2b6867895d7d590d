# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The switch from services that are to services that should be, with systemd played by a table."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from ansible_collections.jetson.thor.plugins.module_utils.services import previous
from ansible_collections.jetson.thor.plugins.module_utils.services.compare import Wanted
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import (
    Definition,
    File,
    ServiceFiles,
    paths_of,
)
from ansible_collections.jetson.thor.plugins.module_utils.services.failure import journal_text, reason_of
from ansible_collections.jetson.thor.plugins.module_utils.services.systemctl import runs_another
from switch_helper import Host, service


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


def test_the_first_exception_is_shown_where_it_stands_above_the_last_lines() -> None:
    cause = "(EngineCore pid=7) ERROR 11-24 [core.py:1] ImportError: Please install modelscope>=1.18.1"
    tail = [f"(APIServer pid=1)   File {number}" for number in range(40)]
    last = "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above."
    shown = journal_text("thor-chat.service", ["INFO ok", cause, *tail, last])
    assert shown[0].startswith("The first exception") and shown[1].strip() == cause
    assert "The last lines of journalctl -u thor-chat.service:" in shown
    assert journal_text("x", [cause, last])[0].startswith("The last lines"), "the last lines show it"
    assert journal_text("x", tail)[0].startswith("The last lines")


@pytest.mark.parametrize(
    ("journal", "code", "reason"),
    [
        (["supervisor: THOR-GPU-UNUSED: no GPU", "Failed to start x."], "THOR-GPU-UNUSED", "no GPU"),
        (["thor-serve: THOR-GPU-UNUSED: that of version 0.1"], "THOR-GPU-UNUSED", "that of version 0.1"),
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


TOOL = File("/opt/thor/bin/tool", "x\n", "0755")
UNIT = "/etc/systemd/system/thor-chat.service"


@pytest.mark.parametrize("path", [TOOL.path, UNIT, "/etc/thor/services/chat.json"])
@pytest.mark.parametrize("spoil", ["mode", "owner", "link"])
def test_wrong_modes_and_owners_are_put_right_without_a_restart(host: Host, path: str, spoil: str) -> None:
    if spoil == "owner" and os.geteuid() != 0:
        pytest.skip("only root gives files away")
    host.carry_out(service("chat", 8000), files=[TOOL])
    place = host.disk.path(path)
    mode, invocation = place.stat().st_mode, host.systemd.invocations["thor-chat.service"]
    if spoil == "mode":
        place.chmod(0o666)
    elif spoil == "owner":
        os.chown(place, 12345, 0)
    else:
        place.rename(host.disk.root / "elsewhere")
        place.symlink_to(host.disk.root / "elsewhere")
    assert [item.path for item in host.difference(service("chat", 8000), files=[TOOL]).files] == [path]
    assert host.carry_out(service("chat", 8000), files=[TOOL])["changed"] is True
    assert (place.lstat().st_mode, place.lstat().st_uid) == (mode, os.geteuid())
    assert host.systemd.invocations["thor-chat.service"] == invocation
    assert not host.difference(service("chat", 8000), files=[TOOL])


def test_a_unit_that_systemd_has_not_read_is_read_and_restarted(host: Host) -> None:
    host.carry_out(service("chat", 8000))
    good = host.unit("chat")
    # Edited, read and started; then put back, and not read.
    host.disk.write(File(UNIT, good.replace("good", "edited")))
    host.systemd.reload()
    host.systemd.start("thor-chat.service", True, lambda _status: None)
    host.disk.write(File(UNIT, good))
    assert host.difference(service("chat", 8000)).switched == ["chat"]
    host.systemd.reload()  # read by now, and the command that runs is still the edited one
    assert host.difference(service("chat", 8000)).switched == ["chat"]
    host.carry_out(service("chat", 8000))
    assert "restart thor-chat.service" in host.systemd.orders
    assert not host.difference(service("chat", 8000))


OPEN = "[Service]\nExecStart=\nExecStart=/usr/bin/llama-server \\\n  --host 0.0.0.0\n"


@pytest.mark.parametrize(
    ("folder", "text", "named"),
    [
        ("thor-chat.service.d", OPEN, "ExecStart"),
        ("thor-.service.d", OPEN, "ExecStart"),
        ("thor.target.d", "[Unit]\nConflicts=ssh.service\n", "Conflicts"),
        ("thor-chat.service.d", "[Service]\n Environment = X=1\nUser=root\n", "Environment, User"),
        (
            "thor-chat.service.d",
            "[Service]\n# ExecStart=x\nCPUWeight=10\nMemoryMax=1G\nLimitNOFILE=9\n[Unit]\nAfter=x\n",
            None,
        ),
        ("thor-chat.service.d", "", None),
        ("service.d", OPEN, None),  # of all units of the host
        ("thor-else.service.d", OPEN, None),
    ],
)
def test_a_drop_in_that_makes_another_service_of_it_is_drift(
    host: Host, folder: str, text: str, named: str | None
) -> None:
    host.carry_out(service("chat", 8000))
    path = f"/etc/systemd/system/{folder}/override.conf"
    host.disk.write(File(path, text))
    (host.disk.path(path).parent / "folder.conf").mkdir()
    drift = host.difference(service("chat", 8000)).drift
    assert [f"{path} = {named}" in line and line.startswith("THOR-UNIT-DRIFT: ") for line in drift] == [True] * bool(
        named
    )
    # The same where systemd has read it, and it lies elsewhere.
    host.disk.path(path).unlink()
    elsewhere = f"/run/systemd/system/{folder}/override.conf"
    host.disk.write(File(elsewhere, text))
    host.systemd.drop_ins = {
        unit: (elsewhere,) for unit in ("thor-chat.service", "thor.target") if folder != "thor-else.service.d"
    }
    assert bool(host.difference(service("chat", 8000)).drift) == bool(named)


@pytest.mark.parametrize("name", ["thor-chat-a.service.d", "thor-chat-.service.d", "thor-.service.d"])
@pytest.mark.parametrize("root", ["etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system"])
def test_a_drop_in_counts_wherever_systemd_would_read_it(host: Host, name: str, root: str) -> None:
    host.carry_out(service("chat-a", 8000))
    path = f"/{root}/{name}/override.conf"
    host.disk.write(File(path, OPEN))
    (line,) = host.difference(service("chat-a", 8000)).drift
    assert path in line
    # Of one name the first counts: this is how a person takes a distribution's away.
    host.disk.link("/dev/null", "/etc/systemd/system.control/thor-chat-a.service.d/override.conf")
    assert host.difference(service("chat-a", 8000)).drift == []


def test_what_cannot_be_read_in_place_of_a_file_is_written_anew(host: Host) -> None:
    host.carry_out(service("chat", 8000))
    drop_in = "/etc/systemd/system/thor-chat.service.d/circle.conf"
    host.disk.link("circle.conf", drop_in)
    for absolute in paths_of("chat")[:2]:
        place = host.disk.path(absolute)
        for spoil in (lambda place: place.symlink_to(place), os.mkfifo, lambda place: place.write_text("[" * 100_000)):
            place.unlink()
            spoil(place)
            assert host.difference(service("chat", 8000)).switched == ["chat"]
            host.carry_out(service("chat", 8000))
            assert place.is_file() and not host.difference(service("chat", 8000))


@pytest.mark.parametrize("config", ["[" * 100_000, '{"memory_gib": 1' + "0" * 400 + "}", '{"memory_gib": NaN}'])
def test_a_configuration_of_nobody_has_no_memory(config: str) -> None:
    assert (Definition(None, config).memory, Definition(None, config).port) == (0, None)


def test_another_command_than_the_one_that_systemd_would_start_is_seen() -> None:
    mine = Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
    shown = "{{ path=/x ; argv[]={} ; ignore_errors=no ; start_time=[n/a] ; pid=0 ; status=0/0 }}"
    process = str(os.getpid())
    assert runs_another({"MainPID": process, "ExecStart": shown.format(mine)}) is False
    assert runs_another({"MainPID": process, "ExecStart": shown.format(f"{mine} --host 0.0.0.0")}) is True
    # What cannot be told is no reason to restart anything.
    assert runs_another({"MainPID": process, "ExecStart": shown.format("/x $$HOME")}) is False
    assert runs_another({"MainPID": process, "ExecStart": "{ path=/x ; argv[]=two"}) is False
    assert runs_another({"MainPID": "0", "ExecStart": shown.format("/x")}) is False
    assert runs_another({}) is False
