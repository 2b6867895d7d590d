# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of what verify finds out about a gateway, against real TLS servers."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import gateway_check
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import certificates

NOW = datetime.now(UTC)
AUTHORITY = certificates.make_authority(NOW)
PAIR = certificates.make_certificate(AUTHORITY, ["thor01"], NOW)
REFUSAL = {"error": {"message": "A key is required.", "type": "t", "param": None, "code": "invalid_api_key"}}


class Gateway(ThreadingHTTPServer):
    """Answers every request in the same way."""

    status, body = 401, json.dumps(REFUSAL).encode()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Gateway)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_request(self, *_arguments: Any) -> None:
        """Say nothing."""


def serve(tmp_path: Path, tls: bool) -> Iterator[Gateway]:
    server = Gateway(("127.0.0.1", 0), Handler)
    if tls:
        for name, text in (("crt", PAIR.certificate), ("key", PAIR.key)):
            (tmp_path / name).write_text(text, encoding="utf-8")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Gateway]:
    yield from serve(tmp_path, tls=True)


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Gateway]:
    yield from serve(tmp_path, tls=False)


def check(server: Gateway, **more: Any) -> dict[str, Any]:
    expected = certificates.fingerprint(PAIR.certificate)
    given = {"address": "127.0.0.1", "port": server.server_address[1], "tls": True, "fingerprint": expected}
    return gateway_check.check({**given, **more})


def codes(result: dict[str, Any]) -> list[str]:
    assert result["ok"] == (not result["problems"]) and result["name"] == "gateway"
    return [one["code"] for one in result["problems"]]


def test_the_expected_certificate_and_a_refusal_are_right(secured: Gateway) -> None:
    result = check(secured)
    assert codes(result) == [] and result["endpoint"] == f"https://127.0.0.1:{secured.server_address[1]}/v1/models"


def test_another_certificate_is_wrong_and_gets_no_request(secured: Gateway) -> None:
    other = certificates.make_certificate(AUTHORITY, ["thor01"], NOW)
    result = check(secured, fingerprint=certificates.fingerprint(other.certificate))
    assert codes(result) == ["THOR-GATEWAY-TLS"]


@pytest.mark.parametrize(
    ("status", "body"), [(200, b'{"data": []}'), (401, b"<html>"), (401, b'{"error": "no"}'), (502, b"")]
)
def test_anything_but_a_refusal_in_shape_is_wrong(secured: Gateway, status: int, body: bytes) -> None:
    secured.status, secured.body = status, body
    assert codes(check(secured)) == ["THOR-GATEWAY-OPEN"]


def test_plain_http_is_asked_without_tls(plain: Gateway) -> None:
    assert codes(check(plain, tls=False, fingerprint="")) == []
    assert codes(check(plain)) == ["THOR-GATEWAY-DOWN"], "no TLS where it should be"


def test_a_gateway_that_is_down_or_silent_is_said_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    given = {"address": "127.0.0.1", "port": port, "tls": True, "fingerprint": ""}
    assert codes(gateway_check.check(given)) == ["THOR-GATEWAY-DOWN"]
    monkeypatch.setattr(gateway_check, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = gateway_check.check({**given, "port": silent.getsockname()[1]})
    assert codes(result) == ["THOR-GATEWAY-DOWN"] and result["seconds"] < 3
