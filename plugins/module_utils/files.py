# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How the collection reads a file of the device: its content, or nothing. The supervisor uses this file, too.

Everything below /sys and /proc goes through :func:`content`. Files there are answered by a driver, and a driver may say no:
the thermal zone of a GPU that is switched off answers EAGAIN, for which Python's files return None or raise TypeError.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_BLOCK = 1 << 16


def content(path: Path) -> bytes | None:
    """The bytes of a file; None where it is not there or does not answer. Never waits for a writer."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None
    try:
        return b"".join(iter(lambda: os.read(descriptor, _BLOCK), b""))
    except OSError:
        return None
    finally:
        os.close(descriptor)


def text(path: Path) -> str | None:
    """The text of a file without the space around it; None where it is not there or does not answer."""
    found = content(path)
    return None if found is None else found.decode(errors="replace").strip()


def number(path: Path) -> int | None:
    """The whole number that a file holds. None is an absence, and 0 is a number."""
    found = text(path)
    return int(found) if found is not None and re.fullmatch(r"-?\d+", found) else None


def read(root: Path | None, path: str) -> str | None:
    """A file of the device, or its stand-in below ``root``; None where there is none, or it does not answer."""
    stand_in = root / path.lstrip("/") if root else None
    found = content(stand_in if stand_in is not None and os.path.lexists(stand_in) else Path(path))
    return None if found is None else found.decode(errors="replace")


def memory(root: Path | None) -> dict[str, int]:
    """The bytes of each line of /proc/meminfo, by its name; a line that is not there is no key."""
    lines = re.findall(r"^(\w+):\s+(\d+) kB", read(root, "/proc/meminfo") or "", re.MULTILINE)
    return {name: int(value) * 1024 for name, value in lines}
