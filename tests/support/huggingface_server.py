# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A Hugging Face hub for tests: its protocol over real HTTP on loopback, and the ways in which it can fail.

Its answers are what huggingface_hub 2.4.0 asks for and understands, read there: ``/api/models/{id}/revision/{revision}`` and the pages
of ``/api/models/{id}/tree/{revision}`` with ``Link`` (hf_api.py, utils/_pagination.py), ``/{id}/resolve/{revision}/{file}`` with
X-Repo-Commit, ETag, and for files of LFS a redirect to another host with X-Linked-Etag and X-Linked-Size (file_download.py), refusals
with X-Error-Code and X-Error-Message (utils/_http.py, errors.py), rate limits (utils/_http.py). The real client accepts it:
tests/unit/support/test_huggingface_server.py. Models and faults are made up.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import hub_server

# The hub stores larger files with LFS; here they are smaller.
LFS_BYTES = 10_000


@dataclass
class Repository:
    """A model: its commits, and who may read it."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    private: bool = False
    gated: str | bool = False  # False, "auto" or "manual"
    closed: bool = False  # a gated model that only its readers may list, as the example of GatedRepoError in errors.py
    readers: set[str] = field(default_factory=set)  # tokens that may read a private or gated model


@dataclass
class HuggingFace(hub_server.Hub):
    """What the hub contains and how it behaves. Faults last until a test removes them, unless they say how often."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=lambda: {"hf_reader", "hf_nobody"})
    page: int = 1000  # entries of a page of a listing
    limited: int = 0  # so many requests are answered 429
    rate_limit: dict[str, str] = field(default_factory=lambda: {"RateLimit": '"api";r=0;t=0'})
    pointers: set[str] = field(default_factory=set)  # files that are delivered as pointers of LFS
    gone: set[str] = field(default_factory=set)  # files that are listed and not delivered
    no_blobs: bool = False  # a mirror that lists no hashes
    relative: bool = False  # small files are redirected to another address of the hub itself
    foreign_pages: bool = False  # the next page of a listing is on the other host
    expired: int = 0  # so many signed addresses have run out when they are used
    move: dict[str, bytes] | None = None  # new files of the branch main, pushed right after it was listed
    storage: str = ""  # the other host
    seen: list[tuple[str, str | None]] = field(default_factory=list)  # (host and path, Authorization) of each request

    def push(self, model: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Commit files to a branch; the commit."""
        repository = self.repositories.setdefault(model, Repository())
        text = json.dumps({name: hashlib.sha1(data).hexdigest() for name, data in sorted(files.items())})
        commit = hashlib.sha1(f"{branch}{text}".encode()).hexdigest()
        repository.commits[commit] = dict(files)
        repository.branches[branch] = commit
        return commit


def blob_id(content: bytes) -> str:
    """Git's id of a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def pointer(content: bytes) -> bytes:
    """The pointer of a file that is stored with LFS (the specification of Git LFS)."""
    digest = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n".encode()


class Handler(hub_server.Handler):
    """Answers what is asked about models, and delivers their files."""

    hub: HuggingFace
    is_storage = False

    def respond(self) -> None:
        """Answer one request."""
        hub = self.hub
        hub.requests.append(f"{self.command} {self.path}")
        hub.seen.append((f"{self.headers['Host']}{self.path}", self.headers.get("Authorization")))
        if hub.silent:
            hub.resume.wait(60)
            self.close_connection = True
            return
        if hub.limited > 0:
            hub.limited -= 1
            self.answer(429, b'{"error":"Too Many Requests"}', hub.rate_limit)
            return
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        parts = url.path.strip("/").split("/")
        if self.is_storage and parts[0] != "api":
            self.stored(url.path, query)
            return
        if parts[:2] == ["api", "models"] and len(parts) >= 4:
            self.model(f"{parts[2]}/{parts[3]}", parts[4:], query)
        elif parts[:3] == ["api", "resolve-cache", "models"]:
            self.resolve(f"{parts[3]}/{parts[4]}", unquote(parts[5]), unquote("/".join(parts[6:])), moved=True)
        elif len(parts) >= 5 and parts[2] == "resolve":
            self.resolve(f"{parts[0]}/{parts[1]}", unquote(parts[3]), unquote("/".join(parts[4:])))
        else:
            self.answer(404, b'{"error":"Sorry, we can\'t find the page you are looking for."}')

    def error(self, status: int, code: str, message: str) -> None:
        """A refusal in the hub's words."""
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self.answer(status, json.dumps({"error": message}).encode(), headers)

    def token(self) -> str:
        """The token of the request."""
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def readable(self, model: str) -> Repository | None:
        """The repository, or None after a refusal: one that does not exist looks like one that is private."""
        repository, token = self.hub.repositories.get(model), self.token()
        if token and token not in self.hub.tokens:
            self.error(401, "", "Invalid credentials in Authorization header")
        elif repository is None or (repository.private and token not in repository.readers):
            self.error(404 if token else 401, "RepoNotFound", "Repository not found")
        else:
            return repository
        return None

    def commit(self, repository: Repository, revision: str) -> str | None:
        """The commit of a revision, or None after a refusal."""
        commit = repository.branches.get(revision, revision)
        if commit in repository.commits:
            return commit
        self.error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return None

    def granted(self, model: str, repository: Repository) -> bool:
        """Whether the token may read the model, if it is gated; after a refusal, if not."""
        if not repository.gated or self.token() in repository.readers:
            return True
        start = f"Access to model {model} is restricted"
        if self.token():
            page = f"https://huggingface.co/{model}"
            message = f"{start} and you are not in the authorized list. Visit {page} to ask for access."
            self.error(403, "GatedRepo", message)
        else:
            self.error(401, "GatedRepo", f"{start}. You must have access to it and be authenticated to access it.")
        return False

    def model(self, model: str, rest: list[str], query: dict[str, str]) -> None:
        """What the hub says of a model, or a page of its files."""
        hub = self.hub
        if hub.listing_status != 200 or hub.listing_body is not None:
            self.answer(hub.listing_status, hub.listing_body or b'{"error":"Internal Error"}')
            return
        if hub.endless == "listing":
            self.pour()
            return
        repository = self.readable(model)
        if repository is None or (repository.closed and not self.granted(model, repository)):
            return
        commit = self.commit(repository, unquote(rest[1]) if len(rest) > 1 else "main")
        if commit is None:
            return
        files = repository.commits[commit]
        if rest[:1] == ["tree"]:
            self.tree(model, commit, files, int(query.get("cursor", "0")))
            if hub.move is not None:
                hub.push(model, hub.move)
            return
        said: dict[str, Any] = {
            "_id": "6" * 24,
            "id": model,
            "modelId": model,
            "sha": commit,
            "private": repository.private,
            "gated": repository.gated,
            "disabled": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "lastModified": "2026-11-01T00:00:00.000Z",
            "siblings": [{"rfilename": name} for name in sorted(files)],
        }
        self.answer(200, json.dumps(said).encode(), {"Content-Type": "application/json"})

    def tree(self, model: str, commit: str, files: dict[str, bytes], begin: int) -> None:
        """A page of the files and folders of a commit."""
        hub = self.hub
        entries: list[dict[str, Any]] = [
            {"type": "directory", "oid": hashlib.sha1(str(folder).encode()).hexdigest(), "size": 0, "path": str(folder)}
            for folder in sorted({parent for name in files for parent in Path(name).parents if str(parent) != "."})
        ]
        for name, content in sorted(files.items()):
            entry: dict[str, Any] = {"type": "file", "oid": blob_id(content), "size": len(content), "path": name}
            if len(content) > LFS_BYTES:
                link = pointer(content)
                digest = hashlib.sha256(content).hexdigest()
                entry |= {"oid": blob_id(link), "lfs": {"oid": digest, "size": len(content), "pointerSize": len(link)}}
            if hub.no_blobs:
                entry |= {"oid": ""}
            entries.append(entry)
        headers = {"Content-Type": "application/json"}
        if begin + hub.page < len(entries):
            host = hub.storage if hub.foreign_pages else hub.url
            following = f"{host}/api/models/{model}/tree/{commit}?recursive=true&expand=false&cursor={begin + hub.page}"
            headers["Link"] = f'<{following}>; rel="next"'
        self.answer(200, json.dumps(entries[begin : begin + hub.page]).encode(), headers)

    def resolve(self, model: str, revision: str, name: str, moved: bool = False) -> None:
        """A file, or the redirect to it."""
        hub, repository = self.hub, self.readable(model)
        if repository is None:
            return
        if not self.granted(model, repository):
            return
        commit = self.commit(repository, revision)
        if commit is None:
            return
        content = repository.commits[commit].get(name)
        if content is None or name in hub.gone:
            self.error(404, "EntryNotFound", "Entry not found")
        elif name in hub.pointers:
            self.file(name, pointer(content), {"X-Repo-Commit": commit, "ETag": f'"{blob_id(pointer(content))}"'})
        elif hub.relative and not moved:
            place = f"/api/resolve-cache/models/{model}/{commit}/{quote(name)}"
            self.answer(307, b"", {"Location": place, "X-Repo-Commit": commit})
        elif len(content) > LFS_BYTES:
            digest = hashlib.sha256(content).hexdigest()
            place = f"{hub.storage}/{digest}?file={quote(name)}&commit={commit}&model={model}&signature=s3cr3t"
            linked = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
            self.answer(302, b"", {"Location": place, "X-Repo-Commit": commit, **linked})
        else:
            self.file(name, content, {"X-Repo-Commit": commit, "ETag": f'"{blob_id(content)}"'})

    def stored(self, path: str, query: dict[str, str]) -> None:
        """A file of LFS, on the host that signed addresses lead to."""
        hub = self.hub
        if query.get("signature") != "s3cr3t" or hub.expired > 0:
            hub.expired -= 1
            self.answer(403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
            return
        content = hub.repositories[query["model"]].commits[query["commit"]][query["file"]]
        assert hashlib.sha256(content).hexdigest() == path.strip("/")
        self.file(query["file"], content)


class Storage(Handler):
    """The other host."""

    is_storage = True


@contextlib.contextmanager
def running() -> Iterator[HuggingFace]:
    """A hub and its storage host, which serve until the block ends."""
    hub = HuggingFace()
    with contextlib.ExitStack() as stack:
        for handler in (Handler, Storage):
            server = ThreadingHTTPServer(("127.0.0.1", 0), type("OwnHandler", (handler,), {"hub": hub}))
            server.daemon_threads = True
            server.block_on_close = False
            url = f"http://127.0.0.1:{server.server_port}"
            if handler is Storage:
                hub.storage = url
            else:
                hub.url = url
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
        try:
            yield hub
        finally:
            hub.resume.set()
