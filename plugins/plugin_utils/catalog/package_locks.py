# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Lock files of Python packages on the controller: ``NAME-VERSION-PLATFORM.txt``, such as ``vllm-0.33.0-cp312-aarch64.txt``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils.environments import lock
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import LockSummary

FILE = re.compile(r"(?P<stem>.+)-(?P<tag>cp3\d+-[a-z0-9_]+)\.txt")
# As script/lock writes it at the top.
_COMMAND = re.compile(r"^#\s+(script/lock --packages \S.*)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class LockFile:
    """One lock file. ``error`` says why it cannot be used, and is empty where it can."""

    path: str
    stem: str  # NAME-VERSION
    tag: str  # the platform: cp312-aarch64
    requirement: str = ""
    summary: LockSummary | None = None
    error: str = ""
    command: str = ""  # what made it, by its top


def command(requirement: str, made: str = "", **changed: str) -> str:
    """The command that locks a requirement.

    ``made`` made a lock of this package, perhaps of another release: what it adds and leaves out is kept. ``changed``: ``python``,
    ``machine``, ``output``.
    """
    words = ["script/lock", "--packages", requirement]
    words += _options(requirement, made) or []
    for option, value in changed.items():
        if f"--{option}" in words:
            place = words.index(f"--{option}")
            del words[place : place + 2]
        words += [f"--{option}", value]
    return shlex.join(words)


def name(requirement: str) -> str:
    """The name of the package in a requirement, in the form in which names are compared."""
    return lock.normalize(re.split(r"[\[=<>!~;@ ]", requirement, maxsplit=1)[0])


def made_before(requirement: str, files: Iterable[LockFile]) -> str:
    """The command that made a lock of another release of this package; empty where there is none."""
    commands = [one.command for one in files if _options(requirement, one.command) is not None]
    return commands[-1] if commands else ""


def _options(requirement: str, made: str) -> list[str] | None:
    """The options of a command that made a lock of this package; None if it did not."""
    try:
        words = shlex.split(made)
    except ValueError:  # somebody has edited it
        return None
    is_such = words[:2] == ["script/lock", "--packages"] and len(words) > 2 and name(words[2]) == name(requirement)
    return words[3:] if is_such else None


def stem(requirement: str) -> str:
    """``vllm-0.33.0`` of ``vllm[audio]==0.33.0``, which is how the names of its lock files begin."""
    name, _equals, version = requirement.partition("==")
    return f"{lock.normalize(name.partition('[')[0])}-{version}"


@cache
def read(folder: str) -> tuple[LockFile, ...]:
    """The lock files in a folder of the controller; none where the folder does not exist."""
    named = ((path, FILE.fullmatch(path.name)) for path in sorted(Path(folder).glob("*.txt")))
    return tuple(_read(path, name["stem"], name["tag"]) for path, name in named if name)


def folder_problems(folder: str) -> list[Problem]:
    """A folder of an inventory (``thor_package_locks``, empty for none) that is not there."""
    if not folder or Path(folder).is_dir():
        return []
    reason = "There is no such folder on the controller."
    return [Problem("THOR-VALUE-INVALID", "thor_package_locks", folder, reason, "Create it, or correct its path.")]


def _read(path: Path, named: str, tag: str) -> LockFile:
    file = LockFile(path=str(path), stem=named, tag=tag)
    try:
        text = path.read_text(encoding="utf-8")
        said = _COMMAND.search(text)
        file = replace(file, command=said[1] if said else "")
        found = lock.parse(text)
    except (OSError, UnicodeDecodeError, lock.LockError) as error:
        return replace(file, error=f"it cannot be used: {error}")
    if found.file_name != path.name:
        return replace(file, error=f"it is the content of {found.file_name}")
    summary = LockSummary(
        path=file.path, sha256=found.sha256, packages=len(found.packages), bytes=found.bytes, command=file.command
    )
    return replace(file, requirement=found.requirement, summary=summary)


def of(requirement: str, files: Iterable[LockFile]) -> list[LockFile]:
    """The lock files of a requirement, one for each platform: the first of those that are for the same one."""
    found: dict[str, LockFile] = {}
    for one in files:
        if one.stem == stem(requirement):
            found.setdefault(one.tag, one)
    return list(found.values())


def summaries(requirement: str, files: Iterable[LockFile]) -> Mapping[str, LockSummary]:
    """What is known of the usable lock files of a requirement, by platform."""
    usable = [one for one in of(requirement, files) if not wrong(requirement, one)]
    return {one.tag: one.summary for one in usable if one.summary}


def wrong(requirement: str, file: LockFile) -> str:
    """Why a lock file cannot be used for a requirement; empty where it can."""
    if not file.error and file.requirement != requirement:
        return f"it was made for {file.requirement}"
    return file.error
