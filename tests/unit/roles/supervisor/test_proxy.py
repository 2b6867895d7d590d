# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The door of a service that takes turns, with real sockets and a small engine."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Coroutine
from typing import Any

import pytest
from thor_supervisor import proxy
from thor_supervisor.proxy import Door, one_request

REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\nbody"


@pytest.mark.parametrize(
    ("head", "changed"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"),
        (
            b"POST /v1 HTTP/1.1\r\nHost: a\r\nconnection: Keep-Alive\r\nKeep-Alive: timeout=5\r\nX: connection: y\r\n\r\n",
            b"POST /v1 HTTP/1.1\r\nHost: a\r\nX: connection: y\r\nConnection: close\r\n\r\n",
        ),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", None),
        (b"\x16\x03\x01 something else\r\n\r\n", None),
        (b"PRI * HTTP/2.0\r\n\r\n", None),
    ],
)
def test_a_connection_is_made_to_end_with_its_answer(head: bytes, changed: bytes | None) -> None:
    assert one_request(head) == (head if changed is None else changed)


class Engine:
    """Answers each connection once its whole request is there and ``go`` is set, and closes it."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.cut = 0
        self.go = asyncio.Event()
        self.go.set()

    async def start(self, port: int = 0) -> int:
        self.server = await asyncio.start_server(self._answer, "127.0.0.1", port)
        found: int = self.server.sockets[0].getsockname()[1]
        return found

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head + await reader.readexactly(4))
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfirst ")
            await self.go.wait()
            for _piece in range(40):
                writer.write(b"x" * 1000)
                await writer.drain()
                await asyncio.sleep(0.001)
            writer.write(b"last")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            self.cut += 1
        finally:
            writer.close()


class Scene:
    """A door with its listening socket, in front of an engine."""

    def __init__(self, idle: float, told: list[str]) -> None:
        self.engine, self.told = Engine(), told
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.idle = idle

    async def open(self, port: int | None = None) -> None:
        port = await self.engine.start() if port is None else port
        self.door = Door(self.listener, "127.0.0.1", port, self.idle)
        self.running = asyncio.create_task(self.door.run())
        await asyncio.sleep(0.05)

    async def ask(self) -> bytes:
        reader, writer = await asyncio.open_connection(*self.listener.getsockname())
        writer.write(REQUEST)
        try:
            return await reader.read()
        finally:
            writer.close()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(proxy, "notify", lambda *said: lines.extend(said))
    return lines


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


def test_it_passes_answers_on_and_ends_when_it_is_idle(told: list[str]) -> None:
    async def work() -> None:
        scene = Scene(0.3, told)
        await scene.open()
        answers = await asyncio.gather(*(scene.ask() for _one in range(20)))
        assert all(one.endswith(b"last") and len(one) > 40_000 for one in answers)
        assert all(b"Connection: close\r\n\r\nbody" in one and b"keep-alive" not in one for one in scene.engine.asked)
        assert not scene.running.done()
        await asyncio.wait_for(scene.running, 2)

    run(work())
    assert told == ["READY=1"]


def test_it_never_ends_in_the_middle_of_an_answer(told: list[str]) -> None:
    async def work() -> None:
        scene = Scene(0.1, told)
        await scene.open()
        scene.engine.go.clear()
        asking = asyncio.create_task(scene.ask())
        await asyncio.sleep(0.5)
        assert not scene.running.done()
        scene.engine.go.set()
        assert (await asking).endswith(b"last")
        await asyncio.wait_for(scene.running, 2)

    run(work())


def test_a_drained_door_finishes_what_it_has_and_leaves_the_rest_waiting(told: list[str]) -> None:
    async def work() -> None:
        scene = Scene(60, told)
        await scene.open()
        scene.engine.go.clear()
        asking = [asyncio.create_task(scene.ask()) for _one in range(3)]
        await asyncio.sleep(0.2)
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.sleep(0.1)
        late = asyncio.create_task(scene.ask())
        await asyncio.sleep(0.2)
        assert len(scene.engine.asked) == 3 and "STATUS=draining" in told and "STATUS=drained" not in told
        scene.engine.go.set()
        assert all(one.endswith(b"last") for one in await asyncio.gather(*asking))
        await asyncio.sleep(0.1)
        assert told[-1] == "STATUS=drained" and not late.done() and not scene.running.done()
        # Whoever has the socket next gets what waits there.
        scene.running.cancel()
        client, _address = scene.listener.accept()
        assert client.recv(1000) == REQUEST
        client.close()
        assert await late == b""

    run(work())


def test_a_drained_door_that_nobody_stops_ends_by_itself(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "PATIENCE", 0.2)

    async def work() -> None:
        scene = Scene(60, told)
        await scene.open()
        scene.door.drain()
        assert told[-1] == "STATUS=drained"
        await asyncio.wait_for(scene.running, 2)

    run(work())


def test_the_engine_notices_a_client_that_has_gone(told: list[str]) -> None:
    async def work() -> None:
        scene = Scene(60, told)
        await scene.open()
        scene.engine.go.clear()
        asking = asyncio.create_task(scene.ask())
        await asyncio.sleep(0.2)
        asking.cancel()
        await asyncio.sleep(0.1)
        scene.engine.go.set()
        await asyncio.sleep(0.3)
        assert scene.engine.cut == 1 and not scene.door.connections

    run(work())


def test_a_client_waits_for_an_engine_that_restarts(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def work() -> None:
        scene = Scene(60, told)
        await scene.open(port)
        asking = asyncio.create_task(scene.ask())
        await asyncio.sleep(0.4)
        await scene.engine.start(port)
        assert (await asking).endswith(b"last")
        scene.engine.server.close()
        monkeypatch.setattr(proxy, "ENGINE_PATIENCE", 0.1)
        assert await scene.ask() == b""

    run(work())
