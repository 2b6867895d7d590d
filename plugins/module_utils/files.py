# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How the collection reads and writes files. The supervisor uses this file, too.

A file is read as its content, or nothing, and written under its final name in one rename.

Everything below /sys and /proc is read by :func:`content`. A driver answers there, and it may refuse: the thermal zone of a
GPU that is switched off answers EAGAIN, for which Python's own files return None or raise TypeError.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import stat
from pathlib import Path

_BLOCK = 1 << 16


def content(path: Path) -> bytes | None:
    """The bytes of a file; None if it is not there or does not answer. Never waits for a writer."""
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
    """The text of a file without surrounding white space; None if it is not there or does not answer."""
    found = content(path)
    return None if found is None else found.decode(errors="replace").strip()


def number(path: Path) -> int | None:
    """The integer that a file holds. None means absent; 0 is a number."""
    found = text(path)
    return int(found) if found is not None and re.fullmatch(r"-?\d+", found) else None


def read(root: Path | None, path: str) -> str | None:
    """A file of the device, or its stand-in below ``root``; None if it is not there or does not answer."""
    stand_in = root / path.lstrip("/") if root else None
    found = content(stand_in if stand_in is not None and os.path.lexists(stand_in) else Path(path))
    return None if found is None else found.decode(errors="replace")


def meminfo(root: Path | None = None) -> dict[str, int]:
    """The bytes of each line of /proc/meminfo, by its name; lines that are not there have no key."""
    lines = re.findall(r"^(\w+):\s+(\d+) kB", read(root, "/proc/meminfo") or "", re.MULTILINE)
    return {name: int(value) * 1024 for name, value in lines}


def write(path: Path, content: bytes | str, mode: int | None = None, durable: bool = False) -> None:
    """Write a file under its final name in one rename; a folder in its place is moved aside.

    Without ``mode`` the file keeps its mode and owner, and a new one gets what the umask allows. ``durable``: a power cut right
    afterwards leaves it there.
    """
    for stale in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if _is_gone(stale.name.rpartition(".")[2]):
            stale.unlink(missing_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fill(partial, content, mode, durable)
        if mode is None:
            _take_over(path, partial)
        place(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def fill(path: Path, content: bytes | str, mode: int | None = None, durable: bool = False) -> None:
    """Write a file that has not got its final name yet; ``place`` gives it that."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666 if mode is None else mode)
    with os.fdopen(descriptor, "wb") as stream:
        if mode is not None:
            os.fchmod(stream.fileno(), mode)  # whatever the umask is
        stream.write(content.encode() if isinstance(content, str) else content)
        stream.flush()
        if durable:
            os.fsync(stream.fileno())


def place(partial: Path, path: Path) -> None:
    """Give a complete file its final name, in place of whatever has it."""
    if path.is_dir() and not path.is_symlink():  # a rename cannot take its place
        path.rename(path.with_name(f"{path.name}.damaged.{os.getpid()}"))
    partial.replace(path)


def sync(path: Path) -> None:
    """Make a file or a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_over(path: Path, partial: Path) -> None:
    """Give a file the mode and the owner of another one, where there is one."""
    with contextlib.suppress(FileNotFoundError):
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            with contextlib.suppress(PermissionError):  # only root gives files away
                os.chown(partial, status.st_uid, status.st_gid)
            partial.chmod(stat.S_IMODE(status.st_mode))


def _is_gone(process: str) -> bool:
    """Whether this is the number of a process that has ended."""
    try:
        os.kill(int(process), 0)
    except ValueError:
        return False
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        pass
    return False
