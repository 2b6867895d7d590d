# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Package managers on a host: who is installing something right now."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files, systemd

# Part of nvidia-container: it removes every Docker, installs docker-ce, retries while apt is busy, and then removes itself.
INSTALLER = "nv-install-docker.service"
# They release and take the locks repeatedly while they work.
_UPDATERS = ("apt-daily.service", "apt-daily-upgrade.service")
LOCKS = (
    Path("/var/lib/dpkg/lock-frontend"),
    Path("/var/lib/dpkg/lock"),
    Path("/var/lib/apt/lists/lock"),
    Path("/var/cache/apt/archives/lock"),
)
# Between two attempts of a unit, and between two locks of one process, there is a moment of calm.
CALM_SECONDS = 2.0
_FLOCK = "hhqqi4x"  # struct flock of fcntl(2) where off_t has 64 bits
_AT_WORK = {"activating", "active", "reloading", "deactivating"}


def observe() -> dict[str, Any]:
    """The keys that this adds to ``thor_host``.

    ``package_work``: who is installing or removing packages, one text each. ``docker_installer``: whether JetPack's Docker
    installer will run at the next boot.
    """
    units = systemd.installed([INSTALLER, *_UPDATERS], "ActiveState", "UnitFileState", "Job")
    return {
        "package_work": [
            *(f"{name} ({units[name]['ActiveState']})" for name in units if _works(units[name])),
            *_holders(),
        ],
        "docker_installer": units.get(INSTALLER, {}).get("UnitFileState") == "enabled",
    }


def _works(unit: dict[str, str]) -> bool:
    """Whether a unit is running, between two attempts (activating), or about to start (it has a job)."""
    return unit.get("ActiveState") in _AT_WORK or unit.get("Job", "").split(" ")[0] not in ("", "0")


def _holders() -> list[str]:
    """Processes that hold a lock of dpkg or apt."""
    found: dict[int, list[str]] = {}
    for path in LOCKS:
        process = holder(path)
        if process:
            found.setdefault(process, []).append(str(path))
    return [
        f"{files.text(Path(f'/proc/{process}/comm')) or 'a process'} (pid {process}, holds {' and '.join(paths)})"
        for process, paths in found.items()
    ]


def holder(path: Path) -> int | None:
    """The process that holds a lock as dpkg and apt take it (fcntl); None if nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _whence, _start, _length, process = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else int(process)


def settle(seconds: float) -> list[str]:
    """Wait until nothing has been at work for a moment; what still is after these seconds."""
    deadline = time.monotonic() + seconds
    calm_since: float | None = None
    while True:
        work: list[str] = observe()["package_work"]
        now = time.monotonic()
        calm_since = None if work else calm_since or now
        if calm_since is not None and now - calm_since >= CALM_SECONDS:
            return []
        if now >= deadline and (work or now >= deadline + CALM_SECONDS):
            return work
        time.sleep(0.5)
