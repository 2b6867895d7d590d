# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A dockerd that knows containers by name, and the command that the role serving makes for one."""

from __future__ import annotations

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.jetson.thor.plugins.module_utils.images.inventory import container_environment

LABEL = "thor.service=thor-chat.service"
TEMPLATE = Path(__file__).resolve().parents[2] / "roles" / "serving" / "templates" / "docker_run.json.j2"


class Dockerd:
    """Answers on a unix socket; ``containers`` has the labels of each, ``removed`` the names in their order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.containers: dict[str, dict[str, str]] = {}
        self.removed: list[str] = []
        self.busy = 0  # so many removals are answered with "already in progress"
        self._server: socketserver.BaseServer | None = None

    def has(self, name: str, label: str) -> None:
        """Let there be a container with one label."""
        key, _, value = label.partition("=")
        self.containers[name] = {key: value}

    def answer(self, method: str, path: str) -> tuple[int, Any]:
        """Status and document for one request."""
        name = path.split("/")[3].partition("?")[0] if "/containers/" in path else ""
        if path.endswith("/_ping"):
            return 200, "OK"
        if name not in self.containers:
            return 404, {"message": f"No such container: {name}"}
        if method == "GET":
            return 200, {"Config": {"Labels": self.containers[name]}}
        if self.busy:
            self.busy -= 1
            return 409, {"message": f"removal of container {name} is already in progress"}
        del self.containers[name]
        self.removed.append(name)
        return 204, None

    def __enter__(self) -> Dockerd:
        """Listen."""
        dockerd = self

        class Handler(BaseHTTPRequestHandler):
            """One request."""

            def address_string(self) -> str:
                """A unix socket has no address of the client."""
                return ""

            def reply(self) -> None:
                """Answer as the table says."""
                status, document = dockerd.answer(self.command, self.path)
                content = b"" if document is None else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                """Look at a container."""
                self.reply()

            def do_DELETE(self) -> None:
                """Remove a container."""
                self.reply()

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self._server = socketserver.ThreadingUnixStreamServer(str(self.path), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def docker_run(
    service: dict[str, Any] | None = None, images: dict[str, Any] | None = None, **variables: Any
) -> list[str]:
    """The command that the role makes for a service, by Ansible's own templating."""
    defaults = {
        "name": "chat",
        "image": "hub:5000/nvidia/vllm:25.10-py3",
        "image_digest": "sha256:aa",
        "argv": ["vllm", "serve", '{"a": "b c"}'],
        "environment": container_environment({"VLLM_USE_MODELSCOPE": "true"}),
        "generation_config": None,
    }
    templar = Templar(
        loader=DataLoader(),
        variables={
            "ansible_facts": {"thor_host": {"images": images or {}, "docker": None}},
            "service": {**defaults, **(service or {})},
            "serving_container_ipc": "private",
            "serving_container_shm_size": "8g",
            "serving_container_ulimits": {"memlock": -1},
            "serving_stop_timeout": 30,
            **variables,
        },
    )
    text = templar.template(trust_as_template(TEMPLATE.read_text(encoding="utf-8")))
    argv: list[str] = text if isinstance(text, list) else json.loads(text)
    return argv
