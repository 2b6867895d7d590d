# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How far an installation is, from what uv has in its cache.

uv writes a package there under its final name only when all of it has arrived and its hash is right (``wheels-v*`` for wheels,
``sdists-v*`` for sources). This is the layout of the uv that is pinned in roles/python_engine/files/uv.txt; with another one,
less is shown and nothing else changes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.module_utils.environments.lock import Lock
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter

SECONDS = 1.0


def complete(cache: Path, lock: Lock) -> set[str]:
    """The names of the lock's packages that are in the cache as a whole."""
    pointers = [*cache.glob("wheels-v*/**/*.http"), *cache.glob("wheels-v*/**/*.rev")]
    pointers += [path.parent for path in cache.glob("sdists-v*/**/revision.*")]
    found = {path.parent.name for path in pointers}
    return {package.name for package in lock.packages if package.name in found}


def fetched_bytes(cache: Path, lock: Lock) -> int:
    """The bytes of the packages that are in the cache, as far as the lock has their sizes."""
    found = complete(cache, lock)
    return sum(package.bytes or 0 for package in lock.packages if package.name in found)


def written(process: int) -> int:
    """Bytes that a process has written to files (wchar in proc_pid_io(5)); 0 where that cannot be read."""
    lines = (files.read(None, f"/proc/{process}/io") or "").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("wchar:")), 0)


@contextlib.contextmanager
def watched(process: int, cache: Path, lock: Lock, report: Reporter) -> Iterator[None]:
    """Report the progress of uv, which is silent without a terminal, while it runs as ``process``."""
    ended = threading.Event()
    count = len(lock.packages)
    total = sum(package.bytes or 0 for package in lock.packages)

    def watch() -> None:
        while not ended.wait(SECONDS):
            done = len(complete(cache, lock))
            if done == count:
                report.progress(0, 0, text=f"all {count} packages fetched, installing")
                continue
            # A package of half a gigabyte counts when it is complete: what is unpacked shows that something happens until then.
            text = f"{done} of {count} packages complete, {written(process) / 1e9:.2f} GB unpacked"
            report.progress(fetched_bytes(cache, lock), total, "B", text)

    thread = threading.Thread(target=watch, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
