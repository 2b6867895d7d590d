# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a hub lists, held against what can be a folder of files, before anything of it is fetched. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.store import ASIDE, MANIFEST, PARTIAL, Entry

MOST_FILES = 100_000
DEEPEST = 32
LONGEST_PATH = 1024  # bytes
# A file system takes 255 bytes; the names that a file has on its way are longer.
LONGEST_NAME = 255 - len(PARTIAL) - 4
LARGEST = 1 << 44  # 16 TiB
SHA256 = re.compile(r"[0-9a-f]{64}")
# Categories of Unicode: control characters, halves of surrogate pairs, line and paragraph separators.
_UNFIT = {"Cc", "Cs", "Zl", "Zp"}
_TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Unusable(Exception):
    """What is wrong, after the words "the listing"."""


def fault_of(path: str) -> str | None:
    """Why a path of a listing cannot be one below a folder of ours; None where it can."""
    if any(unicodedata.category(one) in _UNFIT or one in _TURNING for one in path):
        return "has a character that no name may have"
    parts = path.split("/")
    if not path or "\\" in path or {"", ".", ".."} & set(parts):
        return "does not stay inside of a directory"
    if len(parts) > DEEPEST or len(path.encode()) > LONGEST_PATH:
        return f"is longer than {LONGEST_PATH} bytes or {DEEPEST} folders"
    if any(len(part.encode()) > LONGEST_NAME for part in parts):
        return f"has a name of more than {LONGEST_NAME} bytes"
    return None


def entry_of(item: Mapping[str, Any]) -> tuple[str, Entry]:
    """Name, size and hash of one file as it is listed. Raises Unusable."""
    name, size, digest = item.get("Path"), item.get("Size"), item.get("Sha256") or None
    fault = fault_of(name) if isinstance(name, str) else "is no text"
    if fault or not isinstance(name, str):
        raise Unusable(f"holds the path {_short(name)}, which {fault}")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= LARGEST:
        raise Unusable(f"gives {name} the size {_short(size)}")
    if digest is not None and (not isinstance(digest, str) or not SHA256.fullmatch(digest.lower())):
        raise Unusable(f"gives {name} the sha256 {_short(digest)}")
    return name, Entry(size, digest.lower() if digest else None)


def check(files: Mapping[str, Entry]) -> None:
    """Raise Unusable where the files cannot lie beside each other, or the names that we give them on their way cannot."""
    known = {*files, MANIFEST}
    for name in files:
        for parent in PurePosixPath(name).parents:
            if str(parent) in files:
                raise Unusable(f"has {str(parent)!r} as a file and as the folder of {name!r}")
        for suffix in (PARTIAL, ASIDE):
            if name.endswith(suffix) and name.removesuffix(suffix) in known:
                raise Unusable(f"has {name!r}, which is the name of another file of it on its way")
    total = sum(entry.size for entry in files.values())
    if total > LARGEST:
        raise Unusable(f"comes to {total:,} bytes")


def _short(value: object) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of more digits than Python writes
        return "that cannot be written"
    return text if len(text) <= 200 else f"{text[:200]}..."
