# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A hub for tests: the ModelScope protocol over real HTTP on loopback, and the ways in which a hub can fail.

Its answers are those of modelscope.cn: an unknown revision as an owner saw it (HTTP 200 and no files; recorded in November
2026), codes and statuses of models and files that are absent or private as gpustack, neutree and others have recorded them
(every refusal of access is a 404), entries of a listing with the fields of the real ones, Range and 416 as the CDN behind
its redirects answers them and as modelscope-hub 0.5.1 expects them (_download.py). It is never kinder than the original.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit


@dataclass
class Transfer:
    """One answer to a request for a file: where it began, and how many bytes were sent."""

    path: str
    start: int
    sent: int = 0


@dataclass
class Hub:
    """What the hub contains and how it behaves. Faults last until a test removes them."""

    models: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)  # plain URLs, by path
    listing_status: int = 200
    listing_body: bytes | None = None
    file_status: int = 200
    hide_sha256: bool = False
    redirect: bool = False
    ranges: bool = True
    etag: bool = True
    corrupt: set[str] = field(default_factory=set)  # other bytes of the same length
    endless: str = ""  # "listing", "files" or "errors" (of files): without a length and without an end
    private: bool = False
    retry_after: str | None = None  # beside a status of error
    silent: bool = False  # accepts the request and never answers
    cut_after: int | None = None  # bytes of each answer after which the connection breaks
    hold: dict[str, int] = field(default_factory=dict)  # where in files the connection goes quiet
    resume: threading.Event = field(default_factory=threading.Event)
    held: threading.Event = field(default_factory=threading.Event)
    requests: list[str] = field(default_factory=list)
    cookies: list[str | None] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    poured: int = 0
    url: str = ""

    def put(self, model: str, files: dict[str, bytes], revision: str = "master") -> None:
        """Publish a model at a revision."""
        self.models[model, revision] = files

    def fetched(self, path: str) -> int:
        """Bytes of a file transferred so far."""
        return sum(one.sent for one in self.transfers if one.path == path)

    def forget(self) -> None:
        """Clear the record of requests."""
        self.requests.clear()
        self.transfers.clear()


