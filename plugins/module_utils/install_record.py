# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a host was like before we changed it, for playbooks/remove.yml: ``/var/lib/thor/installed.json``.

Written right before each change, and never by the removal itself. The first state that was noted counts: later ones are our own. A
record that cannot be written is no reason to stop; the removal then lists what it finds instead of guessing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import commands, files, records

RECORD = Path("/var/lib/thor/installed.json")
# ``present``: the Debian packages at the first installation. ``packages``: those that we asked for and that were not there. ``units``:
# whether a unit was enabled (UnitFileState). ``default_target``: where its link led. ``sysctl``: values of the kernel. ``files``: the
# content before us and the one that we wrote; None for no file.
SHAPE = {
    "present?": [str],
    "packages?": [str],
    "units?": {str: str},
    "default_target?": str,
    "power_mode?": str,
    "sysctl?": {str: str},
    "files?": {str: {"before": (str, type(None)), "ours": (str, type(None))}},
}
EMPTY: dict[str, Any] = {"present": [], "packages": [], "units": {}, "sysctl": {}, "files": {}}


def read(path: Path | None = None) -> dict[str, Any]:
    """The record; ``default_target`` and ``power_mode`` are missing where nothing was noted."""
    found = {key: value for key, value in (records.read(path or RECORD, SHAPE) or {}).items() if key != "schema"}
    return {**EMPTY, **found}


def installed() -> list[str]:
    """The names of the Debian packages on this host."""
    lines = commands.output("dpkg-query", "-W", "-f=${db:Status-Status} ${Package}\n").splitlines()
    return sorted({line.split()[1] for line in lines if line.startswith("installed ")})


def with_packages(record: dict[str, Any], names: Iterable[str], present: list[str]) -> dict[str, Any]:
    """The record once these packages (``NAME`` or ``NAME=VERSION``) are about to be installed on a host that has ``present``. Pure."""
    asked = {name.partition("=")[0] for name in names} - set(present) - set(record["packages"])
    if not asked:
        return record
    return {**record, "present": record["present"] or present, "packages": sorted([*record["packages"], *asked])}


def with_first(record: dict[str, Any], key: str, found: dict[str, str]) -> dict[str, Any]:
    """The record with what was found under names that it does not have yet. Pure."""
    return {**record, key: {**found, **record[key]}}


def save(record: dict[str, Any]) -> None:
    """Write the record, root's alone: a daemon.json may hold a password. Raises OSError."""
    RECORD.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    records.write(RECORD, record, 0o600, durable=True)


def note_file(path: Path, ours: bytes | str | None) -> None:
    """Note that we are about to write this file; ``ours`` is what it will hold, None for no file."""
    record = read()
    before = files.content(path)
    known = record["files"].get(str(path), {"before": None if before is None else _text(before)})
    record["files"] = {**record["files"], str(path): {**known, "ours": None if ours is None else _text(ours)}}
    with contextlib.suppress(OSError):
        save(record)


def note_power_mode(name: str) -> None:
    """Note the power mode that the device was in."""
    record = read()
    if "power_mode" not in record:
        with contextlib.suppress(OSError):
            save({**record, "power_mode": name})


def _text(content: bytes | str) -> str:
    return content if isinstance(content, str) else content.decode(errors="surrogateescape")
