# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A small catalog whose engines, model and file all exist, the hub that it names, and script/lock over it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import scripts
import yaml

FILE = b"{{ messages }}" * 1000


lock = scripts.load("lock")


PACKAGES = f"""\
# requirement: boxed==1.0
# python: 3.12
# machine: aarch64
# glibc: 2.39
# packages: 1
# bytes: 10
boxed==1.0 --hash=sha256:{"a" * 64}
"""


class Hub(ThreadingHTTPServer):
    """Listings by (id, revision), files by path; ``cut`` ends a file early, ``cookies`` are those that clients sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.listings: dict[tuple[str, str], Any] = {}
        self.files: dict[str, bytes] = {}
        self.cut = False
        self.cookies: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def list_model(self, model: str, files: dict[str, bytes], revision: str = "master") -> None:
        """Have the hub list these files."""
        blobs = [
            {"Path": path, "Type": "blob", "Size": len(body), "Sha256": hashlib.sha256(body).hexdigest()}
            for path, body in files.items()
        ]
        self.listings[model, revision] = {"Code": 200, "Data": {"Files": [*blobs, {"Path": "sub", "Type": "tree"}]}}


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub's API does, as far as the lock asks."""

    server: Hub

    def do_GET(self) -> None:
        """A listing, or a file."""
        parts = urlsplit(self.path)
        self.server.cookies.append(self.headers["Cookie"])
        body = self.server.files.get(parts.path)
        if parts.path.startswith("/api/v1/models/") and parts.path.endswith("/repo/files"):
            model = parts.path.removeprefix("/api/v1/models/").removesuffix("/repo/files")
            listing = self.server.listings.get((model, parse_qs(parts.query)["Revision"][0]))
            body = None if listing is None else json.dumps(listing).encode()
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:-1] if self.server.cut else body)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def running() -> Iterator[Hub]:
    """A hub that answers."""
    server = Hub()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def git(folder: Path, *arguments: str) -> str:
    """What git says in a repository."""
    identity = [
        "-c",
        "user.name=T",
        "-c",
        "user.email=t@example.org",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "tag.gpgsign=false",
    ]
    run = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def make(tmp_path: Path, hub: Hub) -> Path:
    """The folder of the catalog."""
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "-q")
    git(repository, "commit", "-q", "--allow-empty", "-m", "one")
    git(repository, "tag", "-a", "v1.2", "-m", "1.2")
    commit = git(repository, "rev-parse", "HEAD")
    hub.list_model("Owner/Name", {"config.json": b"{}", "model.gguf": b"weights", "other.gguf": b"x"})
    hub.files["/template.jinja"] = FILE
    engines = {
        "small": {
            "source": {"git": repository.as_uri()},
            "versions": {
                "1.2": {"commit": commit, "origin": "its tag"},
                commit[:7]: {"commit": commit, "origin": "the repository"},
            },
        },
        "boxed": {
            "versions": {
                "25.10": {"image": "example.org/boxed:25.10", "digest": "unpinned"},
                "1.0": {"packages": "boxed==1.0"},
            },
        },
    }
    models = {
        "model": {"modelscope": "Owner/Name", "include": ["*.json", "model.gguf"]},
        "template": {
            "url": f"{hub.url}/template.jinja",
            "checksum": None,
            "bytes": 40,
            "unpinned": "nobody gives one",
        },
    }
    catalog = tmp_path / "catalog"
    (catalog / "packages").mkdir(parents=True)
    (catalog / "packages" / "boxed-1.0-cp312-aarch64.txt").write_text(PACKAGES)
    (catalog / "engines.yml").write_text(yaml.safe_dump({"engines": engines}))
    (catalog / "models.yml").write_text(yaml.safe_dump({"models": models}))
    return catalog


def change(folder: Path, name: str, key: str, **values: Any) -> None:
    """Change an entry of the catalog."""
    path = folder / f"{name}.yml"
    data = yaml.safe_load(path.read_text())
    data[name][key].update(values)
    path.write_text(yaml.safe_dump(data))


def run(folder: Path, hub: Hub, *more: str) -> int:
    """The exit status of script/lock."""
    status: int = lock.main(["--catalog", str(folder), "--endpoint", hub.url, "--timeout", "10", *more])
    return status


def written(folder: Path) -> dict[str, Any]:
    """The lock."""
    data: dict[str, Any] = yaml.safe_load((folder / "lock.yml").read_text())
    return data
