# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Find folders that are not on their own disk: mount points that /etc/fstab or a unit configures and that are not mounted."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ansible_collections.jetson.thor.plugins.module_utils import files, systemd

_SECONDS = 5


def missing(paths: Iterable[str], root: Path | None) -> dict[str, str]:
    """By path, the mount point at or above it that is configured and not mounted; writes would go to another disk."""
    places = {path: _places(path) for path in paths}
    mounted = {
        _unescape(line.split()[4]) for line in (files.read(root, "/proc/self/mountinfo") or "").splitlines() if line
    }
    configured = _fstab(root) | _units({place for found in places.values() for place in found})
    return {
        path: absent[0]
        for path, found in places.items()
        if (absent := [place for place in found if place in configured and place not in mounted])
    }


def _places(path: str) -> list[str]:
    """A path and the folders above it, as written and with links resolved; without the root, which is always mounted."""
    found = [
        str(one)
        for start in (path, os.path.realpath(path))
        for one in (PurePosixPath(start), *PurePosixPath(start).parents)
    ]
    return [one for one in dict.fromkeys(found) if one != "/"]


def _fstab(root: Path | None) -> set[str]:
    """Mount points of /etc/fstab (fstab(5))."""
    lines = [line.split() for line in (files.read(root, "/etc/fstab") or "").splitlines()]
    points = {_unescape(words[1]) for words in lines if len(words) > 1 and not words[0].startswith("#")}
    return {str(PurePosixPath(point)) for point in points if point.startswith("/")}


def _unescape(text: str) -> str:
    """A path of fstab or mountinfo, which write a space as ``\\040``."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def unit_of(place: str) -> str:
    """The mount unit of a path (systemd-escape --path)."""
    words = [
        re.sub(rb"[^A-Za-z0-9:_.]", lambda m: rb"\x%02x" % m[0][0], word)
        for word in place.strip("/").encode().split(b"/")
    ]
    return f"{b'-'.join(words).decode()}.mount"


def _units(places: set[str]) -> set[str]:
    """The paths that have a mount unit, from any file."""
    units = {unit_of(place): place for place in places}
    return {units[unit] for unit in systemd.installed(list(units))}
