# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A server on loopback that answers every request with the same content, and a service that it stands for."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api

GOOD: dict[str, Any] = {
    "model": "qwen3",
    "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "Hello there."}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 4},
    "timings": {"predicted_per_second": 37.4},
}


class Server(ThreadingHTTPServer):
    """Answers every request with ``status`` and ``content``, after ``delay`` seconds, ``pause`` after each byte."""

    status = 200
    content = b""
    delay = 0.0
    pause = 0.0
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, Any]] = []
        self.contents: dict[str, bytes] = {}  # by path, instead of ``content``

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that was out of patience."""
        del request, client_address


class Handler(BaseHTTPRequestHandler):
    """Does what its server says."""

    server: Server

    def do_GET(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_json = self.headers.get("Content-Type") == api.JSON
        self.server.asked.append((self.path, json.loads(body) if is_json else body or None))
        time.sleep(self.server.delay)
        self.send_response(self.server.status)
        content = self.server.contents.get(self.path, self.server.content)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not self.server.pause:
            self.wfile.write(content)
            return
        for byte in content:
            self.wfile.write(bytes([byte]))
            time.sleep(self.server.pause)

    def do_POST(self) -> None:
        """Answer."""
        self.do_GET()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server that answers."""
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def service(server: Server, **fields: Any) -> dict[str, Any]:
    """A service at the address of a server."""
    return {
        "api": "chat",
        "api_path": "/v1/chat/completions",
        "address": "127.0.0.1",
        "port": server.server_port,
        "served_name": "qwen3",
        **fields,
    }
