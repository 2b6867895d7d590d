# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests to a real server on loopback."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import api, chat, transcription
from answering_server import GOOD, Server, running, service


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


def ask(server: Server, timeout: float = 5) -> api.Answer:
    return chat.ask(service(server), "Hi", max_tokens=7, timeout=timeout)


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
        ask(server)
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
        ask(server, timeout=0.6)
    assert caught.value.kind == "timeout"
    assert time.monotonic() - begin < 2


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"choices":' + b"[" * 100_000])
def test_endless_nesting_is_refused(content: bytes) -> None:
    for parse in (chat.parse, transcription.parse):
        with pytest.raises(api.ProbeError, match="not JSON"):
            parse(content, 1.0)
    assert api.error_text(500, content).startswith("HTTP 500: [") or content.startswith(b"{")


def test_an_endless_answer_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MAX_BODY", 1000)
    server.content = b"x" * 2000
    with pytest.raises(api.ProbeError, match="more than 1000 bytes"):
        ask(server)


def test_progress_is_what_the_expression_finds(server: Server) -> None:
    config = {"address": "127.0.0.1", "port": server.server_port, "progress": {"path": "/slots", "match": r'"n":(\d+)'}}
    server.content = b'[{"n":1},{"n":20}]'
    assert api.progress(config, 5) == ["1", "20"]
    server.status = 501
    assert api.progress(config, 5) is None
    assert api.progress({**config, "progress": None}, 5) is None


def test_without_a_path_no_progress_is_requested(server: Server) -> None:
    assert api.progress(service(server, progress={"match": "x"}), 5) is None
    assert server.asked == []
