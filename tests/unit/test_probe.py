# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests against a real server on loopback, and the judgement of answers."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import ask, probe

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

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that was out of patience."""
        del request, client_address


class Handler(BaseHTTPRequestHandler):
    """Does what its server says."""

    server: Server

    def do_GET(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.path, json.loads(body) if body else None))
        time.sleep(self.server.delay)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        for byte in self.server.content:
            self.wfile.write(bytes([byte]))
            time.sleep(self.server.pause)

    def do_POST(self) -> None:
        """Answer."""
        self.do_GET()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()


def chat(server: Server, timeout: float = 5) -> probe.Answer:
    return probe.chat("127.0.0.1", server.server_port, "qwen3", "Hi", max_tokens=7, timeout=timeout)


def answer(**message: Any) -> probe.Answer:
    document = {**GOOD, "choices": [{"finish_reason": "stop", "message": {"role": "assistant", **message}}]}
    return probe.parse_chat(json.dumps(document).encode(), 1.0)


def test_a_chat_is_asked_and_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")
    server.content = json.dumps(GOOD).encode()
    got = chat(server)
    assert (got.text, got.finish, got.model, got.completion_tokens) == ("Hello there.", "stop", "qwen3", 4)
    assert got.tokens_per_second == 37.4
    path, body = server.asked[0]
    assert path == "/v1/chat/completions"
    assert (body["model"], body["max_tokens"], body["stream"]) == ("qwen3", 7, False)


def test_without_timings_the_speed_is_that_of_the_request() -> None:
    document = {key: value for key, value in GOOD.items() if key != "timings"}
    assert probe.parse_chat(json.dumps(document).encode(), 2.0).tokens_per_second == 2.0


@pytest.mark.parametrize(
    ("status", "content", "text"),
    [
        (503, b'{"error":{"message":"Loading model","code":503}}', "HTTP 503: Loading model"),
        (404, b'{"detail":"Not Found"}', "HTTP 404: Not Found"),
        (500, b"<html>\n  oh dear</html>", "HTTP 500: <html> oh dear</html>"),
        (502, b"", "HTTP 502"),
    ],
)
def test_an_http_error_says_what_the_service_said(server: Server, status: int, content: bytes, text: str) -> None:
    server.status, server.content = status, content
    with pytest.raises(probe.ProbeError) as caught:
        chat(server)
    assert (str(caught.value), caught.value.kind, caught.value.status) == (text, "status", status)


def test_nothing_that_listens_is_said_so() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(probe.ProbeError, match=f"nothing listens at http://127.0.0.1:{port}/x"):
        probe.request("127.0.0.1", port, "/x", timeout=2)


@pytest.mark.parametrize("slow", ["silent", "dripping"])
def test_the_time_is_bounded_as_a_whole(server: Server, slow: str) -> None:
    server.content = json.dumps(GOOD).encode()
    server.delay, server.pause = (5, 0) if slow == "silent" else (0, 0.2)
    begin = time.monotonic()
    with pytest.raises(probe.ProbeError, match="did not answer within") as caught:
        chat(server, timeout=0.6)
    assert caught.value.kind == "timeout"
    assert time.monotonic() - begin < 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not json", "not JSON"),
        (b"[]", "no choices"),
        (b'{"choices": []}', "no choices"),
        (b'{"choices": [{"message": {"content": "x"}}]}', "role assistant"),
        (b'{"choices": [{"message": {"role": "assistant", "content": ["x"]}}]}', "not a text"),
        (b'{"choices": [{"message": {"role": "assistant", "content": "x"}}]}', "usage.completion_tokens"),
    ],
)
def test_what_is_no_chat_completion_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(probe.ProbeError, match=reason) as caught:
        probe.parse_chat(content, 1.0)
    assert caught.value.kind == "shape"


@pytest.mark.parametrize(
    ("message", "thinks"),
    [
        ({"content": "Hello."}, False),
        ({"content": "Hello.", "reasoning_content": ""}, False),
        ({"content": "<think>\n\n</think>\n\nHello."}, False),
        ({"content": "Hello.", "reasoning_content": "Hm."}, True),
        ({"content": "Hello.", "reasoning": "Hm."}, True),
        ({"content": "<think>Hm.</think>Hello."}, True),
        ({"content": "Hm.</think>Hello."}, True),
    ],
)
def test_thinking_is_seen(message: dict[str, str], thinks: bool) -> None:
    assert (probe.thinking(answer(**message)) is not None) == thinks


@pytest.mark.parametrize(
    ("text", "wrong"), [("Hello!", False), ("", True), (" \n", True), ("!" * 64, True), ("!", False)]
)
def test_an_empty_answer_and_garbage_are_seen(text: str, wrong: bool) -> None:
    assert (probe.wrong_text(answer(content=text)) is not None) == wrong


def test_ready_refuses_an_api_without_a_request() -> None:
    with pytest.raises(probe.ProbeError, match="no request is known for the API 'telepathy'") as caught:
        probe.ready({"api": "telepathy"}, 1)
    assert caught.value.hopeless


def test_ready_wants_the_served_model(server: Server) -> None:
    server.content = json.dumps(GOOD).encode()
    config = {"api": "chat", "address": "0.0.0.0", "port": server.server_port, "served_name": "qwen3"}
    probe.ready(config, 5)
    with pytest.raises(probe.ProbeError, match="from the model 'qwen3', and 'other' should be served"):
        probe.ready({**config, "served_name": "other"}, 5)


def test_progress_is_what_the_expression_finds(server: Server) -> None:
    config = {"address": "127.0.0.1", "port": server.server_port, "progress": {"path": "/slots", "match": r'"n":(\d+)'}}
    server.content = b'[{"n":1},{"n":20}]'
    assert probe.progress(config, 5) == ["1", "20"]
    server.status = 501
    assert probe.progress(config, 5) is None
    assert probe.progress({**config, "progress": None}, 5) is None


def service(port: int, **fields: Any) -> dict[str, Any]:
    return {
        "name": "chat",
        "unit": "thor-chat.service",
        "api": "chat",
        "address": "127.0.0.1",
        "port": port,
        "served_name": "qwen3",
        "thinking": None,
        **fields,
    }


def codes(result: dict[str, Any]) -> list[str]:
    return [problem["code"] for problem in result["problems"]]


def test_every_service_is_judged(server: Server) -> None:
    thought = {"role": "assistant", "content": "Hello.", "reasoning_content": "Hm."}
    server.content = json.dumps({**GOOD, "choices": [{"message": thought}]}).encode()
    port = server.server_port
    services = [
        service(port),
        service(port, name="quiet", thinking=False),
        service(port, name="other", served_name="other"),
        service(1, name="gone"),
        service(port, name="ear", api="transcription"),
    ]
    results = ask.ask_all(services, "Hi", 8, 5)
    assert [result["state"] for result in results] == ["ok", "failed", "failed", "failed", "unverified"]
    assert [codes(result) for result in results] == [
        [],
        ["THOR-ANSWER-THINKING"],
        ["THOR-ANSWER-WRONG"],
        ["THOR-ANSWER-MISSING"],
        [],
    ]
    assert "thor_services[gone]" in results[3]["messages"][0]
    assert "journalctl -u thor-chat.service" in results[3]["messages"][0]
    assert ask.ask_all([], "Hi", 8, 5) == []
