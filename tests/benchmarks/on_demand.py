# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Services that start on demand, on a host of the sandbox: waking, stopping under load, and turns of an exclusive group.

The host must have three of them (tests/integration/gateway/test_on_demand.py says which). This file runs on the host itself, as
root, and prints JSON. The targets: a first answer within the engine's own start plus 1 s; no dropped answer in 100 cycles of start and
stop under load; a switch within a group within drain plus start plus 2 s; in a group with constant load on two members, both answer.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4},
    "/v1/embeddings": {"input": "hi"},
}


def ask(port: int, path: str = "/v1/chat/completions", timeout: float = 120, **more: Any) -> float:
    """Send one request on a connection of its own; returns the seconds to its complete answer. Raises OSError or ValueError."""
    begin = time.monotonic()
    content = json.dumps({**BODIES[path], **more}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", content, {"Content-Type": "application/json", "Connection": "close"}
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        json.loads(answer.read())
    return time.monotonic() - begin


def systemctl(*arguments: str) -> str:
    """What systemctl prints."""
    return subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False).stdout.strip()


def active(name: str) -> bool:
    """Whether the engine of a service runs."""
    return systemctl("is-active", f"thor-{name}.service") not in {"inactive", "failed"}


def wait_asleep(name: str, seconds: float) -> None:
    """Wait until the engine has stopped; raises TimeoutError."""
    end = time.monotonic() + seconds
    while active(name):
        if time.monotonic() > end:
            raise TimeoutError(f"{name} does not fall asleep")
        time.sleep(0.05)


def own_start(name: str) -> float:
    """How long the last start of the engine took, from its process to its readiness, by systemd's own clock."""
    shown = systemctl(
        "show", f"thor-{name}.service", "--property=ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic"
    )
    values = dict(re.findall(r"(\w+)=(\d+)", shown))
    return (int(values["ActiveEnterTimestampMonotonic"]) - int(values["ExecMainStartTimestampMonotonic"])) / 1e6


def first_answers(name: str, port: int, path: str, rounds: int) -> dict[str, Any]:
    """What waking costs beyond the engine's own start."""
    found = []
    for _round in range(rounds):
        systemctl("stop", f"thor-{name}-proxy.service")
        wait_asleep(name, 60)
        whole = ask(port, path)
        found.append((whole, own_start(name), ask(port, path)))
    return {
        "first_answer_s": [round(whole, 2) for whole, _start, _awake in found],
        "own_start_s": [round(start, 2) for _whole, start, _awake in found],
        "answer_when_awake_s": [round(awake, 2) for _whole, _start, awake in found],
        "most_beyond_s": round(max(whole - start - awake for whole, start, awake in found), 2),
        "median_beyond_s": round(statistics.median(whole - start - awake for whole, start, awake in found), 2),
    }


def cycles(name: str, port: int, number: int, idle: float) -> dict[str, Any]:
    """Answers that are dropped while the door closes ``number`` times: clients at once, then a pause of about the idle time, again."""
    source, dropped, answered = random.Random(1), list[str](), [0]

    def client(tokens: int) -> None:
        try:
            ask(port, max_tokens=tokens)
            answered[0] += 1
        except (OSError, ValueError) as error:
            dropped.append(f"{type(error).__name__}: {error}")

    begin, seen = time.monotonic(), set[str]()
    while len(seen) < number and time.monotonic() - begin < number * (idle + 10):
        threads = [threading.Thread(target=client, args=(tokens,)) for tokens in (1, 4, 16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seen.add(systemctl("show", "--value", "--property=InvocationID", f"thor-{name}.service"))
        time.sleep(idle + source.uniform(-0.02, 0.15))
    return {
        "starts": len(seen),
        "answered": answered[0],
        "dropped": dropped,
        "seconds": round(time.monotonic() - begin),
    }


def drained(seconds: list[float], port: int, path: str) -> None:
    """Append how long an answer took."""
    seconds.append(ask(port, path))


def turns(first: tuple[str, int, str], second: tuple[str, int, str], rounds: int) -> dict[str, Any]:
    """What a switch within a group costs beyond the drain of the one and the start of the other."""
    found = []
    for number in range(rounds):
        (_held, held_port, held_path), (name, port, path) = (first, second) if number % 2 == 0 else (second, first)
        ask(held_port, held_path)
        drain: list[float] = []
        begin = time.monotonic()
        last = threading.Thread(target=drained, args=(drain, held_port, held_path))
        last.start()
        whole = ask(port, path)
        last.join()
        found.append(whole - own_start(name) - min(drain[0], time.monotonic() - begin))
    return {
        "beyond_drain_and_start_s": [round(one, 2) for one in found],
        "median_s": round(statistics.median(found), 2),
    }


def both(first: tuple[str, int, str], second: tuple[str, int, str], seconds: float) -> dict[str, Any]:
    """The answers of two services of a group that are asked all the time."""
    answers = {first[0]: 0, second[0]: 0}
    longest = dict.fromkeys(answers, 0.0)
    dropped: list[str] = []
    end = time.monotonic() + seconds

    def client(name: str, port: int, path: str) -> None:
        while time.monotonic() < end:
            try:
                longest[name] = max(longest[name], ask(port, path))
                answers[name] += 1
            except (OSError, ValueError) as error:
                dropped.append(f"{name}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=client, args=one) for one in (first, second) for _client in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "answers": answers,
        "longest_wait_s": {name: round(one, 1) for name, one in longest.items()},
        "dropped": dropped,
    }


def main() -> None:
    """Run on the host, or send this file there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="thor08")
    parser.add_argument("--on-host", action="store_true")
    parser.add_argument("--base-port", type=int, default=8010, help="of nap; red and blue have the next two")
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--idle", type=float, default=4, help="the idle time of nap in seconds")
    given = parser.parse_args()
    if not given.on_host:
        config = Path(__file__).resolve().parents[2] / ".sandbox" / "ssh_config"
        more = [f"--base-port={given.base_port}", f"--cycles={given.cycles}", f"--idle={given.idle}"]
        command = ["ssh", "-F", str(config), given.host, "sudo", "python3", "-", "--on-host", *more]
        with Path(__file__).open(encoding="utf-8") as source:
            sys.exit(subprocess.run(command, stdin=source, check=False).returncode)
    nap, red, blue = given.base_port, given.base_port + 1, given.base_port + 2
    chat, embeddings = BODIES
    pair = ("red", red, chat), ("blue", blue, embeddings)
    print(
        json.dumps(
            {
                "first_answer": first_answers("nap", nap, chat, 5),
                "first_answer_exclusive": first_answers("blue", blue, embeddings, 3),
                "cycles": cycles("nap", nap, given.cycles, given.idle),
                "turns": turns(*pair, 6),
                "constant_load_on_both": both(*pair, 40),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
