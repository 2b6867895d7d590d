# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Memory for bodies: nobody gets more than there is, and no client can keep the others out. A body is announced here and not sent."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import gateway_run
import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import data_plane
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.gateway import BODIES_BYTES, CLIENT_BODIES_BYTES
from gateway_run import Answer, RunningGateway, client, wait_for
from gateway_services import services_on
from recording_engine import Engine

KEYS = {name: f"{name}-" + name[0] * 20 for name in ("first", "second", "third")}
MIB = 1 << 20
LARGE = b'{"model": "qwen3", "x": "' + b"y" * 200_000 + b'"}'


@pytest.fixture
def roomy(engine: Engine) -> Iterator[RunningGateway]:
    """A gateway that takes bodies as large as there may be, with three clients."""
    clients = [client(name, key, models=None) for name, key in KEYS.items()]
    with gateway_run.running(services_on(engine.server_port), clients, body_bytes=CLIENT_BODIES_BYTES) as found:
        yield found


def chat(gateway: RunningGateway, name: str, body: bytes | Iterator[bytes] = LARGE) -> Answer:
    return gateway.ask("POST", "/v1/chat/completions", KEYS[name], body, {"Content-Type": "application/json"})


@contextlib.contextmanager
def announced(gateway: RunningGateway, name: str, header: str) -> Iterator[socket.socket]:
    """A request whose body does not come; the gateway has let it in."""
    plain = socket.create_connection(("127.0.0.1", gateway.port), 10)
    with gateway.context.wrap_socket(plain, server_hostname="localhost") as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEYS[name]}\r\n{header}\r\n"
        connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100"), "the gateway wants no body"
        yield connection


def length(mib: int) -> str:
    return f"Content-Length: {mib * MIB}"


def is_refused(answer: Answer) -> bool:
    return answer.status == 503 and answer.error["code"] == "no_room" and answer.headers["retry-after"] == "5"


def test_a_client_has_half_of_the_room_and_the_others_the_rest(roomy: RunningGateway) -> None:
    with announced(roomy, "first", length(300)), announced(roomy, "first", length(212)):
        assert is_refused(chat(roomy, "first"))
        assert roomy.chat(KEYS["first"], "qwen3").status == 200, "a small body needs no room"
        assert chat(roomy, "second").status == 200
        with announced(roomy, "second", length(512)):
            assert is_refused(chat(roomy, "third")), "there is no more than all of it"
    wait_for(lambda: chat(roomy, "first").status == 200, "the room of clients that have left stays taken")
    records = [one for one in roomy.records(5) if one["status"] == 503]
    assert {one["error"] for one in records} == {"no_room"} and {one["client"] for one in records} == {"first", "third"}


def test_a_body_in_chunks_may_become_as_large_as_any_until_it_has_arrived(roomy: RunningGateway) -> None:
    with announced(roomy, "first", "Transfer-Encoding: chunked") as connection:
        assert is_refused(chat(roomy, "first"))
        body = b'{"model": "qwen3", "wait": 6}'
        connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        wait_for(lambda: chat(roomy, "first").status == 200, "the room of a body that has arrived stays taken", 5)
        assert b"200 OK" in connection.recv(4000)
    large = iter([LARGE[:100_000], LARGE[100_000:]])
    assert chat(roomy, "first", large).status == 200


def test_small_bodies_in_chunks_do_not_keep_each_other_out(roomy: RunningGateway) -> None:
    """Each may need all of the client's room for as long as it arrives."""

    def ask(_number: int) -> int:
        return chat(roomy, "first", iter([b'{"model": ', b'"qwen3"}'])).status

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(64))) == {200}


def test_a_body_keeps_its_room_until_its_answer_has_ended(roomy: RunningGateway, engine: Engine) -> None:
    before, larger = len(engine.asked), LARGE[:-2] + b"y" * 700_000 + b'"}'
    slow = threading.Thread(target=chat, args=(roomy, "first", LARGE[:-1] + b', "wait": 6}'))
    # That leaves one MiB: enough for each of the two, and not for both.
    with announced(roomy, "first", length(511)):
        slow.start()
        wait_for(lambda: len(engine.asked) > before, "the engine is not asked")
        assert is_refused(chat(roomy, "first", larger))
        slow.join()
        wait_for(lambda: chat(roomy, "first", larger).status == 200, "the room of an answer that has ended stays taken")


def test_the_room_of_a_worker_that_was_killed_is_free_again(roomy: RunningGateway) -> None:
    with announced(roomy, "first", length(512)):
        for worker in roomy.workers():
            gateway_run.kill(worker)
        wait_for(lambda: roomy.listens() and chat(roomy, "first").status == 200, "the room stays taken")


def test_the_room_is_what_the_unit_has() -> None:
    unit = (data_plane.ROLE / "files/thor-gateway.service").read_text(encoding="utf-8")
    (size,) = re.findall(r"^TemporaryFileSystem=/run/thor-gateway/bodies:size=(\d+)G,", unit, re.MULTILINE)
    (most,) = re.findall(r"^MemoryMax=(\d+)G$", unit, re.MULTILINE)
    assert int(size) << 30 == BODIES_BYTES and int(most) > int(size)
