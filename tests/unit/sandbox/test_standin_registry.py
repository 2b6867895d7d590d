# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The sandbox's unreliable connection to its registry."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "sandbox" / "registry" / "breaking-line"
CONTENT = b"x" * 300_000


def free_port() -> int:
    """An unused port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def far() -> Iterator[int]:
    """The port of a server that sends CONTENT after any request, then closes the connection."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.recv(100)
                self.request.sendall(CONTENT)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def line(far: int, after: int, then: str) -> Iterator[socket.socket]:
    """A connection, after it has requested the content."""
    port = free_port()
    options = ["--listen", str(port), "--connect", str(far), "--after", str(after), "--then", then]
    process = subprocess.Popen([sys.executable, str(PROGRAM), *options])
    try:
        for _ in range(100):
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 5) as near:
                near.sendall(b"please")
                yield near
                return
            time.sleep(0.05)
        pytest.fail("nobody listens")
    finally:
        process.kill()
        process.wait()


def read(near: socket.socket, into: bytearray) -> None:
    """Everything until the end; raises an error if the connection breaks."""
    while data := near.recv(65536):
        into += data


def test_it_passes_on_short_content(far: int) -> None:
    received = bytearray()
    with line(far, 1_000_000, "break") as near:
        read(near, received)
    assert received == CONTENT


def test_it_breaks(far: int) -> None:
    with line(far, 100_000, "break") as near, pytest.raises(ConnectionResetError):
        read(near, bytearray())


def test_it_goes_quiet(far: int) -> None:
    received = bytearray()
    with line(far, 100_000, "silence") as near:
        near.settimeout(0.5)
        with pytest.raises(TimeoutError):
            read(near, received)
    assert len(received) == 100_000
