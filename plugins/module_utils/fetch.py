# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Model files on disk: complete and verified under their final name, or not there at all.

A directory of ours holds ``.thor-manifest.json``: source, id, revision, include patterns and, for each file, size, mtime and
sha256. While every file's size and mtime are those of the manifest, nothing is hashed and no network is asked.

What is missing is brought into a staging directory on the same file system, next to hard links of what is right already and
of the files that a person put there, and the whole takes the final name in one rename. Staging survives a kill: the next run
resumes the partial files and does not hash again what its journal knows.

The hub's listing is one GET by Ansible's own URL utilities. The bytes of a model are moved by ``modelscope-hub`` in a virtual
environment of its own, one process per round; a plain URL is read here.

Facts about modelscope-hub 0.5.1 that this file rests on (read in its ``_download.py``):

- ``download_file(expected_sha256=..., file_size=...)`` returns only when the content's sha256 was compared: while it streamed
  (``_download_with_resume``), or by reading an existing target (``_cache_hit``). Hence nothing is hashed here after it.
- It asks for no listing, so a hub that changes in between cannot change what is expected.
- It resumes ``<file>.incomplete`` with a Range, hashes the prefix once, and starts over when the hash is wrong (3 times).
- With more than one parallel worker per file it writes every byte twice and hashes afterwards: one worker is set.
- Its retries are counted per file and not per stall, so a flaky line would end a 20 GB file: rounds are repeated here for as
  long as they bring bytes.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import fnmatch
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import threading
import time
import urllib.error
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol
from urllib.parse import urlencode

from ansible_collections.jetson.thor.plugins.module_utils import job
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, nearest

MANIFEST = ".thor-manifest.json"
SCHEMA = 1
# The SDK's own DEFAULT_ENDPOINT.
ENDPOINT = "https://modelscope.cn"
CLIENT = "/opt/thor/venv/modelscope"
# The hub cuts a listing off at this many entries and says nothing (modelscope_hub.constants.REPO_FILES_TRUNCATION_LIMIT).
LISTING_LIMIT = 3000
# Files of one model that are transferred at a time.
WORKERS = 4
BLOCK = 4 * 1024 * 1024
# A file system that is filled to the last byte serves nobody.
DISK_RESERVE = 64 * 1024 * 1024
# What a file is renamed to that a person had put where a different one of the model belongs.
ASIDE = ".thor-old"
PARTIAL = ".incomplete"
SHA256 = re.compile(r"[0-9a-f]{64}")

# Runs in the hub client's environment. One JSON object on stdin; one JSON object per line on stdout. It dies with its parent,
# so that no second writer is ever at a partial file.
CLIENT_CODE = r"""
import concurrent.futures, ctypes, json, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
work = json.load(sys.stdin)
if os.getppid() != work["parent"]:
    sys.exit("the parent is gone")
def say(**event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()
from modelscope_hub import HubApi
api = HubApi()
api.downloader
def bring(item):
    try:
        api.download_file(work["id"], "model", item["path"], revision=work["revision"], local_dir=work["tree"],
                          expected_sha256=item["sha256"], file_size=item["size"])
    except Exception as error:
        chain, cause = [], error
        while cause is not None and len(chain) < 8:
            chain.append(cause)
            cause = cause.__cause__ or cause.__context__
        say(path=item["path"], kinds=[c.__name__ for c in type(error).__mro__], message=str(error),
            status=next((e.status_code for e in chain if getattr(e, "status_code", None)), None),
            errno=next((e.errno for e in chain if isinstance(e, OSError) and e.errno), None))
    else:
        say(path=item["path"])
with concurrent.futures.ThreadPoolExecutor(work["workers"]) as pool:
    list(pool.map(bring, work["files"]))
say(end=True)
"""


class Reporter(Protocol):
    """What the work needs of job.Reporter."""

    def progress(self, done: float, total: float, unit: str = "steps", text: str = "") -> None:
        """Record that ``done`` of ``total`` are behind us."""

    def say(self, line: str) -> None:
        """Write a line to the job's log."""


