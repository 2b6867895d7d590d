# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Services that fail in every way we know, on a real systemd: the previous services still serve, what hangs comes back.

They need a provisioned host: THOR_FAULTS_HOST (thor01) of THOR_FAULTS_INVENTORY (inventories/sandbox), reached as that
inventory says. Stand-ins (stand-in-engine) replace engines, beside the services of the inventory, which are
neither touched nor forgotten: the last run removes the stand-ins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import resolved
from sandbox_device import ROOT, Device, eventually, play, refused, served, stand_in


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    """The host; at the end the stand-ins are removed, and the inventory's services serve as before."""
    device = Device()
    yield device
    served(serving_liveness_interval=60, serving_liveness_timeout=60)
    assert "thor-fault-" not in device.run(
        "ls /etc/systemd/system /etc/thor/services /etc/systemd/system/thor.target.wants"
    )
    assert "thor-fault-" not in device.run("systemctl list-units --all 'thor-*' --no-legend --plain")


def test_start_returns_with_the_answer_and_a_second_run_changes_nothing(device: Device) -> None:
    service = stand_in("fault-one", 18101, "--delay", "3")
    served(service)
    assert device.answers(18101)
    assert "first answer after" in device.show("thor-fault-one.service", "StatusText")
    before = device.engine("fault-one")
    status, output = play(service)
    assert status == 0
    assert re.search(r"changed=0 ", output)
    assert device.engine("fault-one") == before


def test_engines_start_one_after_the_other(device: Device) -> None:
    services = [stand_in(f"fault-{name}", 18110 + index, "--delay", "4") for index, name in enumerate(("one", "two"))]
    served(*services)
    begin = device.clock()
    device.run("systemctl restart thor-fault-one.service thor-fault-two.service")
    launched = [
        float(re.findall(r"^launched (\S+) ", device.journal(f"fault-{name}", begin), re.MULTILINE)[-1])
        for name in ("one", "two")
    ]
    assert abs(launched[0] - launched[1]) >= 4
    assert "another engine is starting" in device.journal("fault-one", begin) + device.journal("fault-two", begin)


def test_two_services_swap_their_ports(device: Device) -> None:
    served(stand_in("fault-one", 18101), stand_in("fault-two", 18102))
    served(stand_in("fault-one", 18102), stand_in("fault-two", 18101))
    assert device.answers(18101)
    assert device.answers(18102)


def test_a_failed_switch_returns_to_the_previous_unit(device: Device) -> None:
    good, other = stand_in("fault-one", 18101), stand_in("fault-two", 18102)
    served(good, other)
    unit, untouched = device.run("cat /etc/systemd/system/thor-fault-one.service"), device.engine("fault-two")
    output = refused(stand_in("fault-one", 18101, mode="die"), stand_in("fault-two", 18102, "--delay", "1"))
    assert "THOR-SERVICE-START" in output
    assert "THOR-ENGINE-EXITED: the engine ended with code 3" in output
    assert "no such model, the stand-in ends" in output  # the journal's tail
    assert "thor-fault-one.service serves again as it did before" in output
    assert device.run("cat /etc/systemd/system/thor-fault-one.service") == unit
    assert device.answers(18101)
    assert device.engine("fault-two") == untouched


def test_the_unit_is_valid_hardened_and_the_first_to_die(device: Device) -> None:
    served(stand_in("fault-one", 18101))
    units = "/etc/systemd/system/thor-fault-one.service /etc/systemd/system/thor.target"
    assert device.run(f"systemd-analyze verify {units} /etc/systemd/system/thor-drop-caches.socket 2>&1") == ""
    exposure = json.loads(device.run("systemd-analyze security --no-pager --json=short thor-fault-one.service"))
    assert sum(float(item["exposure"] or 0) for item in exposure) < 2.5
    engine = device.engine("fault-one")
    account = int(device.run(f"stat -c %u /proc/{engine}"))
    assert 61184 <= account <= 65519, "systemd's range for accounts of single units"
    assert device.run(f"cat /proc/{engine}/oom_score_adj") == "900"
    # sshd gives itself -1000; in a container it may lack the permission, and has 0.
    assert int(device.run("cat /proc/$(systemctl show -P MainPID ssh.service)/oom_score_adj")) <= 0
    assert device.host.run(f"nsenter -t {engine} -m -S {account} touch /models/x").rc != 0


def test_a_hanging_engine_is_restarted(device: Device) -> None:
    served(stand_in("fault-one", 18101))
    begin, engine = device.clock(), device.engine("fault-one")
    device.run(f"kill -STOP {engine}")
    eventually(lambda: device.engine("fault-one") not in (0, engine) and device.answers(18101))
    assert "THOR-ENGINE-HUNG" in device.journal("fault-one", begin)


