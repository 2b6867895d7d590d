# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The test image for verification, generated on the device and offered by URL and as a file."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import tempfile
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SIDE = 224  # pixels; the input size of vision encoders, or a divisor of it
RED, BLUE = bytes((220, 40, 30)), bytes((30, 60, 220))


def picture() -> bytes:
    """A PNG file: the left half is red, the right half is blue."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    line = b"\0" + RED * (SIDE // 2) + BLUE * (SIDE // 2)
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)  # 8 bits each of red, green and blue
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(line * SIDE, 9)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class Gallery:
    """A web server for the picture, for as long as the ``with`` lasts; ``visits`` counts its requests.

    Only this device can reach it, unless ``address`` says otherwise.
    """

    def __init__(self, address: str = "127.0.0.1") -> None:
        gallery = self
        content = picture()
        self.visits = 0

        class Handler(BaseHTTPRequestHandler):
            """Serves the picture at any path."""

            def do_GET(self) -> None:
                """Send it."""
                gallery.visits += 1
                self.send_response(200)
                self.send_header("Content-Type", "image/png")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self.url = f"http://{address}:{self._server.server_port}/picture.png"

    def __enter__(self) -> Gallery:
        """Open."""
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        """Close."""
        self._server.shutdown()
        self._server.server_close()


def own_address() -> str | None:
    """The device's network address, not a loopback one; None without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route, contextlib.suppress(OSError):
        route.connect(("192.0.2.1", 9))  # no packet is sent: the kernel chooses a route, and with it an address
        address: str = route.getsockname()[0]
        return None if address.startswith("127.") else address
    return None


@contextlib.contextmanager
def picture_in(folder: str) -> Iterator[Path]:
    """The picture as a world-readable file for as long as the ``with`` lasts. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix="thor-verify-", suffix=".png", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(picture())
            os.fchmod(stream.fileno(), 0o644)
        yield Path(name)
    finally:
        os.unlink(name)
