# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests carry the key of the service that they go to."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import api, keys
from ansible_collections.jetson.thor.plugins.module_utils.services.secret_files import (
    FOLDER,
    SecretFiles,
)

TOKEN = "hf_veryverysecret"


def test_requests_carry_the_key_of_the_port_that_they_go_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        """Asks for a key."""

        def do_GET(self) -> None:
            """Answer who has it."""
            heard.append(self.headers["Authorization"])
            self.send_response(200 if heard[-1] == f"Bearer {TOKEN}$" else 401)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    monkeypatch.setattr(api, "keys", {})
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        port = server.server_address[1]
        assert api.request("127.0.0.1", port, "/v1/models", timeout=5)[0] == 401
        files = SecretFiles(tmp_path)
        tag = files.write("chat", {"LLAMA_API_KEY": f"{TOKEN}$"})
        unit = tmp_path / "etc/systemd/system/thor-chat.service"
        unit.parent.mkdir(parents=True)
        unit.write_text(f"[Service]\nEnvironmentFile=/{FOLDER}/chat-{tag}.env\n", encoding="utf-8")
        monkeypatch.setattr(keys, "SecretFiles", lambda: files)
        keys.learn_keys([{"name": "chat", "port": port, "api_key": "LLAMA_API_KEY"}, {"name": "x", "port": 1}])
        assert api.request("127.0.0.1", port, "/v1/models", timeout=5)[0] == 200
        server.shutdown()
    assert heard == [None, f"Bearer {TOKEN}$"] and api.keys == {port: f"{TOKEN}$"}
