# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A dockerd of a few lines on a unix socket: images, pulls that go as a test says, and one container at a time.

Its refusals have the statuses and words of moby 29: daemon/errors.go (No such container), daemon/images/image.go (No such
image), daemon/names.go (a name that is taken), daemon/images/image_delete.go (an image in use), daemon/server/middleware/
version.go (an old client), daemon/server (page not found). Events of a pull are those that Docker 26.1 was seen to send; what
a pull is refused with is given by each test, in the words that image_words.py names the sources of.
"""

from __future__ import annotations

import io
import json
import re
import socketserver
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

CONTAINERD = [["driver-type", "io.containerd.snapshotter.v1"]]
Pull = list[Any]


class Dockerd(socketserver.ThreadingUnixStreamServer):
    """``pulls`` is what each POST /images/create answers, in turn: events, a number (seconds of silence), or
    ``(status, message)`` as the first element for a refusal. A ``Digest:`` event adds the image.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "docker.sock")
        super().__init__(self.path, Handler)
        self.images: list[dict[str, Any]] = []
        self.pulls: list[Pull] = []
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[Any] = []
        self.root = folder / "docker"
        self.status: list[list[str]] = []
        self.architecture = "amd64"
        self.exit_code = 0
        self.lacking: dict[str, str] = {}  # modules that a container cannot import, unless pip has run in its image
        self.pip_exit_code = 0
        self.stubborn = False  # what pip adds is of no use
        self.running: list[str] = []  # the command of the last container
        self.laid: dict[str, bytes] = {}  # files that were laid into a container
        self.runs_for = 0.0
        self.log = ""
        self.runtimes = {"runc", "nvidia"}
        self.containers: list[str] = []
        self.in_use: set[str] = set()
        self.broken = False
        self.minimum = ""  # version of the API that a client must speak at least

    def start(self) -> Dockerd:
        """Answer, in a thread of its own."""
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """A client that has gone is what tests are about."""

    def find(self, name: str) -> dict[str, Any] | None:
        """The image of that name."""
        for image in self.images:
            if name in (image["Id"], *image["RepoTags"], *image["RepoDigests"]):
                return image
        return None

    def add(self, *names: str, image_id: str = "", **more: Any) -> None:
        """Have an image under these names."""
        tags = [name for name in names if "@" not in name]
        digests = [name for name in names if "@" in name]
        self.images.append({"Id": image_id or str(names), "RepoTags": tags, "RepoDigests": digests, **more})

    def pip_runs(self) -> bool:
        """Whether the last container is one in which pip adds packages."""
        return any("pip" in word for word in self.running)

    def says(self) -> str:
        """The output of the last container: what it cannot import, where it was asked for that."""
        if self.pip_runs() or not any("import_module" in word for word in self.running):
            return self.log
        return f"{self.log}failed: {json.dumps({name: why for name, why in self.lacking.items() if name in self.running})}\r\n"

    def names(self) -> set[str]:
        """All names of all images."""
        return {name for image in self.images for name in (*image["RepoTags"], *image["RepoDigests"])}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Dockerd
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_arguments: Any) -> None:
        pass

    def answer(self, status: int, data: Any = None) -> None:
        body = b"" if data is None else data.encode() if isinstance(data, str) else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_one_request(self) -> None:
        super().handle_one_request()
        self.close_connection = True

    def begin(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        path = re.sub(r"^/v1\.\d+", "", unquote(parts.path))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, path))
        self.server.headers.append(dict(self.headers))
        self.server.bodies.append(body)
        return path, {key: values[0] for key, values in parse_qs(parts.query).items()}

    def lacks(self, path: str) -> bool:
        """Whether a path is that of a container that is not there; then it is answered."""
        name = path.split("/")[2] if path.startswith("/containers/") else ""
        if name and name not in self.server.containers:
            self.answer(404, {"message": f"No such container: {name}"})
            return True
        return False

    def do_GET(self) -> None:
        version = self.path.split("/")[1].removeprefix("v")
        path, query = self.begin()
        server = self.server
        if server.minimum and version < server.minimum:
            words = f"client version {version} is too old. Minimum supported API version is {server.minimum}"
            words += ", please upgrade your client to a newer version"
            self.answer(400, {"message": words})
            return
        if server.broken:
            self.answer(500, "<html>")
        elif path == "/info":
            info = {"DockerRootDir": str(server.root), "Driver": "overlay2", "DriverStatus": server.status}
            self.answer(200, info)
        elif path == "/images/json":
            filters = json.loads(query.get("filters", "{}"))
            (label,), (name,) = filters.get("label") or [None], filters.get("reference") or [None]
            found = [one for one in server.images if label is None or label in (one.get("Labels") or {})]
            self.answer(
                200,
                [one for one in found if name is None or any(tag.startswith(f"{name}:") for tag in one["RepoTags"])],
            )
        elif path.startswith("/images/"):
            name = path.removeprefix("/images/").removesuffix("/json")
            image = server.find(name)
            more = {
                "Config": {"Cmd": ["bash"], "Env": ["A=b"]},
                "Architecture": server.architecture,
                "RootFS": {"Layers": (image or {}).get("layers", [])},
            }
            self.answer(200, {**image, **more}) if image else self.answer(404, {"message": f"No such image: {name}"})
        elif self.lacks(path):
            pass
        elif path.endswith("/logs"):
            self.answer(200, server.says())
        elif path.startswith("/containers/"):
            code = server.pip_exit_code if server.pip_runs() else server.exit_code
            self.answer(200, {"State": {"Running": False, "ExitCode": code}})
        else:
            self.answer(404, {"message": "page not found"})

    def do_POST(self) -> None:
        path, query = self.begin()
        server = self.server
        if path == "/images/create":
            self.pull(query)
        elif path == "/images/load":
            self.answer(200, {"stream": "Loaded"})
        elif path.endswith("/tag"):
            image = server.find(path.removeprefix("/images/").removesuffix("/tag"))
            assert image is not None
            image["RepoTags"].append(f"{query['repo']}:{query['tag']}")
            self.answer(201)
        elif path == "/containers/create":
            body = json.loads(server.bodies[-1])
            if body["HostConfig"].get("Runtime", "runc") not in server.runtimes:
                self.answer(400, {"message": "unknown or invalid runtime name: nvidia"})
                return
            if server.find(body["Image"]) is None:
                self.answer(404, {"message": f"No such image: {body['Image']}"})
                return
            if query["name"] in server.containers:
                words = f'Conflict. The container name "/{query["name"]}" is already in use by container "c0ffee". '
                words += "You have to remove (or rename) that container to be able to reuse that name."
                self.answer(409, {"message": words})
                return
            server.containers.append(query["name"])
            server.running = [*(body.get("Entrypoint") or []), *(body.get("Cmd") or [])]
            self.answer(201, {"Id": "c0ffee", "Warnings": []})
        elif path == "/commit":
            server.add(f"{query['repo']}:{query['tag']}", image_id=f"sha256:{'d' * 64}")
            server.lacking = server.lacking if server.stubborn else {}
            self.answer(201, {"Id": f"sha256:{'d' * 64}"})
        elif self.lacks(path):
            pass
        elif path.endswith("/start"):
            self.answer(204)
        elif path.endswith("/wait"):
            time.sleep(server.runs_for)
            self.answer(200, {"StatusCode": server.exit_code})
        else:
            self.answer(404, {"message": "page not found"})

    def do_PUT(self) -> None:
        """A file for a container that has not been started."""
        path, _query = self.begin()
        assert re.fullmatch(r"/containers/[^/]+/archive", path)
        with tarfile.open(fileobj=io.BytesIO(self.server.bodies[-1])) as archive:
            for member in archive:
                stream = archive.extractfile(member)
                assert stream is not None and member.mode == 0o600
                self.server.laid[member.name] = stream.read()
        self.answer(200)

    def do_DELETE(self) -> None:
        path, _query = self.begin()
        server = self.server
        if path.startswith("/containers/"):
            known = path.removeprefix("/containers/") in server.containers
            server.containers = [name for name in server.containers if not path.endswith(name)]
            self.answer(
                *(
                    (204, None)
                    if known
                    else (404, {"message": f"No such container: {path.removeprefix('/containers/')}"})
                )
            )
            return
        name = path.removeprefix("/images/")
        image = server.find(name)
        if image is None:
            self.answer(404, {"message": f"No such image: {name}"})
        elif name in server.in_use:
            self.answer(
                409,
                {
                    "message": f'conflict: unable to remove repository reference "{name}" (must force) - container c0ffee is using it'
                },
            )
        else:
            for group in (image["RepoTags"], image["RepoDigests"]):
                if name in group:
                    group.remove(name)
            if name == image["Id"] or not [*image["RepoTags"], *image["RepoDigests"]]:
                server.images.remove(image)
            self.answer(200, [{"Untagged": name}])

    def pull(self, query: dict[str, str]) -> None:
        events: Pull = self.server.pulls.pop(0) if self.server.pulls else [(500, "no pull is expected")]
        if events and isinstance(events[0], tuple):
            self.answer(events[0][0], {"message": events[0][1]})
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            if isinstance(event, (int, float)):
                time.sleep(event)
                continue
            status = str(event.get("status", ""))
            if status.startswith("Digest: "):
                digest = status.removeprefix("Digest: ")
                by_tag = [] if query["tag"].startswith("sha256:") else [f"{query['fromImage']}:{query['tag']}"]
                self.server.add(f"{query['fromImage']}@{digest}", *by_tag)
            line = json.dumps(event).encode() + b"\r\n"
            try:
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            except OSError:
                return
        self.wfile.write(b"0\r\n\r\n")
