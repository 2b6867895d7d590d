# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Directories of files on disk: manifest, staging, and the rename that gives a complete tree its final name."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import fnmatch
import hashlib
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.jetson.thor.plugins.module_utils import records
from ansible_collections.jetson.thor.plugins.module_utils.models.errors import FetchError, bad_path, existing, what
from ansible_collections.jetson.thor.plugins.module_utils.records import sync

MANIFEST = ".thor-manifest.json"
FILES_SHAPE = {str: {"size": int, "mtime_ns": int, "sha256": str}}
MANIFEST_SHAPE = {
    "source": str,
    "id": (str, type(None)),
    "revision": (str, type(None)),
    "include": [str],
    "lock?": str,
    "files": FILES_SHAPE,
}
JOURNAL_SHAPE = {
    "of?": list,
    "expected?": {str: list},
    "verified?": FILES_SHAPE,
    "present?": FILES_SHAPE,
    "url?": str,
    "validator?": (str, dict, list, type(None)),
}
SCHEMA = 1
BLOCK = 4 * 1024 * 1024
# A file system that is filled to the last byte serves nobody.
DISK_RESERVE = 64 * 1024 * 1024
# What a file is renamed to that a person had put where a different one of the model belongs.
ASIDE = ".thor-old"
PARTIAL = ".incomplete"


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


class Reporter(Protocol):
    """What the work needs of job.Reporter."""

    def progress(self, done: float, total: float, unit: str = "steps", text: str = "") -> None:
        """Record that ``done`` of ``total`` are behind us."""

    def say(self, line: str) -> None:
        """Write a line to the job's log."""


class Meter:
    """Progress over several files, block by block."""

    def __init__(self, report: Reporter, total: int) -> None:
        self.report, self.total = report, total
        self._behind, self._size, self._text = 0, 0, ""

    def start(self, size: int, text: str) -> Callable[[int], None]:
        """Begin a file of ``size`` bytes; the answer is to be called with the bytes of it that are done."""
        self._behind, self._size, self._text = self._behind + self._size, size, text
        return self.tell

    def tell(self, done: int) -> None:
        """``done`` bytes of the present file are behind us."""
        self.report.progress(self._behind + done, self.total, "B", self._text)


def lock_digest(sha256: Mapping[str, str]) -> str:
    """One word for the hashes of a lock, so that a changed lock is seen without comparing file by file; '' for none."""
    if not sha256:
        return ""
    return hashlib.sha256(json.dumps(dict(sha256), sort_keys=True).encode()).hexdigest()


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a directory; None where none can be read (the files are then checked like a person's)."""
    return records.read(path / MANIFEST, MANIFEST_SHAPE)


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest into a directory, durable, in one rename, readable by everybody."""
    records.write(path / MANIFEST, manifest, 0o644, durable=True)


def is_intact(path: Path, record: Mapping[str, Any]) -> bool:
    """Whether the file is the one of the manifest, by size and mtime."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and (found.st_size, found.st_mtime_ns) == (record["size"], record["mtime_ns"])


def covers(manifest: Mapping[str, Any], pattern: str) -> bool:
    """Whether what the manifest holds answers the pattern."""
    return pattern in manifest["include"] or "*" in manifest["include"] or pattern in manifest["files"]


def is_same_model(manifest: Mapping[str, Any] | None, spec: Mapping[str, Any]) -> bool:
    """Whether the directory holds this model at this revision (of whatever files)."""
    return manifest is not None and all(manifest.get(key) == spec[key] for key in ("source", "id", "revision"))


def record_of(path: Path, sha256: str | None, trusted: str) -> dict[str, Any]:
    found = path.stat()
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": sha256, "trusted": trusted}


def silent(_done: int) -> None:
    """Progress of what is too short to be told."""


def hash_file(path: Path, tell: Callable[[int], None], kind: str = "sha256") -> str:
    digest = hashlib.new(kind)
    buffer = memoryview(bytearray(BLOCK))
    done = 0
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            digest.update(buffer[:count])
            done += count
            tell(done)
    return digest.hexdigest()


class Staging:
    """Where one target grows: ``tree`` (becomes the target), ``journal.json``, and ``home`` for the client's own files.

    Held by ``lock``, a descriptor that the client process inherits: while one of them lives, nobody else writes here.
    """

    def __init__(self, spec: Mapping[str, Any], target: Path) -> None:
        self.root = staging_folder(spec, target)
        self.tree = self.root / "tree"
        self.home = self.root / "home"
        self._lock_path = self.root.with_name(f"{self.root.name}.lock")
        self.lock = -1
        self.journal: dict[str, Any] = {}

    def __enter__(self) -> Staging:
        self.root.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + 10  # a client whose parent was killed needs a moment to die
        while not self._acquire():
            if time.monotonic() > deadline:
                raise FetchError(
                    "THOR-STORE-BUSY",
                    "path",
                    str(self.root),
                    "another process is bringing files to the same place.",
                    f"Wait for it, or end it: fuser {self._lock_path} tells its number.",
                )
            time.sleep(0.1)
        self.tree.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(exist_ok=True)
        self.tree.chmod(0o755)
        self.journal = records.read(self.root / "journal.json", JOURNAL_SHAPE) or {}
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self.lock)

    def _acquire(self) -> bool:
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The holder before us removes the file in the end: a lock on a file without a name keeps nobody out.
            if os.path.samestat(os.fstat(descriptor), os.stat(self._lock_path)):
                self.lock = descriptor
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(descriptor)
        return False

    def record(self) -> None:
        """Make the journal durable."""
        records.write(self.root / "journal.json", self.journal, durable=True)

    def remove(self) -> None:
        """Nothing is staged any more."""
        shutil.rmtree(self.root, ignore_errors=True)
        self._lock_path.unlink(missing_ok=True)


