# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A double of an engine that writes down what it is asked, and answers, streams, waits or dies as its paths say."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 9, "total_tokens": 12, "completion_tokens": 3}


@dataclass(frozen=True)
class Asked:
    """A request as the engine saw it."""

    method: str
    path: str
    headers: dict[str, str]  # by name in lower case
    body: bytes


class Engine(ThreadingHTTPServer):
    """It answers JSON with the usual usage, as a body says.

    `stream`: so many events; `wait`: so many seconds before each; `dies`: before that event; `uncounted`: without usage.
    """

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[Asked] = []
        self.page: Callable[[], bytes] = lambda: b"engine_metric 1\n"
        self.abandoned = threading.Event()  # a client left in the middle of a stream

    def handle_error(self, request: object, client_address: object) -> None:
        """A client may give up."""
        del request, client_address


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Engine
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A page."""
        self._write_down(b"")
        self._whole(self.server.page(), "text/plain")

    def do_POST(self) -> None:
        """Answer as the body says."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._write_down(body)
        if not self.headers["Content-Type"].startswith("application/json"):
            self._whole(b'{"text": "hello"}', "application/json")
            return
        try:
            asked = json.loads(body)
        except ValueError:
            self._whole(b'{"error": {"message": "not JSON"}}', "application/json", 400)
            return
        if asked.get("stream"):
            self._stream(asked)
        else:
            time.sleep(asked.get("wait", 0))
            if not asked.get("dies"):
                answer = {"choices": [{"message": {"content": 'x "usage":{"prompt_tokens": 7} x'}}], "usage": USAGE}
                self._whole(json.dumps(answer).encode(), "application/json")
            self.close_connection = True

    def _stream(self, asked: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        # As llama.cpp does for every page (tools/server/server-http.cpp).
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        try:
            for number in range(asked["stream"]):
                time.sleep(asked.get("wait", 0))
                if asked.get("dies") == number:
                    self.connection.close()
                    return
                self._event(json.dumps({"choices": [{"delta": {"content": f"token{number} "}}]}))
            if not asked.get("uncounted"):
                self._event(json.dumps({"choices": [], "usage": USAGE}))
            self._event("[DONE]")
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.server.abandoned.set()
            raise

    def _event(self, text: str) -> None:
        event = f"data: {text}\n\n".encode()
        self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        self.wfile.flush()

    def _whole(self, content: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(content)

    def _write_down(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append(Asked(self.command, self.path, headers, body))

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def running() -> Iterator[Engine]:
    """An engine that answers."""
    with Engine() as engine:
        threading.Thread(target=engine.serve_forever, args=(0.01,), daemon=True).start()
        yield engine
        engine.shutdown()
