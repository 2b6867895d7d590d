# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Finished builds of engines: where they are, their record, and whether their programs are still those that were built.

A finished build is the tree ``<prefix>/<engine>/<version>-<fingerprint>`` with ``bin/``, ``help.txt`` and ``build.json``, and
the link ``<prefix>/<engine>/<version>`` that points to it. Each appears in one rename, after the program has answered.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import engine_trees, files, flags, records
from ansible_collections.jetson.thor.plugins.module_utils.builds.inputs import fingerprint
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, nearest

NAME = engine_trees.BUILD
# ``programs``: size, time, mode and owner of each file in bin; earlier versions recorded the size alone.
SHAPE = {
    "fingerprint": str,
    "inputs": dict,
    "options?": [str],
    "programs?": {str: (int, dict)},
}


def tree_of(prefix: str, wanted: Mapping[str, Any]) -> Path:
    """The final name of the build with these inputs."""
    return Path(prefix, wanted["engine"], f"{wanted['version']}-{fingerprint(wanted)}")


def measure(path: Path) -> dict[str, int]:
    """What a build's record says about a program."""
    found = path.stat()
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "mode": found.st_mode, "owner": found.st_uid}


def read(tree: Path) -> dict[str, Any] | None:
    """The record of a finished tree; None if there is none, or if a program is not the one that was built.

    Size and time are compared, not contents: a build is a hundred megabytes, and every run reads this.
    """
    record = records.read(tree / NAME, SHAPE)
    for name, built in (record or {}).get("programs", {}).items():
        path = tree / "bin" / name
        try:
            found: Any = measure(path) if isinstance(built, dict) else path.stat().st_size
        except OSError as error:
            records.damaged(path, f"it is part of a build and cannot be read ({error.strerror})")
            return None
        if found != built:
            records.damaged(path, "it is not the program that was built: its size, time, mode or owner has changed")
            return None
    return record


def is_current(tree: Path, version: str) -> bool:
    """Whether the version's link points to this tree."""
    link = tree.parent / version
    return link.is_symlink() and os.readlink(link) == tree.name


def make_current(tree: Path, version: str) -> None:
    """Point the version's link to a finished tree, in one rename."""
    new = tree.parent / f".{version}.{os.getpid()}"
    new.symlink_to(tree.name)
    new.replace(tree.parent / version)
    files.sync(tree.parent)


def summary(tree: Path) -> dict[str, Any]:
    """What the module returns about a finished build."""
    record = read(tree) or {}
    return {
        "path": str(tree),
        "fingerprint": record.get("fingerprint"),
        "version_output": record.get("version_output"),
        "options": record.get("options"),
        "cuda_code": record.get("cuda_code"),
    }


def difference(tree: Path, wanted: Mapping[str, Any]) -> dict[str, str]:
    """The inputs of the current build and of the wanted one, for Ansible's diff mode."""
    link = tree.parent / wanted["version"]
    before = read(link)
    return {
        "before_header": str(link.resolve()) if before else "no build",
        "before": _pretty(before["inputs"]) if before else "",
        "after_header": str(tree),
        "after": _pretty(wanted),
    }


def _pretty(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def check_argvs(argvs: Mapping[str, Sequence[str]], options: Iterable[str], engine: str, version: str) -> list[Problem]:
    """Compare the services' arguments with the options that the built program lists in its help."""
    known = {name: {"aliases": ()} for name in options}
    found: list[Problem] = []
    for service, argv in argvs.items():
        for name in flags.unknown(argv, known):
            where = f"thor_services[{service!r}].argv"
            reason = f"{engine} as built at {version} has no {name}."
            found.append(Problem("THOR-FLAG-UNKNOWN", where, name, reason, nearest(name, known)))
    return found