def staging_folder(spec: Mapping[str, Any], target: Path) -> Path:
    """The staging folder of a target, on the target's file system.

    ``/models/.thor/staging/<slug>`` for ``/models/<owner>/<name>`` and ``/models/<directory>/<file>``; where a mount or
    a symbolic link lies between the two, beside the target. Raises FetchError THOR-STORE-PATH.
    """
    named = spec["source"] == "url" or str(target).endswith(f"/{spec['id']}")
    top = target.parents[1] if named and len(target.parents) > 1 else target.parent
    places = (
        [Path(spec["staging"])] if spec["staging"] else [top / ".thor" / "staging", target.parent / ".thor" / "staging"]
    )
    name = f"{slug(target.name)}-{hashlib.sha256(str(target).encode()).hexdigest()[:8]}"
    for place in places:
        if _device(place) == _device(target) == _device(target.parent):
            return place / name
    raise bad_path(
        target, f"and {places[-1]} are on different file systems, or it is a mount itself; one rename needs one."
    )


def _device(path: Path) -> int:
    while True:
        try:
            return path.stat().st_dev
        except FileNotFoundError:
            path = path.parent
        except NotADirectoryError as error:
            raise bad_path(path.parent, "is no directory.") from error


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "x"


def prepare(stage: Staging, spec: Mapping[str, Any], plan: Plan) -> set[str]:
    """Throw away what an earlier attempt left and this one cannot use. Returns the names that are staged, verified."""
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
            # The client resumes a partial file and hashes a whole one. Without a hash nothing tells a wrong prefix.
            useful |= {name, name + PARTIAL}
    for path in _walk(stage.tree):
        if str(path.relative_to(stage.tree)) not in useful:
            path.unlink()
    stage.journal = {
        "of": [spec["id"], spec["revision"]],
        "expected": {name: [plan.want[name].size, plan.want[name].sha256] for name in plan.fetch},
        "verified": {name: verified[name] for name in done},
        "present": stage.journal.get("present", {}),
    }
    stage.record()
    return done


