# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The manifest of a directory: which files it holds, their size, time and sha256, and where they came from.

While every file has the size and time that the manifest records, nothing is hashed and the network is not used.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import model_trees, records
from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Entry

MANIFEST = model_trees.MANIFEST
# Suffix for a file that somebody put where a different file of the model belongs.
ASIDE = ".thor-old"
# The hub client's suffix for a file that is still arriving.
PARTIAL = ".incomplete"
SCHEMA = 1
FILES_SHAPE = {str: {"size": int, "mtime_ns": int, "sha256": str, "blob?": str}}
MANIFEST_SHAPE = {
    "source": str,
    "hub?": str,
    "id": (str, type(None)),
    "revision": (str, type(None)),
    "commit?": (str, type(None)),
    "include": [str],
    "exclude?": [str],
    "lock?": str,
    # The identity (model_trees.py) of the tree that was there when this one was fetched to take its place.
    "supersedes?": (str, type(None)),
    "files": FILES_SHAPE,
}


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a directory; None if it cannot be read, in which case its files count as somebody else's."""
    manifest = records.read(path / MANIFEST, MANIFEST_SHAPE)
    if manifest is not None and manifest["source"] == "modelscope":  # as it was called when there was one hub
        return manifest | {"source": "hub", "hub": "modelscope", "commit": None, "exclude": []}
    return manifest


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest into a directory: durable, atomic, readable by everybody."""
    records.write(path / MANIFEST, manifest, 0o644, durable=True)


def is_intact(path: Path, record: Mapping[str, Any]) -> bool:
    """Whether the file is the recorded one, by size and time."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and (found.st_size, found.st_mtime_ns) == (record["size"], record["mtime_ns"])


def covers(manifest: Mapping[str, Any], pattern: str) -> bool:
    """Whether the directory satisfies the pattern."""
    return pattern in manifest["include"] or "*" in manifest["include"] or pattern in manifest["files"]


def is_same_model(manifest: Mapping[str, Any] | None, spec: Mapping[str, Any]) -> bool:
    """Whether the directory holds this model at this revision, from any of its sources, whichever of its files."""
    return manifest is not None and source_in(manifest, spec["sources"]) is not None


def source_in(manifest: Mapping[str, Any], sources: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The source that a directory came from, by the revision that was asked for or by the commit that was fetched."""
    has = (manifest.get("revision"), manifest.get("commit"))
    named = (one for one in sources if all(manifest.get(key) == one[key] for key in ("hub", "id")))
    return next((one for one in named if one["revision"] in has), None)


def record_of(path: Path, sha256: str | None, trusted: str, blob: str | None = None) -> dict[str, Any]:
    """The manifest's record of a file that was verified; ``blob`` is git's id of its content, where the hub states it."""
    found = path.stat()
    record = {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": sha256, "trusted": trusted}
    return record | ({"blob": blob} if blob else {})


def trust(spec: Mapping[str, Any], name: str, entry: Entry) -> str:
    """Who vouches for the sha256 of a file."""
    return "lock" if name in spec["sha256"] else "hub" if entry.stated else "first use"


def lock_digest(sha256: Mapping[str, str]) -> str:
    """A digest of a lock's hashes, so that a changed lock is noticed without comparing file by file; empty if there are none."""
    if not sha256:
        return ""
    return hashlib.sha256(json.dumps(dict(sha256), sort_keys=True).encode()).hexdigest()


def url_pin(file: str, url: str, checksum: str | None) -> str:
    """What a file of a URL is pinned to, as an entry of the manifest's ``include``."""
    return f"{file} {checksum or url}"


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns matches; ``*`` spans folders."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def is_wanted(name: str, spec: Mapping[str, Any]) -> bool:
    """Whether a specification's patterns choose the file."""
    return matches(name, spec["include"]) and not matches(name, spec["exclude"])


def size_of(path: Path) -> int:
    """Bytes of a file, 0 if it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def diff_line(name: str, size: int | None, digest: str | None) -> str:
    """A file in the output of ``--diff``."""
    return f"{name}  {'size unknown' if size is None else f'{size:,} bytes'}  sha256 {digest or 'unknown'}"