class Handler(BaseHTTPRequestHandler):
    """Answers listings, files of a model, redirects to blobs, and plain URLs."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer one request, without a body."""
        self.respond()

    def do_GET(self) -> None:
        """Answer one request."""
        self.respond()

    def respond(self) -> None:
        """Answer one request."""
        hub = self.hub
        hub.requests.append(self.path)
        hub.cookies.append(self.headers.get("Cookie"))
        if hub.silent:
            hub.resume.wait(60)
            self.close_connection = True
            return
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        parts = url.path.strip("/").split("/")
        if parts[:3] == ["api", "v1", "models"] and len(parts) >= 6:
            name = f"{parts[3]}/{parts[4]}"
            model = hub.models.get((name, query.get("Revision", "master")))
            if hub.private and "m_session_id=" not in (self.headers.get("Cookie") or ""):
                self.refuse(10010200001, "no access")
            elif parts[5:] == ["repo", "files"]:
                self.listing(model, any(known == name for known, _revision in hub.models))
            elif model is None or query.get("FilePath") not in model:
                self.refuse(10990101007, "file not found")
            elif hub.redirect:
                self.send_response(302)
                self.send_header("Location", f"{hub.url}/blob/{quote(query['FilePath'])}")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self.file(query["FilePath"], model[query["FilePath"]])
        elif parts[0] == "blob":
            name = "/".join(parts[1:])
            self.file(name, next(files[name] for files in hub.models.values() if name in files))
        elif url.path in hub.files:
            self.file(url.path, hub.files[url.path])
        else:
            self.answer(404, b'{"Code":404,"Message":"not found","Success":false}')

    def refuse(self, code: int, message: str) -> None:
        """The hub's answer for everything that is absent, or not for this client."""
        body = {"Code": code, "Data": None, "Message": message, "RequestId": "x", "Success": False}
        self.answer(404, json.dumps(body).encode())

    def pour(self, status: int = 200) -> None:
        """An endless answer, until the client leaves."""
        self.send_response(status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        block = b"x" * 65536
        with contextlib.suppress(OSError):
            while not self.hub.resume.is_set():
                self.wfile.write(b"10000\r\n" + block + b"\r\n")
                self.hub.poured += len(block)
        self.close_connection = True

    def listing(self, model: dict[str, bytes] | None, known: bool) -> None:
        """The files of a model."""
        hub = self.hub
        if hub.endless == "listing":
            self.pour()
            return
        if hub.listing_status != 200 or hub.listing_body is not None:
            self.answer(
                hub.listing_status, hub.listing_body or b'{"Code":500,"Message":"out of order","Success":false}'
            )
            return
        if model is None and known:
            none = {"Files": None, "IsVisual": 0, "LatestCommitter": None}
            body = {"Code": 200, "Data": none, "Message": "success", "RequestId": "x", "Success": True}
            self.answer(200, json.dumps(body).encode())
            return
        if model is None:
            self.refuse(10010205001, "获取模型目录树失败, 信息: record not found")
            return
        folders = {str(parent) for name in model for parent in Path(name).parents if str(parent) != "."}
        entries: list[dict[str, Any]] = [
            {"Name": Path(name).name, "Path": name, "Type": "tree", "Size": 0, "Sha256": "", "IsLFS": False}
            for name in folders
        ]
        for name, content in model.items():
            entry = {"Name": Path(name).name, "Path": name, "Type": "blob", "Size": len(content), "Revision": "f" * 40}
            entry |= {"IsLFS": len(content) > 1 << 20, "Mode": "33188", "CommittedDate": 1760000000}
            if not hub.hide_sha256:
                entry["Sha256"] = hashlib.sha256(content).hexdigest()
            entries.append(entry)
        data = {"Files": entries, "IsVisual": 0, "LatestCommitter": {"Id": "", "ShortId": "f" * 8}}
        body = {"Code": 200, "Data": data, "Message": "success", "RequestId": "x", "Success": True}
        self.answer(200, json.dumps(body).encode())

    def file(self, name: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        """The bytes of a file or of a range of it, with the requested fault; ``headers`` are sent beside the usual ones."""
        hub = self.hub
        if hub.endless == "errors":
            self.pour(500)
            return
        if hub.endless == "files":
            self.pour()
            return
        if hub.file_status != 200:
            self.answer(hub.file_status, b"out of order")
            return
        headers = dict(headers or {})
        etag = headers.pop("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        if name in hub.corrupt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        start, length = 0, len(content)
        requested = self.headers.get("Range", "") if hub.ranges else ""
        if requested and self.headers.get("If-Range", etag) == etag:
            begin, _dash, last = requested.removeprefix("bytes=").partition("-")
            start = int(begin)
            length = min(length, int(last) + 1) if last else length
        if start and start >= len(content):
            self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        is_part = bool(start) or length < len(content)
        self.send_response(206 if is_part else 200)
        self.send_header("Content-Length", str(length - start))
        if is_part:
            self.send_header("Content-Range", f"bytes {start}-{length - 1}/{len(content)}")
        if hub.etag:
            self.send_header("ETag", etag)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        transfer = Transfer(name, start)
        hub.transfers.append(transfer)
        hold = hub.hold.get(name)
        end = length if hub.cut_after is None else min(length, start + hub.cut_after)
        while start + transfer.sent < end:
            here = start + transfer.sent
            stop = end
            if hold is not None and not hub.resume.is_set():
                if here >= hold:
                    hub.held.set()
                    hub.resume.wait(60)
                    break
                stop = min(end, hold)
            block = content[here : min(stop, here + 65536)]
            try:
                self.wfile.write(block)
            except OSError:
                break
            transfer.sent += len(block)
        if start + transfer.sent < len(content):
            self.close_connection = True

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """A short answer."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status >= 400 and self.hub.retry_after:
            self.send_header("Retry-After", self.hub.retry_after)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextlib.contextmanager
def running() -> Iterator[Hub]:
    """A hub that serves until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OwnHandler", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    server.block_on_close = False
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.resume.set()
        server.shutdown()
        server.server_close()
