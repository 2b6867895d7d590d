# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The door of a service that takes turns with others: what systemd-socket-proxyd does, and beyond that it can be drained.

systemd-socket-proxyd accepts until it ends, and ends with its connections. To hand over memory without losing an answer, a door has
to stop accepting, and to let go of connections that clients keep for their next request. So this one

* stops accepting on SIGUSR1, after the connections that already wait: they get their answers, later ones wait for the next turn;
* asks for ``Connection: close`` in the place of each client: a connection is one request, and the engine closes it after its answer;
* says ``STATUS=drained`` once the last of them is closed, and waits to be stopped (turns.py). If nobody does so, it ends by itself,
  and the next connection starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
from collections.abc import Coroutine
from typing import Any

from thor_supervisor.notification import notify, say

LISTENING = 3  # the first descriptor that systemd passes (sd_listen_fds(3))
DRAINED = "drained"
PATIENCE = (
    180.0  # seconds that a drained door waits to be stopped, which is after the engine (TimeoutStopSec= of its unit)
)
ENGINE_PATIENCE = 60.0  # seconds that a client waits for an engine that restarts
ENGINE_TICK = 0.25
LARGEST_HEAD = 64 * 1024
BLOCK = 256 * 1024
KEPT = re.compile(rb"\r\n(?:connection|keep-alive|proxy-connection):[^\r\n]*", re.IGNORECASE)
UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


def one_request(head: bytes) -> bytes:
    """The first bytes of a connection, up to the end of its HTTP head, changed to ask for the end after the answer.

    What is no head of HTTP/1, or changes the protocol, stays as it is.
    """
    line, separator, rest = head.removesuffix(b"\r\n\r\n").partition(b"\r\n")
    if not line.endswith((b" HTTP/1.1", b" HTTP/1.0")) or UPGRADE.search(head):
        return head
    return line + KEPT.sub(b"", separator + rest) + b"\r\nConnection: close\r\n\r\n"


class Door:
    """Passes connections on to ``host`` and ``port``; ``run`` ends after ``idle`` seconds without one."""

    def __init__(self, listener: socket.socket, host: str, port: int, idle: float) -> None:
        self.listener = listener
        self.target = (host, port)
        self.idle = idle
        self.draining = False
        self.connections: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve until it is idle, or has been drained and not stopped."""
        loop = asyncio.get_running_loop()
        self.listener.setblocking(False)
        loop.add_signal_handler(signal.SIGUSR1, self.drain)
        loop.add_reader(self.listener, self._accept)
        self._rest()
        notify("READY=1")
        await self._over.wait()
        loop.remove_reader(self.listener)

    def drain(self) -> None:
        """Take what waits, and nothing after it."""
        if self.draining:
            return
        self._accept()
        self.draining = True
        asyncio.get_running_loop().remove_reader(self.listener)
        say(f"the next turn is another service's: {len(self.connections)} answers are finished first")
        notify("STATUS=draining")
        self._rest()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self.listener.accept()
            except OSError:  # nobody waits any more, or the client has gone
                return
            client.setblocking(False)
            task = asyncio.get_running_loop().create_task(self._pass_on(client))
            self.connections.add(task)
            task.add_done_callback(self._closed)
            self._rest()

    def _closed(self, task: asyncio.Task[None]) -> None:
        self.connections.discard(task)
        self._rest()

    def _rest(self) -> None:
        """Start the clock where there is no connection, and stop it where there is one."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self.connections:
            return
        if self.draining:
            notify(f"STATUS={DRAINED}")
        self._timer = asyncio.get_running_loop().call_later(PATIENCE if self.draining else self.idle, self._over.set)

    async def _pass_on(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            from_client, to_client = await asyncio.open_connection(sock=client, limit=LARGEST_HEAD)
            try:
                from_engine, to_engine = await self._engine()
                try:
                    await _either(_request(from_client, to_engine), _copy(from_engine, to_client))
                finally:
                    to_engine.close()
            finally:
                to_client.close()
                with contextlib.suppress(OSError):
                    await to_client.wait_closed()

    async def _engine(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the engine, which may be restarting. Raises OSError."""
        loop = asyncio.get_running_loop()
        end = loop.time() + ENGINE_PATIENCE
        while True:
            try:
                return await asyncio.open_connection(*self.target)
            except ConnectionRefusedError:
                if loop.time() > end:
                    raise
                await asyncio.sleep(ENGINE_TICK)


async def _either(request: Coroutine[Any, Any, None], answer: Coroutine[Any, Any, None]) -> None:
    """Until the answer has ended, or one of them has failed. The end of the request alone is not the end."""
    asking, answering = asyncio.create_task(request), asyncio.create_task(answer)
    try:
        done, _pending = await asyncio.wait({asking, answering}, return_when=asyncio.FIRST_COMPLETED)
        if answering not in done and asking.exception() is None:
            await answering
    finally:
        for task in (asking, answering):
            task.cancel()
        await asyncio.gather(asking, answering, return_exceptions=True)


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(one_request(head))
    except asyncio.IncompleteReadError as error:
        writer.write(error.partial)
    except asyncio.LimitOverrunError:
        say("a request has a head of more than 64 KiB, which is passed on as it is", level=4)
    await _copy(reader, writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while block := await reader.read(BLOCK):
        writer.write(block)
        await writer.drain()
    await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def serve(arguments: list[str]) -> int:
    """``--proxy IDLE HOST PORT``, with the listening socket from systemd."""
    idle, host, port = arguments
    with socket.socket(fileno=LISTENING) as listener:

        async def run() -> None:
            await Door(listener, host, int(port), float(idle)).run()

        asyncio.run(run())
    return 0
