# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Files that are on the disk already: a hard link in place of a download.

A file with the same size and hash is the same, whether it belongs to the previous revision, to a tree that waits beside the
directory, or to any other model in the store. Who vouches for it is the manifest that hashed it, while size and time are as it
records them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.model_trees import Trees
from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Plan
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import (
    MANIFEST,
    PARTIAL,
    is_intact,
    read_manifest,
    record_of,
    trust,
)
from ansible_collections.jetson.thor.plugins.module_utils.models.staging import Staging, staging_folder, target_of

Known = dict[str, tuple[Path, Mapping[str, Any]]]


def on_disk(spec: Mapping[str, Any], plan: Plan) -> Known:
    """Of the files that would be fetched, those that are somewhere in the store: where, and what its manifest records."""
    wanted = {name: plan.want[name] for name in plan.fetch if plan.want[name].stated}
    found: Known = {}
    if not wanted or spec["verify_checksums"]:  # whoever verifies does not take a record's word
        return found
    sizes = {entry.size for entry in wanted.values()}
    for folder in _folders(spec):
        held = (read_manifest(folder) or {"files": {}})["files"]
        for place, record in held.items():
            if record["size"] not in sizes:
                continue
            for name, entry in wanted.items():
                same = name not in found and record["size"] == entry.size and entry.compare(record)
                if same and is_intact(folder / place, record):
                    found[name] = (folder / place, record)
    return found


def link(stage: Staging, spec: Mapping[str, Any], plan: Plan, missing: Iterable[str]) -> set[str]:
    """Link into the staging tree what is on the disk already; returns the names, which are in the journal as verified."""
    known = on_disk(spec, plan)
    linked = set()
    for name in missing:
        if name not in known:
            continue
        path, record = known[name]
        place = stage.tree / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        try:
            os.link(path, place)
        except OSError:  # another file system, or more links than it allows: it is fetched
            continue
        entry = plan.want[name]
        stage.journal["verified"][name] = record_of(place, record["sha256"], trust(spec, name, entry), entry.blob)
        place.with_name(place.name + PARTIAL).unlink(missing_ok=True)
        linked.add(name)
    if linked:
        stage.record()
    return linked


def _folders(spec: Mapping[str, Any]) -> Iterator[Path]:
    """Every folder with a manifest in the store of a target: its own first, then those beside it, then the others."""
    yield Path(spec["path"])
    with contextlib.suppress(OSError):
        yield from Trees().waiting(spec["path"]).values()
    store = staging_folder(spec, target_of(spec)).parents[2]
    for pattern in (f"*/{MANIFEST}", f"*/*/{MANIFEST}"):
        yield from (path.parent for path in sorted(store.glob(pattern)))
