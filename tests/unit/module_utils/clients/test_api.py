# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests to a real server on loopback."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
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


def service(server: Server, **fields: Any) -> dict[str, Any]:
    return {
        "api": "chat",
        "api_path": "/v1/chat/completions",
        "address": "127.0.0.1",
        "port": server.server_port,
        "served_name": "qwen3",
        **fields,
    }


def chat(server: Server, timeout: float = 5) -> api.Answer:
    return api.chat(service(server), "Hi", max_tokens=7, timeout=timeout)


def test_a_chat_is_sent_and_parsed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")
    server.content = json.dumps(GOOD).encode()
    got = chat(server)
    assert (got.text, got.finish, got.model, got.completion_tokens) == ("Hello there.", "stop", "qwen3", 4)
    assert got.tokens_per_second == 37.4
    path, body = server.asked[0]
    assert path == "/v1/chat/completions"
    assert (body["model"], body["max_tokens"], body["stream"]) == ("qwen3", 7, False)


def test_without_timings_the_speed_is_that_of_the_whole_request() -> None:
    document = {key: value for key, value in GOOD.items() if key != "timings"}
    assert api.parse_chat(json.dumps(document).encode(), 2.0).tokens_per_second == 2.0


FIGURES = ["true", "-5", "1" + "0" * 400, "9007199254740993", "NaN", "Infinity", "1e400", '"4"', "null"]


@pytest.mark.parametrize("figure", FIGURES)
def test_an_invalid_count_is_refused(figure: str) -> None:
    content = json.dumps(GOOD).replace('"completion_tokens": 4', f'"completion_tokens": {figure}').encode()
    with pytest.raises(api.ProbeError, match=r"no valid usage\.completion_tokens") as caught:
        api.parse_chat(content, 1.0)
    assert caught.value.kind == "shape"
    content = json.dumps(GOOD).replace('"prompt_tokens": 9', f'"prompt_tokens": {figure}').encode()
    assert api.parse_chat(content, 1.0).prompt_tokens == 0


@pytest.mark.parametrize("figure", FIGURES)
def test_an_invalid_speed_is_ignored(figure: str) -> None:
    content = json.dumps(GOOD).replace("37.4", figure).encode()
    assert api.parse_chat(content, 2.0).tokens_per_second == 2.0


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
    with pytest.raises(api.ProbeError) as caught:
        chat(server)
    assert (str(caught.value), caught.value.kind, caught.value.status) == (text, "status", status)


def test_a_port_without_a_listener_is_reported() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(api.ProbeError, match=f"nothing listens at http://127.0.0.1:{port}/x"):
        api.request("127.0.0.1", port, "/x", timeout=2)


@pytest.mark.parametrize("slow", ["silent", "dripping"])
def test_the_whole_exchange_is_bounded_in_time(server: Server, slow: str) -> None:
    server.content = json.dumps(GOOD).encode()
    server.delay, server.pause = (5, 0) if slow == "silent" else (0, 0.2)
    begin = time.monotonic()
    with pytest.raises(api.ProbeError, match="did not answer within") as caught:
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
def test_a_malformed_chat_completion_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(api.ProbeError, match=reason) as caught:
        api.parse_chat(content, 1.0)
    assert caught.value.kind == "shape"


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"choices":' + b"[" * 100_000])
def test_endless_nesting_is_refused(content: bytes) -> None:
    for parse in (api.parse_chat, api.parse_transcription):
        with pytest.raises(api.ProbeError, match="not JSON"):
            parse(content, 1.0)
    assert api.error_text(500, content).startswith("HTTP 500: [") or content.startswith(b"{")


def test_an_endless_answer_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MAX_BODY", 1000)
    server.content = b"x" * 2000
    with pytest.raises(api.ProbeError, match="more than 1000 bytes"):
        chat(server)


def test_ready_refuses_an_api_without_a_request() -> None:
    with pytest.raises(api.ProbeError, match="no request is known for the API 'telepathy'") as caught:
        api.ready({"api": "telepathy"}, 1)
    assert caught.value.hopeless


def test_ready_requires_the_served_model(server: Server) -> None:
    server.content = json.dumps(GOOD).encode()
    config = service(server, address="0.0.0.0")
    api.ready(config, 5)
    with pytest.raises(api.ProbeError, match="from the model 'qwen3', and 'other' should be served"):
        api.ready({**config, "served_name": "other"}, 5)


def test_progress_is_what_the_expression_finds(server: Server) -> None:
    config = {"address": "127.0.0.1", "port": server.server_port, "progress": {"path": "/slots", "match": r'"n":(\d+)'}}
    server.content = b'[{"n":1},{"n":20}]'
    assert api.progress(config, 5) == ["1", "20"]
    server.status = 501
    assert api.progress(config, 5) is None
    assert api.progress({**config, "progress": None}, 5) is None


def test_a_configuration_of_an_older_version_is_a_chat_at_the_default_path(server: Server) -> None:
    server.content = json.dumps(GOOD).encode()
    config = service(server)
    del config["api_path"]
    api.ready(config, 5)
    assert server.asked[0][0] == "/v1/chat/completions"


@pytest.mark.parametrize("path", ["/inference", "/v1/audio/transcriptions"])
def test_a_recording_is_sent_as_a_form_to_the_path_of_the_service(server: Server, path: str) -> None:
    server.content = b'{"text": " And so, my fellow Americans.\\n"}'
    listener = service(server, api="transcription", api_path=path, served_name="whisper")
    answer = api.transcribe(listener, "speech.wav", b"RIFF\r\n--\0", timeout=5)
    assert answer.text.strip() == "And so, my fellow Americans."
    assert answer.completion_tokens is None and answer.model == ""
    asked, body = server.asked[0]
    assert asked == path
    boundary = body.split(b"\r\n")[0]
    parts = [part.split(b"\r\n\r\n", 1) for part in body.split(boundary)[1:-1]]
    values = {head.split(b'name="')[1].split(b'"')[0]: value[:-2] for head, value in parts}
    assert values == {b"model": b"whisper", b"response_format": b"json", b"temperature": b"0", b"file": b"RIFF\r\n--\0"}
    assert b'filename="speech.wav"' in body
    assert body.endswith(boundary + b"--\r\n")


@pytest.mark.parametrize(
    ("content", "reason"), [(b"<html>", "not JSON"), (b'{"error": "x"}', "no text"), (b'["x"]', "no text")]
)
def test_a_malformed_transcription_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(api.ProbeError, match=reason) as caught:
        api.parse_transcription(content, 1.0)
    assert caught.value.kind == "shape"


def test_a_transcription_service_is_ready_after_transcribing_silence(server: Server) -> None:
    listener = service(server, api="transcription", api_path="/inference")
    server.content = b'{"text": ""}'
    api.ready(listener, 5)
    sound = server.asked[0][1].split(b"RIFF", 1)[1]
    assert sound.startswith(b"$}\0\0WAVE"), "32036 bytes follow: one second of 16 bits at 16 kHz"
    server.content = b"{}"
    with pytest.raises(api.ProbeError):
        api.ready(listener, 5)


def test_without_a_path_no_progress_is_requested(server: Server) -> None:
    assert api.progress(service(server, progress={"match": "x"}), 5) is None
    assert server.asked == []
