# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Finished builds of engines: the record of a tree, and whether its programs are still those that were built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import records

NAME = "build.json"
# ``programs``: size, time, mode and owner of each file in bin; earlier versions noted the size alone.
SHAPE = {
    "fingerprint": str,
    "inputs": dict,
    "options?": [str],
    "programs?": {str: (int, dict)},
}


def measure(path: Path) -> dict[str, int]:
    """What a build's record says of a program."""
    found = path.stat()
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "mode": found.st_mode, "owner": found.st_uid}


def read(tree: Path) -> dict[str, Any] | None:
    """The record of a finished tree; None where there is none, or where a program is not the one that was built.

    Size and time are compared, and no contents: a build is a hundred megabytes, and this is looked at in every run.
    """
    record = records.read(tree / NAME, SHAPE)
    for name, built in (record or {}).get("programs", {}).items():
        path = tree / "bin" / name
        try:
            found: Any = measure(path) if isinstance(built, dict) else path.stat().st_size
        except OSError as error:
            records.damaged(path, f"it is part of a build and cannot be read ({error.strerror})")
            return None
        if found != built:
            records.damaged(path, "it is not the program that was built: its size, time, mode or owner is another one")
            return None
    return record
