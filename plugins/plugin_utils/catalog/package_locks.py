# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Lock files of Python packages on the controller: ``NAME-VERSION-TAG.txt``, such as ``vllm-0.33.0-cp312-aarch64.txt``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import LockSummary

FILE = re.compile(r"(?P<stem>.+)-(?P<tag>cp\d+-[a-z0-9_]+)\.txt")
HEADER = re.compile(r"^# (requirement|packages|bytes): *\"?([^\"\n]+?)\"? *$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class LockFile:
    """One lock file. ``error`` says why it cannot be used, and is empty where it can."""

    path: str
    stem: str  # NAME-VERSION
    tag: str  # the platform: cp312-aarch64
    requirement: str = ""
    summary: LockSummary | None = None
    error: str = ""


def stem(requirement: str) -> str:
    """``vllm-0.33.0`` of ``vllm[audio]==0.33.0``, which is how the names of its lock files begin."""
    name, _equals, version = requirement.partition("==")
    name = re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()
    return f"{name}-{version}"


@cache
def read(folder: str) -> tuple[LockFile, ...]:
    """The lock files in a folder of the controller; none where the folder does not exist."""
    return tuple(_read(path) for path in sorted(Path(folder).glob("*.txt")) if FILE.fullmatch(path.name))


def _read(path: Path) -> LockFile:
    name = FILE.fullmatch(path.name)
    assert name
    there = LockFile(path=str(path), stem=name["stem"], tag=name["tag"])
    try:
        content = path.read_bytes()
        header = dict(HEADER.findall(content.decode("utf-8")))
        summary = LockSummary(
            path=str(path),
            sha256=hashlib.sha256(content).hexdigest(),
            packages=int(header["packages"]),
            bytes=int(header["bytes"]),
        )
    except (OSError, ValueError, KeyError) as error:
        return replace(there, error=f"it cannot be read: {error!r}")
    return replace(there, requirement=header.get("requirement", ""), summary=summary)


def of(requirement: str, locks: Iterable[LockFile]) -> list[LockFile]:
    """The lock files of a requirement, one for each platform: the first of those that are for the same one."""
    found: dict[str, LockFile] = {}
    for lock in locks:
        if lock.stem == stem(requirement):
            found.setdefault(lock.tag, lock)
    return list(found.values())


def summaries(requirement: str, locks: Iterable[LockFile]) -> Mapping[str, LockSummary]:
    """What is known of the usable lock files of a requirement, by platform."""
    usable = [lock for lock in of(requirement, locks) if not wrong(requirement, lock)]
    return {lock.tag: lock.summary for lock in usable if lock.summary}


def wrong(requirement: str, lock: LockFile) -> str:
    """Why a lock file cannot be used for a requirement."""
    if not lock.error and lock.requirement != requirement:
        return f"it was made for {lock.requirement or 'nothing that it names'}"
    return lock.error
