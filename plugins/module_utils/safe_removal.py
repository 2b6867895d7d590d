# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Remove files and folders, and nothing that they lead to: no symbolic link is followed, and no mount is entered.

Whoever may write below a folder, such as /models, could otherwise have root remove something elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ansible_collections.jetson.thor.plugins.module_utils import files

MOUNTS = Path("/proc/self/mountinfo")


def obstacle(path: Path) -> str | None:
    """Why a folder is not removed as a whole, or None: it is a link, or something is mounted on it or in it."""
    if path.is_symlink():
        return f"it is a link to {os.readlink(path)}"
    inside = [place for place in mounts() if place == str(path) or place.startswith(f"{path}/")]
    return f"{', '.join(inside)} is mounted there" if inside else None


def around_mounts(path: Path) -> list[Path]:
    """What of a folder can be removed without entering a mount in it: the folder, or its parts. The content of a mount on it counts."""
    found = mounts()
    if str(path) in found:
        return [part for one in sorted(path.iterdir()) for part in _parts(one, found)]
    return _parts(path, found)


def _parts(path: Path, found: list[str]) -> list[Path]:
    if str(path) in found:
        return []
    if path.is_symlink() or not any(place.startswith(f"{path}/") for place in found):
        return [path]
    return [part for one in sorted(path.iterdir()) for part in _parts(one, found)]


def mounts() -> list[str]:
    """Where something is mounted, by /proc/self/mountinfo (proc_pid_mountinfo(5): octal escapes in the fifth field)."""
    lines = (files.content(MOUNTS) or b"").decode(errors="surrogateescape").splitlines()
    places = [line.split()[4] for line in lines if len(line.split()) > 4]
    return [re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), place) for place in places]


def remove_tree(path: Path) -> None:
    """Remove a folder and what is in it; a link goes and what it leads to stays. One that is gone already is no error.

    shutil.rmtree follows no link, not even one that takes the place of a folder meanwhile (``shutil.rmtree.avoids_symlink_attacks``).
    Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        if path.is_symlink() or not path.is_dir():
            path.unlink()
        else:
            shutil.rmtree(path)


def unlink_below(folder: Path, name: str) -> bool:
    """Remove one file of a folder by its relative name; whether it was there. Raises OSError where a part of the name is a link."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute():
        raise OSError(f"{name} is not a name within {folder}")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        os.unlink(parts[-1], dir_fd=descriptor)
    except FileNotFoundError:
        return False
    finally:
        os.close(descriptor)
    return True


def remove_empty(folder: Path, names: Iterable[str]) -> None:
    """Remove the folders of these names, the folder itself and nothing that has something in it."""
    inner = {parent for name in names for parent in PurePosixPath(name).parents} - {PurePosixPath()}
    for one in sorted(inner, key=lambda path: len(path.parts), reverse=True):
        with contextlib.suppress(OSError):
            (folder / one).rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()


def freed_bytes(*paths: Path) -> int:
    """The space that removing these would free. A file that has another name elsewhere counts nothing."""
    found: dict[tuple[int, int], list[int]] = {}
    for path in paths:
        for one in _below(path):
            with contextlib.suppress(OSError):
                status = one.lstat()
                entry = found.setdefault((status.st_dev, status.st_ino), [0, status.st_nlink, status.st_blocks * 512])
                # The names of a folder are those of the folders in it.
                entry[0] += status.st_nlink if one.is_dir() and not one.is_symlink() else 1
    return sum(size for names, links, size in found.values() if names >= links)


def _below(path: Path) -> Iterable[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        for folder, folders, names in os.walk(path):
            yield from (Path(folder, name) for name in (*folders, *names))
