# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Check a hub's listing before anything is fetched: whether its files can be a folder of files. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Entry
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import ASIDE, MANIFEST, PARTIAL

MAX_FILES = 100_000
MAX_DEPTH = 32
MAX_PATH_BYTES = 1024
# File systems allow 255 bytes; a file has longer names while it arrives.
MAX_NAME_BYTES = 255 - len(PARTIAL) - 4
MAX_BYTES = 1 << 44  # 16 TiB
SHA256 = re.compile(r"[0-9a-f]{64}")
# Categories of Unicode: control characters, halves of surrogate pairs, line and paragraph separators.
_UNFIT = {"Cc", "Cs", "Zl", "Zp"}
_TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Unusable(Exception):
    """What is wrong; the message continues the words "the listing"."""


def fault_of(path: str) -> str | None:
    """Why a path of a listing cannot be below a folder of ours; None if it can."""
    if any(unicodedata.category(one) in _UNFIT or one in _TURNING for one in path):
        return "has a character that no name may have"
    parts = path.split("/")
    if not path or "\\" in path or {"", ".", ".."} & set(parts):
        return "leaves its directory"
    if len(parts) > MAX_DEPTH or len(path.encode()) > MAX_PATH_BYTES:
        return f"is longer than {MAX_PATH_BYTES} bytes or {MAX_DEPTH} folders"
    if any(len(part.encode()) > MAX_NAME_BYTES for part in parts):
        return f"has a name of more than {MAX_NAME_BYTES} bytes"
    return None


def entry_of(item: Mapping[str, Any]) -> tuple[str, Entry]:
    """Name, size and hash of a listed file. Raises Unusable."""
    name, size, digest = item.get("Path"), item.get("Size"), item.get("Sha256") or None
    fault = fault_of(name) if isinstance(name, str) else "is not text"
    if fault or not isinstance(name, str):
        raise Unusable(f"holds the path {_short(name)}, which {fault}")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_BYTES:
        raise Unusable(f"gives {name} the size {_short(size)}")
    if digest is not None and (not isinstance(digest, str) or not SHA256.fullmatch(digest.lower())):
        raise Unusable(f"gives {name} the sha256 {_short(digest)}")
    return name, Entry(size, digest.lower() if digest else None)


def files_of(entries: Iterable[tuple[str, Entry]]) -> dict[str, Entry]:
    """The files of a whole listing, without a manifest of ours that somebody uploaded. Raises Unusable."""
    files: dict[str, Entry] = {}
    for name, entry in entries:
        if name in files:
            raise Unusable(f"holds the path {name!r} twice")
        files[name] = entry
        if len(files) > MAX_FILES:
            raise Unusable(f"has more than {MAX_FILES:,} files")
    check(files)
    files.pop(MANIFEST, None)
    return files


def check(files: Mapping[str, Entry]) -> None:
    """Raise Unusable if the files cannot exist side by side, or their names during the transfer cannot."""
    known = {*files, MANIFEST}
    for name in files:
        for parent in PurePosixPath(name).parents:
            if str(parent) in files:
                raise Unusable(f"has {str(parent)!r} as a file and as the folder of {name!r}")
        for suffix in (PARTIAL, ASIDE):
            if name.endswith(suffix) and name.removesuffix(suffix) in known:
                raise Unusable(f"has {name!r}, which another of its files is called during the transfer")
    total = sum(entry.size for entry in files.values())
    if total > MAX_BYTES:
        raise Unusable(f"adds up to {total:,} bytes")


def _short(value: object) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number with more digits than Python prints
        return "that cannot be printed"
    return text if len(text) <= 200 else f"{text[:200]}..."
