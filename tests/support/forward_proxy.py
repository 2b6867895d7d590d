# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A double of a site's forward proxy, on loopback, which logs what passes. Also a program, for hosts of the sandbox.

As RFC 9110 has it: requests in absolute form (section 7.1), tunnels by CONNECT (9.3.6), and 407 with Proxy-Authenticate without the
right login (15.5.8, Basic). Made up: names below ``nowhere.test`` lead to loopback, so that only through the proxy anything is there.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

HOP_BY_HOP = {"proxy-authorization", "proxy-connection", "connection", "keep-alive", "transfer-encoding"}
QUIET_SECONDS = 30


class ForwardProxy(ThreadingHTTPServer):
    """The proxy, while the block lasts. ``login`` is USER:PASSWORD, or empty."""

    daemon_threads = True

    def __init__(self, login: str = "", port: int = 0, log: Path | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Request)
        self.login, self.log = login, log
        self.passed: list[str] = []  # GET http://hub.test/x, CONNECT hub.test:443 refused

    @property
    def address(self) -> str:
        """Its address, with the login."""
        return f"http://{self.login}{'@' if self.login else ''}127.0.0.1:{self.server_port}"

    def note(self, line: str) -> None:
        """Log what passes, never a login."""
        self.passed.append(line)
        if self.log:
            with self.log.open("a", encoding="utf-8") as stream:
                stream.write(f"{line}\n")

    def __enter__(self) -> ForwardProxy:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


class _Request(BaseHTTPRequestHandler):
    """One request; HTTP/1.0, so the connection ends with it."""

    server: ForwardProxy
    timeout = QUIET_SECONDS

    def do_CONNECT(self) -> None:
        """Open a tunnel."""
        if not self._may_pass():
            return
        name, _colon, port = self.path.rpartition(":")
        with socket.create_connection((_place(name), int(port)), QUIET_SECONDS) as there:
            self.connection.settimeout(QUIET_SECONDS)
            self.send_response(200, "Connection established")
            self.end_headers()
            back = threading.Thread(target=_carry, args=(there, self.connection), daemon=True)
            back.start()
            _carry(self.connection, there)
            back.join(QUIET_SECONDS)

    def do_GET(self) -> None:
        """Pass a request on."""
        if not self._may_pass():
            return
        address = urlsplit(self.path)
        if not address.hostname:
            self.send_error(400, "not in absolute form")
            return
        there = http.client.HTTPConnection(_place(address.hostname), address.port or 80, timeout=QUIET_SECONDS)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        with contextlib.closing(there):
            there.request(self.command, address._replace(scheme="", netloc="").geturl() or "/", body or None, headers)
            answer = there.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP | {"date", "server"}:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    def do_HEAD(self) -> None:
        """The same without its content."""
        self.do_GET()

    def do_POST(self) -> None:
        """The same with a body."""
        self.do_GET()

    def _may_pass(self) -> bool:
        login = base64.b64encode(self.server.login.encode()).decode()
        passes = not self.server.login or self.headers.get("Proxy-Authorization") == f"Basic {login}"
        self.server.note(f"{self.command} {self.path}{'' if passes else ' refused'}")
        if not passes:
            self.send_response(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="site"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        return passes

    def log_message(self, *_arguments: Any) -> None:
        """Nothing on the terminal."""


def _place(name: str) -> str:
    return "127.0.0.1" if name.endswith("nowhere.test") else name


def _carry(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes until their end."""
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)


def main(arguments: list[str]) -> None:
    """Serve until it is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--login", type=Path, required=True, help="file with USER:PASSWORD")
    parser.add_argument("--log", type=Path, required=True)
    given = parser.parse_args(arguments)
    ForwardProxy(given.login.read_text(encoding="utf-8").strip(), given.port, given.log).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
