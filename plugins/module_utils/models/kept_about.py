# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the models on this device say of themselves, kept so that a look at the device costs no reading.

Each folder has a record in ``/var/lib/thor/about``. It holds as long as the files have the sizes and times of then.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import records
from ansible_collections.jetson.thor.plugins.module_utils.models import about

KEPT = Path("/var/lib/thor/about")
# Changes whenever the same files give another About.
EDITION = 2
SHAPE = {"path": str, "files": str, "about": {str: dict}}
# Of a folder with more, the first ones: each header takes about 0.2 s, once.
MOST_FILES = 64


def observe(folder: Path, files: Mapping[str, Mapping[str, Any]], keep: bool) -> dict[str, dict[str, Any]]:
    """What the model in a folder says, by the file that an engine is started with (``""``: the folder), as facts.

    ``files``: its files with ``size`` and ``mtime_ns``, relative to the folder. ``keep``: write the record if there is none.
    """
    digest = _digest(files)
    path = KEPT / f"{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}.json"
    kept = records.read(path, SHAPE)
    if kept is not None and (kept["path"], kept["files"]) == (str(folder), digest):
        found: dict[str, dict[str, Any]] = kept["about"]
        return found
    try:
        found = _read(folder, {name: one["size"] for name, one in files.items()})
    except OSError:
        return {}  # changed or gone since it was listed
    if keep:
        with contextlib.suppress(OSError):  # read again next time
            KEPT.mkdir(parents=True, exist_ok=True)
            records.write(path, {"path": str(folder), "files": digest, "about": found}, 0o644)
    return found


def prune(folders: Iterable[str]) -> None:
    """Remove the records of all other folders: they are gone."""
    known = {f"{hashlib.sha256(path.encode()).hexdigest()[:16]}.json" for path in folders}
    for path in KEPT.glob("*.json"):
        if path.name not in known:
            path.unlink(missing_ok=True)


def _digest(files: Mapping[str, Mapping[str, Any]]) -> str:
    stats = sorted((name, one["size"], one["mtime_ns"]) for name, one in files.items())
    return hashlib.sha256(json.dumps([EDITION, stats]).encode()).hexdigest()


def _read(folder: Path, sizes: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    files = about.on_disk(folder, sizes)
    mains = about.main_files(sizes)[:MOST_FILES]
    return {name or "": about.about_of(files, name).to_facts() for name in mains}