class FetchError(Exception):
    """A failure that a person can do something about."""

    def __init__(self, code: str, variable: str, value: Any, reason: str, remedy: str) -> None:
        self.problem = Problem(code, variable, value, reason, remedy)
        super().__init__(self.problem.text())


@dataclass(frozen=True)
class Entry:
    """One file of a listing: bytes, and the sha256 in lower-case hex where the source tells it."""

    size: int
    sha256: str | None


@dataclass
class Plan:
    """What stands between the directory and the wish. Names are relative to the directory."""

    want: dict[str, Entry]
    include: list[str]
    keep: list[str] = field(default_factory=list)
    check: list[str] = field(default_factory=list)
    fetch: list[str] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def fetch_bytes(self) -> int:
        """Bytes of the files that are missing or wrong."""
        return sum(self.want[name].size for name in self.fetch)


# --- manifest ---------------------------------------------------------------------------------------------------------------


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a directory; None where there is none that can be read (the files are then checked like a person's)."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA or not isinstance(manifest.get("files"), dict):
        return None
    return manifest


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest into a directory, durable, in one rename, readable by everybody."""
    _write_json(path / MANIFEST, manifest, 0o644)


def is_intact(path: Path, record: Mapping[str, Any]) -> bool:
    """Whether the file is the one of the manifest, by size and mtime."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and (found.st_size, found.st_mtime_ns) == (record["size"], record["mtime_ns"])


def lock_digest(sha256: Mapping[str, str]) -> str:
    """One word for the hashes of a lock, so that a changed lock is seen without comparing file by file; '' for none."""
    if not sha256:
        return ""
    return hashlib.sha256(json.dumps(dict(sha256), sort_keys=True).encode()).hexdigest()


def covers(manifest: Mapping[str, Any], pattern: str) -> bool:
    """Whether what the manifest holds answers the pattern."""
    return pattern in manifest["include"] or "*" in manifest["include"] or pattern in manifest["files"]


def is_same_model(manifest: Mapping[str, Any] | None, spec: Mapping[str, Any]) -> bool:
    """Whether the directory holds this model at this revision (of whatever files)."""
    return manifest is not None and all(manifest.get(key) == spec[key] for key in ("source", "id", "revision"))


def model_complete(spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest when everything is there, by one stat per file; None otherwise.

    A revision that moves (a branch) is not looked at again: a fleet does not upgrade in silence.
    """
    path = Path(spec["path"])
    manifest = read_manifest(path)
    if manifest is None or not is_same_model(manifest, spec):
        return None
    if not all(covers(manifest, pattern) for pattern in spec["include"]):
        return None
    files = manifest["files"]
    for name, digest in spec["sha256"].items():
        if name in files:
            if files[name]["sha256"] != digest:
                return None
        elif _matches(name, spec["include"]):
            return None
    return manifest if all(is_intact(path / name, record) for name, record in files.items()) else None


def url_complete(spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest's record of the file when it is there and is the one that is asked for; None otherwise."""
    path = Path(spec["path"])
    record: dict[str, Any] | None = ((read_manifest(path) or {}).get("files") or {}).get(spec["file"])
    if record is None or not is_intact(path / spec["file"], record):
        return None
    if spec["checksum"]:
        kind, value = parse_checksum(spec["checksum"])
        known = record["checksum"] == f"{kind}:{value}" or (kind == "sha256" and record["sha256"] == value)
        return record if known else None
    return record if record["url"] == spec["url"] else None


def result_of(spec: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a module returns of a directory."""
    files = [
        {"path": name, **{key: record[key] for key in ("size", "sha256", "trusted")}}
        for name, record in sorted(manifest["files"].items())
    ]
    return {
        "path": spec["path"],
        "revision": manifest["revision"],
        "bytes": sum(item["size"] for item in files),
        "files": files,
    }


# --- the hub's listing ------------------------------------------------------------------------------------------------------


def list_files(spec: Mapping[str, Any]) -> dict[str, Entry]:
    """The files of a model at a revision: one GET, more only for a model of 3000 files.

    Raises FetchError: THOR-HUB-UNREACHABLE, THOR-HUB-ANSWER, THOR-MODEL-NOT-FOUND, THOR-MODEL-DENIED.
    """
    files: dict[str, Entry] = {}
    for item in _blobs(spec, ""):
        name, size, digest = item.get("Path"), item.get("Size"), item.get("Sha256") or None
        if not isinstance(name, str) or not _is_safe(name):
            raise _bad_answer(spec, f"the listing holds the path {name!r}, which does not stay inside of a directory.")
        if not isinstance(size, int) or size < 0:
            raise _bad_answer(spec, f"the listing gives {name} the size {size!r}.")
        if digest is not None and not SHA256.fullmatch(str(digest).lower()):
            raise _bad_answer(spec, f"the listing gives {name} the sha256 {digest!r}.")
        files[name] = Entry(size, str(digest).lower() if digest else None)
    files.pop(MANIFEST, None)
    return files


def _blobs(spec: Mapping[str, Any], root: str) -> Iterator[dict[str, Any]]:
    entries = _list_page(spec, root, recursive=True)
    if len(entries) < LISTING_LIMIT:
        yield from (entry for entry in entries if entry.get("Type") != "tree")
        return
    entries = _list_page(spec, root, recursive=False)
    if len(entries) >= LISTING_LIMIT:
        raise _bad_answer(spec, f"the directory {root or '/'} has {LISTING_LIMIT} entries or more, the hub lists no more.")
    for entry in entries:
        if entry.get("Type") == "tree":
            yield from _blobs(spec, str(entry.get("Path")))
        else:
            yield entry


def _list_page(spec: Mapping[str, Any], root: str, recursive: bool) -> list[dict[str, Any]]:
    query = {"Revision": spec["revision"], "Recursive": str(recursive)} | ({"Root": root} if root else {})
    url = f"{spec['endpoint']}/api/v1/models/{spec['id']}/repo/files?{urlencode(query)}"
    # The hub's own way to say who asks (cookie m_session_id).
    headers = {"Cookie": f"m_session_id={spec['token']}"} if spec["token"] else {}
    status, body = _get(spec, url, headers)
    if status == 404:
        raise _not_found(spec)
    if status in (401, 403):
        raise _denied(spec, status)
    if status != 200:
        raise _bad_answer(spec, f"HTTP {status} for {url}: {_excerpt(body)}")
    try:
        answer = json.loads(body)
        if answer.get("Success") is False or answer.get("Code", 200) != 200:
            if answer.get("Code") == 404:
                raise _not_found(spec)
            raise _bad_answer(spec, f"it refuses {url}: {_excerpt(body)}")
        entries = answer["Data"]["Files"] or []
        if not all(isinstance(entry, dict) for entry in entries):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _bad_answer(spec, f"no listing came from {url} but: {_excerpt(body)}") from error
    return list(entries)


def _get(spec: Mapping[str, Any], url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Status and body of a GET, after bounded retries of what may pass (no answer, 429, 5xx)."""
    reason = ""
    for attempt in range(spec["retries"] + 1):
        if attempt:
            time.sleep(min(2.0 ** (attempt - 1), 30))
        try:
            with _open(spec, url, headers) as response:
                return int(response.status), bytes(response.read())
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 429 and error.code < 500:
                    return error.code, error.read()
                answer: tuple[int, bytes] | None = (error.code, error.read())
        except _TRANSPORT as error:
            answer, reason = None, _why(error)
    if answer:
        return answer
    raise _unreachable(url, spec, reason)


def _open(spec: Mapping[str, Any], url: str, headers: Mapping[str, str]) -> Any:
    # Not above: it costs 0.1 s, and a run that changes nothing opens no connection.
    from ansible.module_utils import urls

    try:
        return urls.open_url(url, headers=dict(headers), timeout=spec["idle_timeout"], http_agent="jetson.thor", decompress=False)
    except (urls.ConnectionError, ValueError) as error:  # its own class, and an URL of a kind that it does not know
        raise urllib.error.URLError(str(error)) from error


_TRANSPORT = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, socket.gaierror)


def _why(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    return f"{type(reason).__name__}: {reason}" if isinstance(reason, BaseException) else str(reason)


def _excerpt(body: bytes) -> str:
    text = " ".join(body[:600].decode(errors="replace").split())
    return f"{text[:200]!r}"


def _is_safe(name: str) -> bool:
    return bool(name) and "\\" not in name and "\0" not in name and not ({"", ".", ".."} & set(name.split("/")))


# --- planning ---------------------------------------------------------------------------------------------------------------


def select(files: Mapping[str, Entry], include: Iterable[str]) -> tuple[dict[str, Entry], list[str]]:
    """The files that the patterns name (``*`` spans folders, as with the SDK), and the patterns that name none."""
    patterns = list(include)
    unmatched = [pattern for pattern in patterns if not any(fnmatch.fnmatchcase(name, pattern) for name in files)]
    return {name: entry for name, entry in files.items() if _matches(name, patterns)}, unmatched


def plan_model(spec: Mapping[str, Any]) -> Plan:
    """Ask the hub and look at the directory; hashes nothing, changes nothing.

    Raises FetchError: those of list_files, THOR-MODEL-EMPTY, THOR-LOCK-MISMATCH, THOR-STORE-PATH.
    """
    path = Path(spec["path"])
    manifest = read_manifest(path)
    if manifest is not None and manifest["source"] != spec["source"]:
        raise _other_source(spec, manifest)
    same = is_same_model(manifest, spec)
    held: dict[str, Any] = manifest["files"] if manifest else {}
    # Several services may want different files of one model: what is there stays wanted.
    wanted = sorted({*spec["include"], *(manifest["include"] if manifest and same else [])})
    listing = list_files(spec)
    want, unmatched = select(listing, wanted)
    plan = Plan(_with_lock(spec, listing, want), [pattern for pattern in wanted if pattern not in unmatched])
    _refuse_empty(spec, listing, want, unmatched, plan)
    _refuse_overlap(path, want)
    for name, entry in sorted(plan.want.items()):
        _sort_file(plan, path / name, name, entry, held.get(name), same, spec["rehash"])
    plan.drop = [name for name, record in held.items() if name not in want and is_intact(path / name, record)]
    moved = [name for name in plan.fetch if same and name in held and held[name]["sha256"] != want[name].sha256]
    if moved:
        plan.warnings.append(
            f"{spec['id']} at {spec['revision']} has changed on the hub since it was fetched: {', '.join(moved)}. "
            "Pin the revision, or record it with script/lock."
        )
    plan.warnings += [f"{path / name} is not the hub's file and was not put there by this module: kept as {name}{ASIDE}."
                      for name in plan.aside]
    return plan


def _sort_file(
    plan: Plan, path: Path, name: str, entry: Entry, record: Mapping[str, Any] | None, same: bool, rehash: bool
) -> None:
    """Decide what one wanted file needs: nothing, a hash, or its bytes."""
    try:
        found = path.lstat()
    except OSError:
        plan.fetch.append(name)
        return
    intact = record is not None and is_intact(path, record)
    digest = record["sha256"] if record is not None and intact else None
    expected = entry.sha256 or (digest if same else None)
    if not stat.S_ISREG(found.st_mode) or found.st_size != entry.size or expected is None or digest not in (None, expected):
        plan.fetch.append(name)
        if record is None:
            plan.aside.append(name)
    elif digest == expected and not rehash:
        plan.keep.append(name)
    else:
        plan.check.append(name)


def _with_lock(spec: Mapping[str, Any], listing: Mapping[str, Entry], want: Mapping[str, Entry]) -> dict[str, Entry]:
    """The wanted files with the lock's hashes. Raises THOR-LOCK-MISMATCH where hub and lock contradict each other."""
    result = dict(want)
    for name, digest in spec["sha256"].items():
        if name in want:
            if want[name].sha256 not in (None, digest):
                raise FetchError(
                    "THOR-LOCK-MISMATCH", "sha256", {name: digest},
                    f"the hub lists {want[name].sha256} for {name} of {spec['id']} at {spec['revision']}: the file was changed "
                    "there since it was locked.",
                    "Run script/lock to accept the new content, or name the revision that was locked.",
                )
            result[name] = Entry(want[name].size, digest)
        elif name not in listing and _matches(name, spec["include"]):
            raise FetchError(
                "THOR-LOCK-MISMATCH", "sha256", {name: digest},
                f"{spec['id']} at {spec['revision']} has no such file any more.",
                "Run script/lock to accept that, or name the revision that was locked.",
            )
    return result


def _refuse_empty(
    spec: Mapping[str, Any], listing: Mapping[str, Entry], want: Mapping[str, Entry], unmatched: list[str], plan: Plan
) -> None:
    """A file that is named and missing is an error; a pattern that finds nothing beside others that do is a warning."""
    asked = [pattern for pattern in unmatched if pattern in spec["include"]]
    literal = [pattern for pattern in asked if not set(pattern) & set("*?[")]
    if literal or not want:
        culprit = (literal or asked or [""])[0]
        raise FetchError(
            "THOR-MODEL-EMPTY", "include", list(spec["include"]),
            f"{spec['id']} at {spec['revision']} on {spec['endpoint']} has no file {culprit}.",
            nearest(culprit, list(listing)[:50]),
        )
    plan.warnings += [f"include {pattern!r} matches no file of {spec['id']} at {spec['revision']}." for pattern in asked]


def _refuse_overlap(path: Path, want: Mapping[str, Entry]) -> None:
    """A person's file where a folder of the model belongs, or the other way round, is not for us to move."""
    for name in want:
        for place in [path, *(path / parent for parent in reversed(Path(name).parents))]:
            if place.exists() and not place.is_dir():
                raise _bad_path(place, "is no directory, and the model needs one there.")
        if (path / name).is_dir():
            raise _bad_path(path / name, "is a directory, and the model has a file of that name.")


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def model_diff(spec: Mapping[str, Any], plan: Plan) -> dict[str, str]:
    """What the plan does to the directory, for ``--diff``: files and bytes."""
    held = (read_manifest(Path(spec["path"])) or {"files": {}})["files"]
    before = [_line(name, record["size"], record["sha256"]) for name, record in sorted(held.items())]
    after = [
        _line(name, entry.size, entry.sha256 or (held.get(name, {}).get("sha256") if name in plan.keep else None))
        for name, entry in sorted(plan.want.items())
    ]
    summary = [f"to fetch: {plan.fetch_bytes:,} bytes in {len(plan.fetch)} of {len(plan.want)} files from {spec['endpoint']}"]
    if plan.check:
        size = sum(plan.want[name].size for name in plan.check)
        summary.append(f"to verify, for they are there already: {size:,} bytes in {len(plan.check)} files")
    return {
        "before_header": spec["path"],
        "after_header": f"{spec['path']} ({spec['id']} at {spec['revision']})",
        "before": "".join(line + "\n" for line in before),
        "after": "".join(line + "\n" for line in [*after, *summary]),
    }


def _line(name: str, size: int | None, digest: str | None) -> str:
    return f"{name}  {'size unknown' if size is None else f'{size:,} bytes'}  sha256 {digest or 'not told'}"


# --- staging ----------------------------------------------------------------------------------------------------------------


class Staging:
    """Where one target grows: ``tree`` (becomes the target), ``journal.json``, and ``home`` for the client's own files.

    Held by a lock that the client process inherits: while one of them lives, nobody else writes here.
    """

    def __init__(self, spec: Mapping[str, Any], target: Path) -> None:
        self.root = staging_folder(spec, target)
        self.tree = self.root / "tree"
        self.home = self.root / "home"
        self._lock: int | None = None
        self.journal: dict[str, Any] = {}

    @property
    def lock(self) -> int:
        """The descriptor that holds the lock."""
        assert self._lock is not None
        return self._lock

    def __enter__(self) -> Staging:
        self.root.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.root.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + 10  # a client whose parent was killed needs a moment to die
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise FetchError(
                        "THOR-STORE-BUSY", "path", str(self.root), "another process is bringing files to the same place.",
                        "Wait for it, or end it; fuser on the .lock file beside tells its number.",
                    ) from error
                time.sleep(0.1)
        self.tree.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(exist_ok=True)
        self.tree.chmod(0o755)
        with contextlib.suppress(OSError, ValueError):
            self.journal = json.loads((self.root / "journal.json").read_text(encoding="utf-8"))
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.lock)

    def record(self) -> None:
        """Make the journal durable."""
        _write_json(self.root / "journal.json", self.journal, 0o600)

    def remove(self) -> None:
        """Nothing is staged any more."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.with_suffix(".lock").unlink(missing_ok=True)


def staging_folder(spec: Mapping[str, Any], target: Path) -> Path:
    """The staging folder of a target, on the target's file system.

    ``/models/.thor/staging/<slug>`` for ``/models/<owner>/<name>``; where a mount or a symbolic link lies between the two, beside
    the target. Raises FetchError THOR-STORE-PATH.
    """
    depth = spec["id"].count("/") + 1 if spec.get("id") and str(target).endswith(f"/{spec['id']}") else 1
    candidates = [Path(spec["staging"])] if spec.get("staging") else [
        target.parents[depth - 1] / ".thor" / "staging",
        target.parent / ".thor" / "staging",
    ]
    slug = f"{_slug(target.name)}-{hashlib.sha256(str(target).encode()).hexdigest()[:8]}"
    for candidate in candidates:
        if _device(candidate) == _device(target) == _device(target.parent):
            return candidate / slug
    raise _bad_path(target, f"and {candidates[-1]} are on different file systems (or it is a mount itself); one rename needs one.")


def _device(path: Path) -> int:
    while True:
        try:
            return path.stat().st_dev
        except FileNotFoundError:
            path = path.parent
        except NotADirectoryError as error:
            raise _bad_path(path.parent, "is no directory.") from error


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "x"


def job_name(spec: Mapping[str, Any]) -> str:
    """The name of the job that brings a target: ``fetch-qwen-qwen3-8b-gguf``."""
    what = spec["id"] if spec["source"] == "modelscope" else spec["file"]
    return f"fetch-{_slug(what)[:100]}"


def _prepare(stage: Staging, spec: Mapping[str, Any], plan: Plan) -> set[str]:
    """Throw away what an earlier attempt left and this one cannot use. Returns the names that are staged and verified."""
    same = stage.journal.get("of") == [spec["id"], spec["revision"]]
    expected, verified = stage.journal.get("expected", {}), stage.journal.get("verified", {})
    done: set[str] = set()
    useful: set[str] = set()
    for name in plan.fetch:
        entry = plan.want[name]
        known = expected.get(name) == [entry.size, entry.sha256] and (entry.sha256 is not None or same)
        if known and name in verified and is_intact(stage.tree / name, verified[name]):
            done.add(name)
            useful.add(name)
        elif known and entry.sha256 is not None:
            # The client resumes the partial file and hashes a whole one. Without a hash nothing could tell a wrong prefix.
            useful |= {name, name + PARTIAL}
    for path in _walk(stage.tree):
        if str(path.relative_to(stage.tree)) not in useful:
            path.unlink()
    stage.journal = {
        "of": [spec["id"], spec["revision"]],
        "expected": {name: [plan.want[name].size, plan.want[name].sha256] for name in plan.fetch},
        "verified": {name: verified[name] for name in done},
    }
    stage.record()
    return done


def _walk(root: Path) -> Iterator[Path]:
    """Every file and symbolic link below, in no order."""
    for folder, folders, names in os.walk(root):
        yield from (Path(folder, name) for name in names)
        yield from (Path(folder, name) for name in folders if Path(folder, name).is_symlink())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _refuse_full(spec: Mapping[str, Any], place: Path, needed: int) -> None:
    place.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(place).free
    if needed + (DISK_RESERVE if needed else 0) > free:
        raise FetchError(
            "THOR-DISK-FULL", "path", spec["path"],
            f"{_what(spec)} needs {needed:,} bytes more and the file system of {place} has {free:,} free.",
            "Make room, or place the models on another disk.",
        )


# --- the job ----------------------------------------------------------------------------------------------------------------


def run_job(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """Make one target present. Runs as a job (module_utils/job.py); raises job.JobFailed for what a person can put right."""
    os.umask(0o022)
    os.environ.update(spec["proxy"])
    try:
        return bring_model(spec, report) if spec["source"] == "modelscope" else bring_url(spec, report)
    except FetchError as error:
        raise job.JobFailed(str(error), problems=[error.problem.as_dict()]) from error
    except OSError as error:
        problem = _os_problem(spec, error)
        if problem is None:
            raise
        raise job.JobFailed(str(problem), problems=[problem.problem.as_dict()]) from error


def bring_model(spec: Mapping[str, Any], report: Reporter) -> dict[str, Any]:
    """Make one model present; the module's result."""
    target = Path(os.path.realpath(spec["path"]))
    with Staging(spec, target) as stage:
        _recover(stage, target)
        manifest = model_complete(spec)
        if manifest is not None and not spec["rehash"]:
            stage.remove()
            return {"changed": False, "fetched_bytes": 0, "warnings": [], **result_of(spec, manifest)}
        plan = plan_model(spec)
        diff = model_diff(spec, plan)
        records = _verify_present(spec, plan, target, report)
        done = _prepare(stage, spec, plan)
        missing = [name for name in plan.fetch if name not in done]
        staged = sum(_size(stage.tree / name) or _size(stage.tree / (name + PARTIAL)) for name in missing)
        _refuse_full(spec, stage.tree, sum(plan.want[name].size for name in missing) - staged)
        before = sum(plan.want[name].size for name in plan.fetch) - sum(plan.want[name].size for name in missing) + staged
        _transfer(stage, spec, plan, missing, report)
        records |= stage.journal["verified"]
        manifest = _manifest(spec, plan, records)
        changed = manifest != read_manifest(target)
        if plan.fetch or plan.drop:
            _install(stage, target, plan, manifest)
        elif changed:
            write_manifest(target, manifest)
        stage.remove()
    result = {"changed": changed, "fetched_bytes": plan.fetch_bytes - before, "warnings": plan.warnings}
    return result | result_of(spec, manifest) | ({"diff": diff} if spec["diff"] and changed else {})


def _manifest(spec: Mapping[str, Any], plan: Plan, records: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "source": spec["source"],
        "id": spec["id"],
        "revision": spec["revision"],
        "include": plan.include,
        "lock": lock_digest(spec["sha256"]),
        "files": {name: records[name] for name in sorted(plan.want)},
    }


def _trust(spec: Mapping[str, Any], name: str, entry: Entry) -> str:
    return "lock" if name in spec["sha256"] else "hub" if entry.sha256 else "first use"


def _record(path: Path, sha256: str | None, trusted: str) -> dict[str, Any]:
    found = path.stat()
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": sha256, "trusted": trusted}


def _verify_present(spec: Mapping[str, Any], plan: Plan, target: Path, report: Reporter) -> dict[str, Any]:
    """Hash what has the right size and no record that vouches for it; the wrong ones join what is fetched.

    Returns the manifest's records of all files that stay.
    """
    held = (read_manifest(target) or {"files": {}})["files"]
    records = {name: held[name] | {"trusted": _trust(spec, name, plan.want[name])} for name in plan.keep
               if plan.want[name].sha256} | {name: held[name] for name in plan.keep if not plan.want[name].sha256}
    total, behind = sum(plan.want[name].size for name in plan.check), 0
    for name in list(plan.check):
        entry = plan.want[name]
        expected = entry.sha256 or held[name]["sha256"]
        digest = _hash(target / name, lambda done: report.progress(behind + done, total, "B", f"verify {name}"))  # noqa: B023
        behind += entry.size
        if digest == expected:
            records[name] = _record(target / name, digest, _trust(spec, name, entry))
            continue
        report.say(f"{target / name}: sha256 is {digest}, expected {expected}: it is fetched again")
        plan.check.remove(name)
        plan.fetch.append(name)
        if name not in held:
            plan.aside.append(name)
            plan.warnings.append(f"{target / name} was not put there by this module and differs: kept as {name}{ASIDE}.")
    return records


def _hash(path: Path, tell: Any, kind: str = "sha256") -> str:
    digest = hashlib.new(kind)
    buffer = memoryview(bytearray(BLOCK))
    done = 0
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            digest.update(buffer[:count])
            done += count
            tell(done)
    return digest.hexdigest()