def test_killed_processes_come_back_and_leave_nothing_behind(device: Device) -> None:
    served(stand_in("fault-one", 18101))
    engine = device.engine("fault-one")
    device.run(f"kill -KILL {engine}")
    eventually(lambda: device.engine("fault-one") not in (0, engine) and device.answers(18101))
    engine = device.engine("fault-one")
    device.run(f"kill -KILL {device.show('thor-fault-one.service', 'MainPID')}")
    eventually(lambda: device.engine("fault-one") not in (0, engine) and device.answers(18101))
    assert device.host.run(f"kill -0 {engine}").rc != 0
    # The delay between starts grows, but it never gives up.
    assert device.show("thor-fault-one.service", "RestartUSecNext") != "5s"
    assert device.show("thor-fault-one.service", "StartLimitIntervalUSec") == "0"


def test_a_new_service_that_fails_is_removed_and_a_removed_one_comes_back(device: Device) -> None:
    served(stand_in("fault-one", 18101))
    output = refused(stand_in("fault-new", 18103, mode="die-0"))
    assert "the engine ended with code 0" in output
    assert "thor-fault-new.service was removed again" in output
    assert device.answers(18101)
    assert not device.host.file("/etc/systemd/system/thor-fault-new.service").exists


def test_an_interrupted_switch_still_knows_the_previous_services(device: Device) -> None:
    good = stand_in("fault-one", 18101)
    served(good)
    unit = device.run("cat /etc/systemd/system/thor-fault-one.service")
    bad = stand_in("fault-one", 18101, "--delay", "600", start_timeout=30)
    process = play(bad, background=True)
    eventually(lambda: "600" in device.run("cat /etc/systemd/system/thor-fault-one.service"))
    device.run("systemctl kill --signal=KILL thor-job-switch.service")
    output, _ = process.communicate(timeout=120)
    assert "THOR-JOB-LOST" in output
    assert "THOR-START-TIMEOUT" in refused(bad)
    assert device.run("cat /etc/systemd/system/thor-fault-one.service") == unit
    assert device.answers(18101)


def test_a_service_that_answers_only_errors_is_restarted(device: Device) -> None:
    served(stand_in("fault-one", 18101, mode="late-errors"))
    begin, engine = device.clock(), device.engine("fault-one")
    eventually(lambda: device.engine("fault-one") not in (0, engine))
    journal = device.journal("fault-one", begin)
    assert "THOR-ENGINE-HUNG" in journal
    assert "HTTP 500: an illegal memory access" in journal


@pytest.mark.usefixtures("device")
def test_a_service_that_never_answers_is_given_up_in_time() -> None:
    output = refused(stand_in("fault-new", 18103, mode="silent", start_timeout=5))
    assert "THOR-START-TIMEOUT" in output
    output = refused(stand_in("fault-new", 18103, mode="refuse"))
    assert "THOR-ENGINE-REFUSED" in output


def test_systemd_passes_on_exactly_the_arguments_and_the_environment(device: Device) -> None:
    words = [
        "",
        " ",
        ";",
        "$HOME ${HOME} $$",
        "100%n",
        'it\'s "quoted"',
        "back\\slash\\n",
        "two\nlines\ttab",
        "Grüße, 世界",
    ]
    words += ['{"temperature": 0.8, "stop": ["\\n", "$"]}', "#no comment", "-", "@x", "*", "~", "\x01\x7f"]
    tricky = " %h $HOME \"a\" 'b' \\ ü; # {} "
    begin = device.clock()
    served(stand_in("fault-words", 18105, *words, environment={"TRICKY": tricky}))
    found = re.search(r"^launched \S+ (.*)$", device.journal("fault-words", begin), re.MULTILINE)
    assert found
    got = json.loads(found[1])
    assert got["argv"][4:] == words
    assert got["tricky"] == tricky


@pytest.mark.usefixtures("device")
def test_a_silent_fall_back_to_the_cpu_fails() -> None:
    wanted = {"gpu": resolved.service(resolved.LLAMA).to_facts()["gpu"]}

    def says(log: str) -> list[str]:
        lines = (ROOT / "tests/unit/module_utils/services/logs" / log).read_text(encoding="utf-8").splitlines()
        return [word for line in lines for word in ("--log", line)]

    output = refused(stand_in("fault-gpu", 18104, **wanted), serving_require_gpu=True)
    assert "THOR-GPU-UNUSED" in output
    output = refused(
        stand_in("fault-gpu", 18104, *says("llama-partial-offload.txt"), **wanted), serving_require_gpu=True
    )
    assert "THOR-GPU-PARTIAL" in output and "only 8 of 37 layers" in " ".join(output.split())
    served(stand_in("fault-gpu", 18104, *says("llama-full-offload.txt"), **wanted), serving_require_gpu=True)