def _walk(root: Path) -> Iterator[Path]:
    """Every file and symbolic link below, in no order."""
    for folder, folders, names in os.walk(root):
        yield from (Path(folder, name) for name in names)
        yield from (Path(folder, name) for name in folders if Path(folder, name).is_symlink())


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def refuse_full(spec: Mapping[str, Any], place: Path, needed: int) -> None:
    free = shutil.disk_usage(existing(place)).free
    if needed + (DISK_RESERVE if needed else 0) > free:
        raise FetchError(
            "THOR-DISK-FULL",
            "path",
            spec["path"],
            f"{what(spec)} needs {needed:,} bytes more and the file system of {place} has {free:,} free.",
            "Make room, or place the models on another disk.",
        )


def install(stage: Staging, target: Path, plan: Plan, manifest: Mapping[str, Any]) -> None:
    """Give the staged tree the final name in one rename, with what stays of the old directory linked into it."""
    _link_what_stays(target, stage.tree, plan)
    write_manifest(stage.tree, manifest)
    for folder, _folders, _names in os.walk(stage.tree):
        sync(Path(folder))
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        old = stage.tree if _exchange(stage.tree, target) else _rename_twice(stage, target)
        # What a person put there between the links and the rename.
        _link_what_stays(old, target, plan)
    else:
        stage.tree.rename(target)
    sync(target.parent)
    sync(stage.root)


def _link_what_stays(source: Path, tree: Path, plan: Plan) -> None:
    """Hard-link into ``tree`` what is right already, and everything that is not ours."""
    ours = (read_manifest(source) or {"files": {}})["files"]
    if source.is_dir():
        _copy_mode(source, tree)
    for folder, folders, names in os.walk(source):
        here = Path(folder).relative_to(source)
        for name in folders:
            if not Path(folder, name).is_symlink():
                (tree / here / name).mkdir(exist_ok=True)
                _copy_mode(Path(folder, name), tree / here / name)
        for name in [*names, *(name for name in folders if Path(folder, name).is_symlink())]:
            path, rel = Path(folder, name), str(here / name)
            if rel in (MANIFEST, MANIFEST + PARTIAL) or rel in plan.drop:
                continue
            place = tree / rel
            if rel in plan.aside:
                place = place.with_name(place.name + ASIDE)
                if os.path.lexists(place) and os.path.samestat(place.lstat(), path.lstat()):
                    continue
                place = free_name(place)
            elif rel in plan.fetch:
                continue
            if not os.path.lexists(place):
                os.link(path, place, follow_symlinks=False)
    emptied = {parent for name in ours for parent in Path(name).parents} - {Path()}
    for parent in sorted(emptied, key=lambda path: len(path.parts), reverse=True):
        with contextlib.suppress(OSError):  # not empty, or not there
            (tree / parent).rmdir()


def free_name(path: Path) -> Path:
    """The path, or the path with the first number after it that nobody has."""
    number = 0
    place = path
    while os.path.lexists(place):
        number += 1
        place = path.with_name(f"{path.name}.{number}")
    return place


def _copy_mode(source: Path, target: Path) -> None:
    found = source.stat()
    os.chown(target, found.st_uid, found.st_gid)
    target.chmod(stat.S_IMODE(found.st_mode))


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step (renameat2, RENAME_EXCHANGE); False where kernel or file system cannot."""
    here, flag = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if libc.renameat2(here, os.fsencode(one), here, os.fsencode(other), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


def _rename_twice(stage: Staging, target: Path) -> Path:
    """The swap for file systems that have no exchange: recover undoes the first half after a kill between the two."""
    old = stage.root / "old"
    target.rename(old)
    stage.tree.rename(target)
    return old


def recover(stage: Staging, target: Path) -> None:
    old = stage.root / "old"
    if old.is_dir() and not target.exists():
        old.rename(target)


def trust(spec: Mapping[str, Any], name: str, entry: Entry) -> str:
    """Whose word the hash of a file is."""
    return "lock" if name in spec["sha256"] else "hub" if entry.sha256 else "first use"


def matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def diff_line(name: str, size: int | None, digest: str | None) -> str:
    return f"{name}  {'size unknown' if size is None else f'{size:,} bytes'}  sha256 {digest or 'not told'}"
