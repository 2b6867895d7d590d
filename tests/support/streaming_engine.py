# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""An engine that streams at a known pace, counts tokens, and fails, hangs or dies in the middle where it is told to."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN_SECONDS = 0.01
METHOD = {
    "input_tokens": 64,
    "output_tokens": 16,
    "concurrency": [1, 4],
    "requests": 3,
    "warmups": 1,
    "audio_seconds": 3.0,
    "documents": 4,
    "document_tokens": 32,
    "seed": 7,
}


class Engine(ThreadingHTTPServer):
    """Streams an answer at a known pace; a word of a prompt is one token and a half, and the chat's own are nine."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []
        self.counts = True
        self.pages: dict[str, str] = {}  # figures of the engine, by path
        self.looked: list[str] = []
        self.timings: dict[str, Any] = {"predicted_per_second": 99.0}
        self.silent = 0  # tokens without text before the answer: the end of a thought
        self.fault = ""
        self.after = 10**9  # requests that go well before the fault
        self.most_at_once = 0
        self.at_once = 0
        self.lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client may give up."""
        del request, client_address

    def service(self, **fields: Any) -> dict[str, Any]:
        """A service of this engine."""
        return {
            "name": "chat",
            "profile": "p",
            "engine": "llama.cpp",
            "version": "1",
            "api": "chat",
            "api_path": "/v1/chat/completions",
            "address": "127.0.0.1",
            "port": self.server_port,
            "served_name": "m",
            "thinking": None,
            "memory_gib": 1,
            "bench_argv": [],
            "model": {
                "key": "m",
                "sources": [{"hub": "modelscope", "id": "a/m", "revision": "master"}],
                "precision": "Q8_0",
                "bytes": 1000,
            },
            **fields,
        }


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Engine
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer, or fail as the server says."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        with server.lock:
            server.after -= 1
            faulty = bool(server.fault) and server.after < 0
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            if faulty and server.fault == "hang":
                time.sleep(20)
            elif faulty and server.fault == "refuse":
                self.whole(500, {"error": {"message": "CUDA error: an illegal memory access was encountered"}})
            elif self.headers["Content-Type"].startswith("multipart"):
                time.sleep(0.05)
                self.whole(200, {"text": "a"})
            elif "messages" not in json.loads(body):
                self.documents(json.loads(body))
            else:
                server.asked.append(json.loads(body))
                self.stream(json.loads(body), dies=faulty and server.fault == "die")
        finally:
            with server.lock:
                server.at_once -= 1

    def documents(self, asked: dict[str, Any]) -> None:
        """A vector or a score for each text, which takes as long as two tokens."""
        self.server.asked.append(asked)
        texts = asked.get("input") or asked["documents"]
        time.sleep(2 * TOKEN_SECONDS * len(texts))
        tokens = sum(9 + round(1.5 * len(text.split())) for text in texts)
        usage = {"usage": {"prompt_tokens": tokens}} if self.server.counts else {}
        vectors = [{"index": index, "embedding": [0.5, 1.0]} for index in range(len(texts))]
        scores = [{"index": index, "relevance_score": 0.5} for index in range(len(texts))]
        self.whole(200, {"model": "m", **usage, **({"data": vectors} if "input" in asked else {"results": scores})})

    def do_GET(self) -> None:
        """A page of figures."""
        page = self.server.pages.get(self.path)
        self.server.looked.append(self.path)
        content = (page or "Not Found").encode()
        self.send_response(200 if page else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def whole(self, status: int, document: dict[str, Any]) -> None:
        """One JSON document."""
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def stream(self, asked: dict[str, Any], dies: bool) -> None:
        """A token at a time; an empty piece first, as engines send it."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        count = asked["max_tokens"]
        pieces: list[dict[str, Any]] = [{"choices": [{"delta": {"role": "assistant", "content": ""}}]}]
        pieces += [{"choices": [{"delta": {"reasoning_content" if n < 2 else "content": "x"}}]} for n in range(count)]
        pieces[1 : 1 + self.server.silent] = []
        for number, piece in enumerate(pieces):
            if dies and number == 4:
                self.connection.close()
                return
            self.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())
            self.wfile.flush()
            time.sleep(TOKEN_SECONDS)
        words = len(asked["messages"][0]["content"].split())
        usage = {"prompt_tokens": 9 + round(1.5 * words), "completion_tokens": count}
        last = {"choices": [], "usage": usage, "timings": self.server.timings} if self.server.counts else {}
        self.wfile.write(f": a comment\n\ndata: {json.dumps(last)}\n\ndata: [DONE]\n\n".encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def running() -> Iterator[Engine]:
    """An engine that answers."""
    with Engine() as engine:
        threading.Thread(target=engine.serve_forever, args=(0.01,), daemon=True).start()
        yield engine
        engine.shutdown()
