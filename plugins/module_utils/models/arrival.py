# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Files of a model that arrive in staging: progress, early write-back, and the record of those that are complete."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.files import sync
from ansible_collections.jetson.thor.plugins.module_utils.models import errors
from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Plan
from ansible_collections.jetson.thor.plugins.module_utils.models.hashing import Reporter
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import PARTIAL, record_of, size_of, trust
from ansible_collections.jetson.thor.plugins.module_utils.models.staging import Staging

# Files of one model that are transferred in parallel.
WORKERS = 4


@contextlib.contextmanager
def watched(stage: Staging, plan: Plan, report: Reporter) -> Iterator[Callable[[], int]]:
    """Report progress from what is on disk, and make the disk write while data arrives.

    Without the latter a fast connection leaves gigabytes in the page cache, and the end of every file waits for the disk.
    Yields a function that counts the bytes that have arrived.
    """
    ended = threading.Event()

    def moved() -> int:
        verified = stage.journal["verified"]
        return sum(
            plan.want[name].size
            if name in verified
            else size_of(stage.tree / name) or size_of(stage.tree / (name + PARTIAL))
            for name in plan.fetch
        )

    def tell() -> None:
        verified = len(stage.journal["verified"])
        report.progress(moved(), plan.fetch_bytes, "B", f"{verified} of {len(plan.fetch)} files verified")

    def watch() -> None:
        while not ended.wait(0.2):
            tell()
            for name in plan.fetch:
                if name not in stage.journal["verified"]:
                    _write_out(stage.tree / (name + PARTIAL))

    thread = threading.Thread(target=watch, name="progress", daemon=True)
    thread.start()
    try:
        yield moved
    finally:
        ended.set()
        thread.join()
        tell()


def _write_out(path: Path) -> None:
    """Start the write-back of a file's dirty pages without waiting for it (sync_file_range, SYNC_FILE_RANGE_WRITE)."""
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            ctypes.CDLL(None).sync_file_range(descriptor, ctypes.c_int64(0), ctypes.c_int64(0), ctypes.c_uint(2))
        finally:
            os.close(descriptor)


def accept(stage: Staging, spec: Mapping[str, Any], plan: Plan, name: str, sha256: str) -> None:
    """A file is complete and verified: make it durable and record it."""
    path, entry = stage.tree / name, plan.want[name]
    path.chmod(0o644)
    sync(path)
    record = record_of(path, sha256, trust(spec, name, entry), entry.blob)
    if record["size"] != entry.size:
        raise errors.bad_content(spec, name, f"{entry.size:,} bytes", f"{record['size']:,} bytes")
    with stage.writing:
        stage.journal["verified"][name] = record
        stage.record()
