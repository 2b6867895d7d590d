# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A package index for tests: the simple repository API over real HTTP on loopback, with wheels made here, and its faults.

The API is that of https://packaging.python.org/en/latest/specifications/simple-repository-api/ (PEP 503 and PEP 691): a page per
project, HTML or JSON by the ``Accept`` header, with the sha256 of each file. Ranges are answered, because uv asks for them. The
faults are made up.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import io
import json
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"


def wheel(
    name: str,
    version: str,
    files: Mapping[str, bytes],
    scripts: Mapping[str, str] | None = None,
    tag: str = "py3-none-any",
    metadata: str = "",
) -> tuple[str, bytes]:
    """The name and the content of a wheel. ``scripts``: console scripts and the functions that they call; ``metadata``: more lines."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    if scripts:
        lines = "".join(f"{script} = {function}\n" for script, function in scripts.items())
        contents[f"{info}/entry_points.txt"] = f"[console_scripts]\n{lines}".encode()
    record = io.StringIO()
    rows = [(path, f"sha256={_digest(data)}", len(data)) for path, data in contents.items()]
    csv.writer(record, lineterminator="\n").writerows([*rows, (f"{info}/RECORD", "", "")])
    contents[f"{info}/RECORD"] = record.getvalue().encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, data in contents.items():
            member = zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0))
            member.external_attr = (0o100755 if ".data/scripts/" in path else 0o100644) << 16
            archive.writestr(member, data)
    return f"{name.replace('-', '_')}-{version}-{tag}.whl", buffer.getvalue()


def source_distribution(
    name: str, version: str, backend: str, files: Mapping[str, str] | None = None
) -> tuple[str, bytes]:
    """The name and the content of a source distribution with one module, built by the module ``backend``; ``files``: more of them."""
    root = f"{name}-{version}"
    contents = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "pyproject.toml": f'[build-system]\nrequires = ["{backend}"]\nbuild-backend = "{backend}"\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n',
        f"{name}.py": "FROM = 'source'\n",
        **(files or {}),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, text in contents.items():
            member = tarfile.TarInfo(f"{root}/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return f"{root}.tar.gz", buffer.getvalue()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


@dataclass
class PackageIndex:
    """What the index has and how it behaves. Faults last until a test removes them."""

    files: dict[str, bytes] = field(default_factory=dict)
    other: dict[str, bytes] = field(default_factory=dict)  # sent in place of what the listing has the hash of
    gone: set[str] = field(default_factory=set)  # listed, and 404
    yanked: dict[str, str] = field(default_factory=dict)  # file: its publisher's reason
    cut: dict[str, int] = field(default_factory=dict)  # bytes after which the connection breaks, each time
    cuts: int = -1  # how many more times; -1: always
    status: int = 200  # of everything
    silent: bool = False  # accepts a request and never answers
    pause: float = 0.0  # seconds before each block of 16 KiB
    password: str = ""  # Basic authentication of the user "thor"
    requests: list[str] = field(default_factory=list)
    sent: int = 0  # bytes of files
    url: str = ""
    end: threading.Event = field(default_factory=threading.Event)

    def add(self, file: tuple[str, bytes]) -> str:
        """Publish a file; returns its sha256."""
        self.files[file[0]] = file[1]
        return hashlib.sha256(file[1]).hexdigest()

    @property
    def simple(self) -> str:
        """The address of the index."""
        return f"{self.url}/simple"


class Handler(BaseHTTPRequestHandler):
    """Answers pages of projects, and files."""

    protocol_version = "HTTP/1.1"
    index: PackageIndex

    def do_GET(self) -> None:
        """A page or a file."""
        index, path = self.index, unquote(urlsplit(self.path).path)
        index.requests.append(path)
        if index.silent:
            index.end.wait(60)
            self.close_connection = True
            return
        wanted = "Basic " + base64.b64encode(f"thor:{index.password}".encode()).decode()
        if index.password and self.headers.get("Authorization") != wanted:
            self._answer(401, "text/plain", b"who are you", {"WWW-Authenticate": 'Basic realm="index"'})
        elif index.status != 200:
            self._answer(index.status, "text/plain", b"a fault")
        elif path.startswith("/simple/"):
            self._page(path.split("/")[2])
        elif path.startswith("/files/"):
            self._file(path.split("/")[2])
        else:
            self._answer(404, "text/plain", b"not here")

    def do_HEAD(self) -> None:
        """The same without a body."""
        self.do_GET()

    def _page(self, project: str) -> None:
        index = self.index
        files = {name: data for name, data in index.files.items() if _project(name) == project}
        if not files:
            self._answer(404, "text/plain", b"no such project")
            return
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        if JSON in self.headers.get("Accept", ""):
            entries = [
                {
                    "filename": name,
                    "url": f"/files/{name}",
                    "hashes": {"sha256": hashes[name]},
                    "size": len(data),
                    "yanked": index.yanked.get(name, False),
                }
                for name, data in files.items()
            ]
            page = json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": entries}).encode()
            self._answer(200, JSON, page)
        else:
            links = "".join(f'<a href="/files/{name}#sha256={hashes[name]}">{name}</a><br>\n' for name in files)
            self._answer(200, HTML, f"<!DOCTYPE html><html><body>\n{links}</body></html>".encode())

    def _file(self, name: str) -> None:
        index = self.index
        if name in index.gone or name not in index.files:
            self._answer(404, "text/plain", b"no such file")
            return
        data = index.other.get(name, index.files[name])
        start, end, status = 0, len(data), 200
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes="):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = (int(first), int(last) + 1 if last else end) if first else (max(0, end - int(last)), end)
            status = 206
        headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}
        limit = None
        if name in index.cut and index.cuts:
            index.cuts -= index.cuts > 0
            limit = index.cut[name]
        self._answer(status, "application/octet-stream", data[start:end], headers if status == 206 else {}, limit)

    def _answer(
        self, status: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None, limit: int | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        with contextlib.suppress(OSError):
            for start in range(0, len(body), 1 << 14):
                block = body[start : start + (1 << 14)]
                if limit is not None and start + len(block) > limit:
                    self.wfile.write(block[: max(0, limit - start)])
                    self.close_connection = True
                    return
                if self.index.pause:
                    time.sleep(self.index.pause)
                self.wfile.write(block)
                self.index.sent += len(block) if status < 400 and kind == "application/octet-stream" else 0

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def _project(name: str) -> str:
    return name.rsplit("-", 1 if name.endswith(".tar.gz") else 4)[0].replace("_", "-")


@contextlib.contextmanager
def serving() -> Iterator[PackageIndex]:
    """An index that runs on loopback."""
    index = PackageIndex()
    handler = type("IndexHandler", (Handler,), {"index": index})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    index.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield index
    finally:
        index.end.set()
        server.shutdown()
        server.server_close()
        thread.join()
