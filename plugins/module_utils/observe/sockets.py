# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Observe who listens on which TCP port."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files

UNITS = Path("/etc/systemd/system")


def listening(containers: Iterable[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Listening TCP sockets, with the process and the unit that hold them (root sees all of them)."""
    owners, activated = {one["id"]: one["service"] for one in containers}, _activated()
    sockets: dict[str, dict[str, Any]] = {}
    for table, width in (("/proc/net/tcp", 8), ("/proc/net/tcp6", 32)):
        for line in (files.read(None, table) or "").splitlines()[1:]:
            columns = line.split()
            if columns[3:4] == ["0A"]:
                address, port = columns[1].split(":")
                sockets[columns[9]] = {"address": _address(address[:width]), "port": int(port, 16)}
    for process in Path("/proc").glob("[0-9]*"):
        for inode in _sockets(process):
            if inode in sockets:
                sockets[inode].update(
                    pid=int(process.name),
                    process=(files.read(None, f"{process}/comm") or "").strip(),
                    unit=_unit(files.read(None, f"{process}/cgroup") or "", owners),
                )
    for socket in sockets.values():
        # systemd itself holds those of services that start on demand, as long as no door of theirs has them.
        if socket.get("pid") == 1:
            socket["unit"] = activated.get(socket["port"])
    nobody = {"pid": None, "process": None, "unit": None}
    return sorted(({**nobody, **one} for one in sockets.values()), key=lambda one: (one["port"], one["address"]))


def _unit(cgroups: str, owners: Mapping[str, str | None]) -> str | None:
    """The unit of a process, from its /proc/PID/cgroup. ``owners``: our unit of each container, by the container's id.

    A container is dockerd's child, in ``/docker/ID`` or ``docker-ID.scope``, and not part of the unit that runs it.
    """
    container = re.search(r"\b[0-9a-f]{64}\b", cgroups)
    if container:
        return owners.get(container[0])
    unit = re.search(r"/([^/\n]+\.service)", cgroups)
    return unit[1] if unit else None


def _activated(units: Path = UNITS) -> dict[int, str]:
    """Our units that systemd listens for, by port."""
    found = {}
    for path in units.glob("thor-*.socket"):
        if port := re.search(r"^ListenStream=\S+:(\d+)$", files.read(None, str(path)) or "", re.MULTILINE):
            found[int(port[1])] = path.name
    return found


def _sockets(process: Path) -> Iterable[str]:
    """Inodes of the sockets that a process holds; those that close meanwhile are skipped."""
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                target = os.readlink(descriptor)
                if target.startswith("socket:["):
                    yield target[len("socket:[") : -1]


def _address(text: str) -> str:
    """An address of /proc/net/tcp: words of 32 bits, each in the byte order of the machine (little-endian here)."""
    words = [bytes.fromhex(text[index : index + 8])[::-1] for index in range(0, len(text), 8)]
    raw = b"".join(words)
    if len(raw) == 4:
        return ".".join(str(byte) for byte in raw)
    return ":".join(f"{raw[index]:02x}{raw[index + 1]:02x}" for index in range(0, 16, 2))
