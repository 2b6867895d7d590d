# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A dockerd of a few lines on a unix socket: images, pulls that go as a test says, and containers by name.

Its refusals have the statuses and messages of moby 29: daemon/errors.go (No such container), daemon/images/image.go (No such
image), daemon/names.go (a name that is taken), daemon/delete.go (a removal in progress), daemon/images/image_delete.go (an image
in use), daemon/server/middleware/version.go (an old client), daemon/server (page not found). Docker 26.1 sends the events of a
pull. Each test provides the messages of a refused pull, from the sources that plugins/module_utils/images/pull_errors.py names.

What a pull adds is moby's, too. In the classic store the pulled digest, of an index or of a manifest, becomes a further RepoDigest
of the one image with that configuration (daemon/internal/distribution/pull_v2.go, addDigestReference). In the containerd store each
digest is an image of its own, whose Id is that digest (daemon/containerd/image_inspect.go). A tag moves.
"""

from __future__ import annotations

import hashlib
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

from ansible_collections.jetson.thor.plugins.module_utils.images import gpu_check

CONTAINERD = [["driver-type", "io.containerd.snapshotter.v1"]]
# The label of the container of the service chat.
LABEL = "thor.service=thor-chat.service"
DERIVED = f"sha256:{'d' * 64}"
Pull = list[Any]


class Dockerd:
    """Listens on ``path`` within a ``with`` block.

    ``pulls`` is what each POST /images/create answers, in turn: events, a number (seconds of silence), or ``(status, message)`` as
    the first element for a refusal. A ``Digest:`` event adds the image.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path.parent / "docker"
        self.architecture = "amd64"
        self.minimum = ""  # the oldest API version that a client may speak
        self.status: list[list[str]] = []
        self.broken = False
        self.info: dict[str, Any] = {}  # more answers to GET /info
        self.runtimes = {"runc", "nvidia"}
        self.images: list[dict[str, Any]] = []
        self.volumes: list[dict[str, Any]] = []
        self.pulls: list[Pull] = []
        self.manifests: dict[str, str] = {}  # of an index, by its digest: the digest of its manifest for this machine
        self.entrypoint: list[str] | None = None  # of every image
        self.runs_command = True  # whether that entrypoint ends by running its arguments
        self.swallowed = False
        self.in_use: set[str] = set()
        self.pid = 0  # of a container's process
        self.containers: dict[str, dict[str, str]] = {}  # names and labels
        self.uses: dict[str, dict[str, Any]] = {}  # by a container's name: its ImageID and Mounts
        self.removed: list[str] = []  # names of removed containers, in order
        self.busy = 0  # the number of removals that are answered with "already in progress"
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[Any] = []
        # The container that is run: its command, its files, how long it runs and what it says.
        self.command: list[str] = []
        self.laid: dict[str, bytes] = {}
        self.started = 0.0
        self.runs_for = 0.0
        self.exit_code = 0
        self.log = ""
        self.lacking: dict[str, str] = {}  # modules that it cannot import until pip has run in its image
        self.pip_exit_code = 0
        self.stubborn = False  # pip does not help
        self._server: _Server | None = None

    def __enter__(self) -> Dockerd:
        """Listen."""
        self._server = _Server(str(self.path), Handler)
        self._server.dockerd = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_args: object) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def has(self, name: str, label: str = "") -> None:
        """Add a container, with one label."""
        key, _, value = label.partition("=")
        self.containers[name] = {key: value} if key else {}

    def find(self, name: str) -> dict[str, Any] | None:
        """The image with that name."""
        for image in self.images:
            if name in (image["Id"], *image["RepoTags"], *image["RepoDigests"]):
                return image
        return None

    def add(self, *names: str, image_id: str = "", **more: Any) -> None:
        """Add an image under these names."""
        tags = [name for name in names if "@" not in name]
        digests = [name for name in names if "@" in name]
        self.images.append({"Id": image_id or str(names), "RepoTags": tags, "RepoDigests": digests, **more})

    def pulled(self, repository: str, tag: str, digest: str) -> None:
        """Add what a pull has brought: by its tag, or by the digest itself."""
        content = self.manifests.get(digest, digest)
        names = [f"{repository}@{digest}", *([] if tag == digest else [f"{repository}:{tag}"])]
        for image in self.images:
            image["RepoTags"] = [name for name in image["RepoTags"] if name not in names]
        image_id = digest if self.status == CONTAINERD else f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
        known = self.find(image_id)
        if known is None:
            self.add(*names, image_id=image_id, layers=[content])
            return
        for name in names:
            group = known["RepoDigests" if "@" in name else "RepoTags"]
            if name not in group:
                group.append(name)

    def names(self) -> set[str]:
        """All names of all images."""
        return {name for image in self.images for name in (*image["RepoTags"], *image["RepoDigests"])}

    def pip_runs(self) -> bool:
        """Whether the last container is one in which pip adds packages."""
        return any("pip" in word for word in self.command)

    def says(self) -> str:
        """The output of the last container: what it cannot import, if it was asked for that."""
        if self.swallowed:
            return "vllm: error: unrecognized arguments: -c\r\n"
        if gpu_check.SAID in " ".join(self.command):
            return f"== banner ==\r\n{gpu_check.SAID}\r\n{self.log}"
        if self.pip_runs() or not any("import_module" in word for word in self.command):
            return self.log
        failed = {name: why for name, why in self.lacking.items() if name in self.command}
        return f"{self.log}failed: {json.dumps(failed)}\r\n"


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    dockerd: Dockerd

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """Tests let clients disappear."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: _Server
    protocol_version = "HTTP/1.1"

    @property
    def dockerd(self) -> Dockerd:
        return self.server.dockerd

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

    def refuse(self, status: int, message: str) -> None:
        self.answer(status, {"message": message})

    def handle_one_request(self) -> None:
        super().handle_one_request()
        self.close_connection = True

    def begin(self) -> tuple[str, dict[str, str]] | None:
        """Path and query of a request; None if it was refused."""
        parts = urlsplit(self.path)
        version = parts.path.split("/")[1].removeprefix("v")
        path = re.sub(r"^/v1\.\d+", "", unquote(parts.path))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.dockerd.asked.append((self.command, path))
        self.dockerd.headers.append(dict(self.headers))
        self.dockerd.bodies.append(body)
        minimum = self.dockerd.minimum
        name = path.split("/")[2] if path.startswith("/containers/") else ""
        if minimum and version < minimum:
            words = f"client version {version} is too old. Minimum supported API version is {minimum}"
            self.refuse(400, f"{words}, please upgrade your client to a newer version")
        elif self.dockerd.broken:
            self.answer(500, "<html>")
        elif name not in ("", "json", "create", *self.dockerd.containers):
            self.refuse(404, f"No such container: {name}")
        else:
            return path, {key: values[0] for key, values in parse_qs(parts.query).items()}
        return None

    def do_GET(self) -> None:
        if (request := self.begin()) is None:
            return
        path, query = request
        dockerd = self.dockerd
        if path == "/_ping":
            self.answer(200, "OK")
        elif path == "/info":
            info = {"DockerRootDir": str(dockerd.root), "Driver": "overlay2", "DriverStatus": dockerd.status}
            self.answer(200, {**info, **dockerd.info})
        elif path == "/system/df":  # docs.docker.com/reference/api/engine: SystemDataUsage
            self.answer(200, {"Images": dockerd.images, "Volumes": dockerd.volumes})
        elif path == "/images/json":
            self.answer(200, self.list_images(json.loads(query.get("filters", "{}"))))
        elif path.startswith("/images/"):
            self.inspect_image(path.removeprefix("/images/").removesuffix("/json"))
        elif path.startswith("/distribution/"):
            self.describe(path.removeprefix("/distribution/").removesuffix("/json").partition("@")[2])
        elif path == "/containers/json":
            # A container's own name stands for its id; each request takes both.
            self.answer(
                200,
                [
                    {"Id": name, "Names": [f"/{name}"], "Labels": labels, **dockerd.uses.get(name, {})}
                    for name, labels in dockerd.containers.items()
                ],
            )
        elif path.endswith("/logs"):
            self.answer(200, dockerd.says())
        elif path.startswith("/containers/"):
            code = 2 if dockerd.swallowed else dockerd.pip_exit_code if dockerd.pip_runs() else dockerd.exit_code
            state = {
                "Running": time.monotonic() < dockerd.started + dockerd.runs_for,
                "ExitCode": code,
                "Pid": dockerd.pid,
            }
            self.answer(200, {"State": state, "Config": {"Labels": dockerd.containers[path.split("/")[2]]}})
        else:
            self.refuse(404, "page not found")

    def describe(self, digest: str) -> None:
        """What the registry says about a digest (moby: api/types/registry, DistributionInspect)."""
        kind = "index" if digest in self.dockerd.manifests else "manifest"
        media_type = f"application/vnd.oci.image.{kind}.v1+json"
        self.answer(200, {"Descriptor": {"mediaType": media_type, "digest": digest, "size": 1}, "Platforms": []})

    def list_images(self, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
        labels, names = filters.get("label", []), filters.get("reference", [])
        found = [one for one in self.dockerd.images if set(labels) <= set(one.get("Labels") or {})]
        return [
            one for one in found if all(any(tag.startswith(f"{name}:") for tag in one["RepoTags"]) for name in names)
        ]

    def inspect_image(self, name: str) -> None:
        image = self.dockerd.find(name)
        if image is None:
            self.refuse(404, f"No such image: {name}")
            return
        more = {
            "Config": {"Cmd": ["bash"], "Env": ["A=b"], "Entrypoint": self.dockerd.entrypoint},
            "Architecture": self.dockerd.architecture,
            "RootFS": {"Layers": image.get("layers", [])},
        }
        self.answer(200, {**image, **more})

    def do_POST(self) -> None:
        if (request := self.begin()) is None:
            return
        path, query = request
        dockerd = self.dockerd
        if path == "/images/create":
            self.pull(query)
        elif path == "/images/load":
            self.answer(200, {"stream": "Loaded"})
        elif path.endswith("/tag"):
            image = dockerd.find(path.removeprefix("/images/").removesuffix("/tag"))
            assert image is not None
            image["RepoTags"].append(f"{query['repo']}:{query['tag']}")
            self.answer(201)
        elif path == "/containers/create":
            self.create(query["name"], json.loads(dockerd.bodies[-1]))
        elif path == "/commit":
            dockerd.add(f"{query['repo']}:{query['tag']}", image_id=DERIVED)
            dockerd.lacking = dockerd.lacking if dockerd.stubborn else {}
            self.answer(201, {"Id": DERIVED})
        elif path.endswith("/start"):
            dockerd.started = time.monotonic()
            self.answer(204)
        else:
            self.refuse(404, "page not found")

    def create(self, name: str, body: dict[str, Any]) -> None:
        dockerd = self.dockerd
        if body["HostConfig"].get("Runtime", "runc") not in dockerd.runtimes:
            self.refuse(400, "unknown or invalid runtime name: nvidia")
        elif dockerd.find(body["Image"]) is None:
            self.refuse(404, f"No such image: {body['Image']}")
        elif name in dockerd.containers:
            words = f'Conflict. The container name "/{name}" is already in use by container "c0ffee". '
            self.refuse(409, f"{words}You have to remove (or rename) that container to be able to reuse that name.")
        else:
            dockerd.containers[name] = body.get("Labels") or {}
            # An entrypoint of null is the image's own, and an empty one is none (moby: daemon/commit.go, merge).
            given = body.get("Entrypoint")
            dockerd.swallowed = given is None and bool(dockerd.entrypoint) and not dockerd.runs_command
            dockerd.command = [*((dockerd.entrypoint or []) if given is None else given), *(body.get("Cmd") or [])]
            self.answer(201, {"Id": "c0ffee", "Warnings": []})

    def do_PUT(self) -> None:
        """A file for a container that has not been started."""
        if (request := self.begin()) is None:
            return
        assert re.fullmatch(r"/containers/[^/]+/archive", request[0])
        with tarfile.open(fileobj=io.BytesIO(self.dockerd.bodies[-1])) as archive:
            for member in archive:
                stream = archive.extractfile(member)
                assert stream is not None and member.mode == 0o600
                self.dockerd.laid[member.name] = stream.read()
        self.answer(200)

    def do_DELETE(self) -> None:
        if (request := self.begin()) is None:
            return
        path = request[0]
        if path.startswith("/containers/"):
            self.remove_container(path.removeprefix("/containers/"))
        elif path.startswith("/volumes/"):
            name = path.removeprefix("/volumes/")
            self.dockerd.volumes = [one for one in self.dockerd.volumes if one["Name"] != name]
            self.answer(204)
        else:
            self.remove_image(path.removeprefix("/images/"))

    def remove_container(self, name: str) -> None:
        dockerd = self.dockerd
        if dockerd.busy:
            dockerd.busy -= 1
            self.refuse(409, f"removal of container {name} is already in progress")
            return
        del dockerd.containers[name]
        dockerd.removed.append(name)
        self.answer(204)

    def remove_image(self, name: str) -> None:
        dockerd = self.dockerd
        image = dockerd.find(name)
        if image is None:
            self.refuse(404, f"No such image: {name}")
        elif name in dockerd.in_use:
            words = f'conflict: unable to remove repository reference "{name}" (must force)'
            self.refuse(409, f"{words} - container c0ffee is using it")
        else:
            for group in (image["RepoTags"], image["RepoDigests"]):
                if name in group:
                    group.remove(name)
            if name == image["Id"] or not [*image["RepoTags"], *image["RepoDigests"]]:
                dockerd.images.remove(image)
            self.answer(200, [{"Untagged": name}])

    def pull(self, query: dict[str, str]) -> None:
        events: Pull = self.dockerd.pulls.pop(0) if self.dockerd.pulls else [(500, "no pull is expected")]
        if events and isinstance(events[0], tuple):
            self.refuse(*events[0])
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
                self.dockerd.pulled(query["fromImage"], query["tag"], status.removeprefix("Digest: "))
            line = json.dumps(event).encode() + b"\r\n"
            try:
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            except OSError:
                return
        self.wfile.write(b"0\r\n\r\n")
