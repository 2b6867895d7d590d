# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The staging directory of one target, on its file system: files arrive here, and take their final name complete and verified.

Staging survives a kill: the next run resumes partial files, and does not hash again what its journal has recorded.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import records
from ansible_collections.jetson.thor.plugins.module_utils.models import errors
from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Entry, Plan
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import FILES_SHAPE, PARTIAL, is_intact

JOURNAL_SHAPE = {
    "of?": list,
    "expected?": {str: list},
    "verified?": FILES_SHAPE,
    "present?": FILES_SHAPE,
    "url?": str,
    "validator?": (str, dict, list, type(None)),
}
# Never fill a file system to the last byte.
DISK_RESERVE = 64 * 1024 * 1024


class Staging:
    """``tree`` becomes the target; beside it are ``journal.json`` and ``home``, for the client's own files.

    Protected by ``lock``, a descriptor that the client process inherits: while either lives, nobody else writes here.
    """

    def __init__(self, spec: Mapping[str, Any], target: Path) -> None:
        self.root = staging_folder(spec, target)
        self.tree = self.root / "tree"
        self.home = self.root / "home"
        self._lock_path = self.root.with_name(f"{self.root.name}.lock")
        self.lock = -1
        self.journal: dict[str, Any] = {}
        self.writing = threading.Lock()  # files are recorded by the thread that fetched them

    def __enter__(self) -> Staging:
        self.root.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + 10  # a client whose parent was killed needs a moment to die
        while not self._acquire():
            if time.monotonic() > deadline:
                raise errors.FetchError(
                    "THOR-STORE-BUSY",
                    "path",
                    str(self.root),
                    "another process is fetching files to the same place.",
                    f"Wait for it, or end it: fuser {self._lock_path} shows its process id.",
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
            # The previous holder removes the file at the end, and a lock on a file without a name keeps nobody out.
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
        """Remove everything that is staged."""
        shutil.rmtree(self.root, ignore_errors=True)
        self._lock_path.unlink(missing_ok=True)


def target_of(spec: Mapping[str, Any]) -> Path:
    """What takes its final name in one rename: the directory of a model, or the file of a URL."""
    path = Path(os.path.realpath(spec["path"]))
    return path / spec["file"] if spec["source"] == "url" else path


def staging_folder(spec: Mapping[str, Any], target: Path) -> Path:
    """The staging folder of a target, on the target's file system.

    ``/models/.thor/staging/<slug>`` for ``/models/<owner>/<name>`` and ``/models/<directory>/<file>``; beside the target if
    a mount or a symbolic link lies between the two. Raises FetchError THOR-STORE-PATH.
    """
    named = spec["source"] == "url" or any(str(target).endswith(f"/{one['id']}") for one in spec["sources"])
    top = target.parents[1] if named and len(target.parents) > 1 else target.parent
    places = (
        [Path(spec["staging"])] if spec["staging"] else [top / ".thor" / "staging", target.parent / ".thor" / "staging"]
    )
    name = f"{slug(target.name)}-{hashlib.sha256(str(target).encode()).hexdigest()[:8]}"
    for place in places:
        if _device(place) == _device(target) == _device(target.parent):
            return place / name
    raise errors.bad_path(
        target,
        f"and {places[-1]} are on different file systems, or it is a mount itself; a rename needs one file system.",
    )


def _device(path: Path) -> int:
    while True:
        try:
            return path.stat().st_dev
        except FileNotFoundError:
            path = path.parent
        except NotADirectoryError as error:
            raise errors.bad_path(path.parent, "is not a directory.") from error


def slug(text: str) -> str:
    """A text as part of a file or unit name."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "x"


def reuse(stage: Staging, plan: Plan) -> set[str]:
    """Keep what an earlier attempt left and this one can use. Returns the names that are staged and verified."""
    of = [plan.source["hub"], plan.source["id"], plan.commit or plan.source["revision"]]
    same = stage.journal.get("of") == of
    expected, verified = stage.journal.get("expected", {}), stage.journal.get("verified", {})
    done: set[str] = set()
    useful: set[str] = set()
    for name in plan.fetch:
        entry = plan.want[name]
        known = expected.get(name) == _expected(entry) and (entry.stated or same)
        if known and name in verified and is_intact(stage.tree / name, verified[name]):
            done.add(name)
            useful.add(name)
        elif known and entry.stated:
            # A partial file is resumed and a whole one hashed. Without a hash a wrong prefix would go unnoticed.
            useful |= {name, name + PARTIAL}
    for path in _walk(stage.tree):
        if str(path.relative_to(stage.tree)) not in useful:
            path.unlink()
    stage.journal = {
        "of": of,
        "expected": {name: _expected(plan.want[name]) for name in plan.fetch},
        "verified": {name: verified[name] for name in done},
        "present": stage.journal.get("present", {}),
    }
    stage.record()
    return done


def _expected(entry: Entry) -> list[Any]:
    return [entry.size, entry.sha256 or entry.blob]


def _walk(root: Path) -> Iterator[Path]:
    """Every file and symbolic link below, in any order."""
    for folder, folders, names in os.walk(root):
        yield from (Path(folder, name) for name in names)
        yield from (Path(folder, name) for name in folders if Path(folder, name).is_symlink())


def refuse_full(spec: Mapping[str, Any], place: Path, needed: int) -> None:
    """Raise THOR-DISK-FULL if the bytes do not fit."""
    free = shutil.disk_usage(errors.existing(place)).free
    if needed + (DISK_RESERVE if needed else 0) > free:
        raise errors.FetchError(
            "THOR-DISK-FULL",
            "path",
            spec["path"],
            f"{errors.what(spec)} needs {needed:,} more bytes and the file system of {place} has {free:,} free.",
            "Make room, or place the models on another disk.",
        )
