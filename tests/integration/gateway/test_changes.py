# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A run that changes keys and certificate while clients are served, and a gateway that is killed: nobody notices, or not for long."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import client_machine
import gateway_scene
import pytest
from gateway_scene import HOST, INVENTORIES, NAME, ROOT, Door
from playbook_run import play

FRESH = "robot7-has-a-new-key-0123456789"
# Runs on the client until a file appears: a new connection every 50 ms, each with what it saw.
KNOCK = f"""
import json, os, socket, ssl, time
trust = ssl.create_default_context(cafile="thor-ca.crt")
failures, serials, knocks, end = [], [], 0, time.monotonic() + 120
while not os.path.exists("enough") and time.monotonic() < end:
    try:
        with socket.create_connection(("{NAME}", 443), timeout=10) as plain:
            with trust.wrap_socket(plain, server_hostname="{NAME}") as secure:
                serial = secure.getpeercert()["serialNumber"]
                secure.sendall(b"GET /v1/models HTTP/1.1\\r\\nHost: {NAME}\\r\\nConnection: close\\r\\n\\r\\n")
                answer = secure.recv(12)
        if not answer.startswith(b"HTTP/1.1 401"):
            failures.append(repr(answer))
        if serial not in serials:
            serials.append(serial)
    except OSError as error:
        failures.append(repr(error))
    knocks += 1
    time.sleep(0.05)
print(json.dumps({{"failures": failures, "serials": serials, "knocks": knocks}}))
"""
# Likewise: an answer of about ten megabytes, which it reads slowly until then, so that most of it is still on its way. The key comes from
# standard input.
LISTEN = f"""
import json, os, socket, ssl, sys, time
body = json.dumps({{"model": "chat", "messages": [{{"role": "user", "content": "Hi"}}], "stream": True, "max_tokens": 3900,
                   "ignore_eos": True, "logprobs": True, "top_logprobs": 20}})
head = [f"POST /v1/chat/completions HTTP/1.1", "Host: {NAME}", "Authorization: Bearer " + sys.stdin.read().strip(),
        "Content-Type: application/json", "Content-Length: " + str(len(body)), "Connection: close"]
plain = socket.socket()
plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
plain.connect(("{NAME}", 443))
secure = ssl.create_default_context(cafile="thor-ca.crt").wrap_socket(plain, server_hostname="{NAME}")
secure.settimeout(60)
secure.sendall(("\\r\\n".join(head) + "\\r\\n\\r\\n" + body).encode())
answer, before = bytearray(), 0
while piece := secure.recv(4096):
    answer += piece
    if not before and os.path.exists("enough"):
        before = len(answer)
    if not before:
        time.sleep(0.1)
print(json.dumps({{"status": answer[9:12].decode(), "pieces": answer.count(b"data: "), "whole": b"[DONE]" in answer[-100:],
                  "after": len(answer) - before}}))
"""


def site(**variables: Any) -> None:
    """Run the real playbook with other values for some variables."""
    extra = ROOT / ".sandbox" / "changes.json"
    extra.write_text(json.dumps(variables), encoding="utf-8")
    done = play("site.yml", *INVENTORIES[2:], "-l", HOST, "-e", f"@{extra}", inventory=INVENTORIES[1], timeout=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@dataclass(frozen=True)
class Seen:
    """What clients saw during the run."""

    stream: dict[str, Any]
    knocks: dict[str, Any]
    engines: tuple[str, str]
    old_workers: int  # of nginx, that finish answers with the old files after the run


@pytest.fixture(scope="module")
def seen(host: Any) -> Iterator[Seen]:
    """A run in the middle of an answer: the answer's client gets another key, and the certificate another name."""
    gateway_scene.set_up()
    client_machine.check("rm -f enough")
    before = host.check_output("systemctl show --value --property=InvocationID thor-chat.service")
    results: dict[str, Any] = {}

    def stream() -> None:
        client_machine.write("listen.py", LISTEN)
        results["stream"] = json.loads(
            client_machine.check("python3 listen.py", gateway_scene.key("robot7"), timeout=180)
        )

    def knock() -> None:
        results["knocks"] = json.loads(client_machine.check(f"python3 - <<'END'\n{KNOCK}\nEND", timeout=180))

    threads = [threading.Thread(target=one) for one in (stream, knock)]
    for thread in threads:
        thread.start()
    time.sleep(3)
    known = gateway_scene.variables()
    keys = {**known["thor_gateway_keys"], "robot7": {"key": FRESH, "models": "all"}}
    gateway = {
        **known["thor_gateway"],
        "names": [NAME, f"door-{time.time_ns()}"],
        "ca_dir": str(gateway_scene.CA.parent),
    }
    try:
        site(thor_gateway_keys=keys, thor_gateway=gateway)
        old = int(host.run("pgrep --full --count '^nginx: worker process is shutting down'").stdout)
        time.sleep(2)
        client_machine.check("touch enough")
        for thread in threads:
            thread.join(timeout=150)
        after = host.check_output("systemctl show --value --property=InvocationID thor-chat.service")
        yield Seen(results["stream"], results["knocks"], (before, after), old)
    finally:
        client_machine.check("touch enough")
        site()


def test_an_answer_goes_on_while_its_clients_key_is_replaced(seen: Seen) -> None:
    assert seen.stream["status"] == "200" and seen.stream["whole"], seen.stream
    assert seen.old_workers >= 1, "the answer was over before the run was"
    assert seen.stream["after"] > 1_000_000, seen.stream
    assert seen.stream["pieces"] > 3000
    assert seen.engines[0] == seen.engines[1], "the engine was not restarted"


def test_the_old_key_is_refused_from_then_on_and_the_new_one_is_not(seen: Seen) -> None:
    assert seen.stream
    assert Door(gateway_scene.key("robot7")).refused("models")[1] == 401
    assert Door(FRESH).call("models")["models"]


def test_the_certificate_is_replaced_without_a_dark_moment(seen: Seen) -> None:
    assert seen.knocks["failures"] == []
    assert seen.knocks["knocks"] > 50
    assert len(seen.knocks["serials"]) == 2, "the old one, then the new one"


def test_a_gateway_that_is_killed_is_back_at_once(host: Any, seen: Seen) -> None:
    assert seen.stream
    for whom in ("main", "all"):
        host.check_output(f"systemctl kill --kill-whom={whom} --signal=KILL thor-gateway.service")
        deadline = time.monotonic() + 10
        while "models" not in Door(FRESH).call("models"):
            assert time.monotonic() < deadline
            time.sleep(0.5)
    host.check_output("systemctl is-active thor-gateway.service")
