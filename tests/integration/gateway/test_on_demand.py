# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Services that start on demand, on a host: nap (port 8010, idle for 4 s), and red and blue (8011 and 8012), which take turns."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from gateway_scene import HOST
from power_cut import cut_power
from testinfra.host import Host

NAP, RED, BLUE = 8010, 8011, 8012
PORTS = {"nap": NAP, "red": RED, "blue": BLUE}
ASLEEP = {"inactive", "failed"}


def ask(host: Host, port: int) -> bool:
    """Ask a service for a short chat, and the embedder blue for a vector; returns whether it answered."""
    chat = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}
    path, body, key = ("embeddings", {"input": "hi"}, "data") if port == BLUE else ("chat/completions", chat, "choices")
    sent = f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'"
    answer = host.check_output(f"curl -sS --max-time 120 {sent} http://127.0.0.1:{port}/v1/{path}")
    return bool(json.loads(answer)[key])


def state(host: Host, name: str) -> str:
    """What systemd says of an engine."""
    return str(host.run(f"systemctl is-active thor-{name}.service").stdout.strip())


def wait_asleep(host: Host, name: str) -> None:
    """Wait until the engine has stopped."""
    end = time.monotonic() + 45
    while state(host, name) not in ASLEEP:
        assert time.monotonic() < end, f"{name} does not fall asleep"
        time.sleep(0.3)


@pytest.fixture(autouse=True)
def nobody_fails(host: Host) -> Iterator[None]:
    """Whatever a test does, no unit of ours has failed after it, and the sockets listen."""
    yield
    assert host.check_output("systemctl list-units 'thor*' --state=failed --no-legend --plain") == ""
    for name in ("nap", "red", "blue"):
        assert host.run(f"systemctl is-active thor-{name}.socket").stdout.strip() == "active"


def test_boot_starts_the_socket_and_not_the_engine(host: Host) -> None:
    wanted = host.check_output("ls /etc/systemd/system/thor.target.wants").split()
    assert {"thor-nap.socket", "thor-red.socket", "thor-blue.socket"} <= set(wanted)
    assert not {"thor-nap.service", "thor-nap-proxy.service", "thor-red.service"} & set(wanted)


def test_a_request_wakes_it_and_it_falls_asleep_again(host: Host) -> None:
    wait_asleep(host, "nap")
    assert ask(host, NAP)
    assert state(host, "nap") == "active"
    # Liveness and metrics ask the engine's own port: they do not keep it up.
    end = time.monotonic() + 30
    while state(host, "nap") not in ASLEEP:
        host.run("curl -s --max-time 2 http://127.0.0.1:18010/health")
        assert time.monotonic() < end, "requests to the engine's own port keep it up"
    assert host.run("curl -s --max-time 2 http://127.0.0.1:18010/health").rc != 0 and state(host, "nap") in ASLEEP


def test_requests_at_the_moment_of_its_stop_are_answered(host: Host) -> None:
    for pause in (3.95, 4.0, 4.03, 4.08):
        assert ask(host, NAP)
        time.sleep(pause)
    assert ask(host, NAP)


def test_two_of_a_group_answer_in_turn_and_never_run_together(host: Host) -> None:
    together = []
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(ask, host, port) for port in (RED, BLUE, RED, BLUE)]
        while not all(one.done() for one in answers):
            states = host.run("systemctl is-active thor-red.service thor-blue.service").stdout.split()
            together.append(not ASLEEP & set(states))
            time.sleep(0.1)
    assert all(one.result() for one in answers) and len(together) > 3 and not any(together)


def test_a_crash_gives_the_turn_to_the_next(host: Host) -> None:
    assert ask(host, RED)
    process = host.check_output("systemctl show --value --property=MainPID thor-red.service")
    assert int(process) > 1
    host.check_output(f"kill -9 {process}")
    assert ask(host, BLUE)
    assert ask(host, RED)


def wait_until(host: Host, condition: str) -> None:
    """Wait until a shell command succeeds on the host."""
    host.check_output(f"timeout 30 sh -c 'until {condition}; do sleep 0.05; done'")


def test_a_power_cut_in_the_middle_of_starts_leaves_nothing_behind(host: Host) -> None:
    host.check_output("systemctl stop thor-nap-proxy thor-red-proxy thor-blue-proxy")
    for name in PORTS:
        wait_asleep(host, name)
    # nap's engine stands still as soon as there is one, so nap stays in its start. red has its turn and waits until nap has started
    # (one engine starts at a time), and blue waits for its turn.
    reached = {
        "nap": 'pkill -STOP -f "^/opt/thor/engines/.* --port 18010 "',
        "red": "systemctl is-active --quiet thor-red-exclusive && systemctl show thor-red | grep -q ^ActiveState=activating",
        "blue": "systemctl show thor-blue-exclusive | grep -q ^ActiveState=activating",
    }
    for name, condition in reached.items():
        host.check_output(f"systemd-run --quiet curl -s http://127.0.0.1:{PORTS[name]}/v1/models")
        wait_until(host, condition)
    assert state(host, "nap") == state(host, "red") == "activating"
    cut_power(HOST)
    assert host.run("timeout 60 systemctl is-system-running --wait").stdout.strip() in {"running", "degraded"}
    for name in PORTS:
        units = f"thor-{name} thor-{name}-proxy thor-{name}-exclusive thor-{name}.socket"
        states = host.run(f"systemctl is-active {units}").stdout.split()
        assert states == ["inactive", "inactive", "inactive", "active"], f"{name}: {units}"
    assert host.run("pgrep -f '^/opt/thor/engines/.* --port 1801[0-9] '").stdout == ""
    assert all(ask(host, port) for port in PORTS.values())
