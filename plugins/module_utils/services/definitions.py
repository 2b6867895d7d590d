# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The files of a host's services: what a definition is, and how it is written, kept and restored."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.module_utils.model_trees import Trees
from ansible_collections.jetson.thor.plugins.module_utils.services import parts as units_beside

# The first line of every unit that is ours to remove.
MARKER = "# A service of jetson.thor:"
UNITS = "etc/systemd/system"
CONFIGS = "etc/thor/services"
# Where systemd looks for drop-ins; the first of several with the same name counts (systemd.unit(5)).
DROP_INS = (
    *("etc/systemd/system.control", "run/systemd/system.control", "run/systemd/transient", UNITS),
    *("run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system"),
)


@dataclass(frozen=True)
class File:
    """A file as it should be; ``path`` is absolute, ``mode`` octal digits."""

    path: str
    content: str
    mode: str = "0644"


@dataclass(frozen=True)
class ServiceFiles:
    """A service as it should be: its unit and the supervisor's configuration, as texts.

    ``parts``: the further units of one that starts on demand (parts.py), by name; empty for one that always runs.
    """

    name: str
    unit: str
    config: str
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def unit_name(self) -> str:
        """The unit's name."""
        return f"thor-{self.name}.service"

    @property
    def units(self) -> list[str]:
        """All its units."""
        return [self.unit_name, *self.parts]

    @property
    def enabled_unit(self) -> str:
        """The unit that boot starts: the engine, or the socket in its place."""
        return units_beside.socket_of(self.name) if self.parts else self.unit_name

    @property
    def definition(self) -> Definition:
        """What should be on the disk."""
        return Definition(self.unit, self.config, self.parts)

    def files(self) -> list[File]:
        """The files that make up the definition."""
        unit, config, *_parts = paths_of(self.name)
        return [
            *(File(unit, self.unit), File(config, self.config)),
            *(File(f"/{UNITS}/{name}", text) for name, text in self.parts.items()),
        ]

    def obsolete(self) -> list[str]:
        """Files of a service with this name that this one does not have."""
        return [path for path in paths_of(self.name)[2:] if Path(path).name not in self.parts]


@dataclass(frozen=True)
class ModelTree:
    """A tree that should have a model directory's name (model_trees.py)."""

    path: str  # the directory, such as /models/Qwen/Qwen3-8B
    identity: str


@dataclass(frozen=True)
class Definition:
    """What is on the disk for one service; None for a file that does not exist."""

    unit: str | None
    config: str | None
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """Whether there is a unit."""
        return self.unit is not None

    @property
    def port(self) -> int | None:
        """The port that the engine listens on, if known."""
        port = self._of_config("port")
        return port if isinstance(port, int) else None

    @property
    def ports(self) -> set[int]:
        """All ports that the service listens on, as far as they are known."""
        return {port for port in (self.port, self._of_config("public_port")) if isinstance(port, int)}

    @property
    def memory(self) -> float:
        """The memory budget of the service in GiB; 0 if unknown."""
        memory = self._of_config("memory_gib")
        return float(memory) if isinstance(memory, int | float) and 0 <= memory < 2**20 else 0.0

    def uses(self, path: str) -> bool:
        """Whether a directory of a model is named in the unit or the configuration; also in those of earlier versions."""
        text = f"{self.unit or ''}\n{self.config or ''}".replace("%%", "%")  # systemd's own escape
        return re.search(rf"{re.escape(path)}(?![\w.-])", text) is not None

    def _of_config(self, key: str) -> Any:
        try:
            return json.loads(self.config or "").get(key)
        except (ValueError, AttributeError, RecursionError):
            return None


def paths_of(name: str) -> list[str]:
    """The files that a service may have: its unit, what the supervisor reads, and the units of one that starts on demand."""
    beside = [f"/{UNITS}/{unit}" for unit in units_beside.names_of(name)]
    return [f"/{UNITS}/thor-{name}.service", f"/{CONFIGS}/{name}.json", *beside]


class Disk:
    """The files of the services, under ``root`` (``/`` on a host). Only one run writes at a time (jobs.py ensures it)."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        self.trees = Trees(root)

    def path(self, absolute: str) -> Path:
        """The path below ``root``."""
        return self.root / absolute.lstrip("/")

    def read(self, absolute: str) -> str | None:
        """The text of a file; None if it cannot be read (a folder, a loop of links)."""
        found = files.content(self.path(absolute))
        return None if found is None else found.decode(errors="replace")

    def definition(self, name: str) -> Definition:
        """What is on the disk for a service."""
        unit, config, *beside = paths_of(name)
        texts = {Path(path).name: self.read(path) for path in beside}
        # A service may be called like a part of another one that does not exist.
        parts = {unit: text for unit, text in texts.items() if text and text.startswith(units_beside.MARKER)}
        return Definition(self.read(unit), self.read(config), parts)

    def drop_ins(self, unit: str) -> list[str]:
        """Files that change one of our units, or all units with the same prefix, whether systemd has read them or not."""
        stem, _dot, kind = unit.rpartition(".")
        parts = stem.split("-")
        names = [unit, *(f"{'-'.join(parts[:count])}-.{kind}" for count in range(len(parts) - 1, 0, -1))]
        found: dict[str, str] = {}
        for folder in (f"/{root}/{name}.d" for root in DROP_INS for name in names):
            for path in self.path(folder).glob("*.conf"):
                if not path.is_dir():
                    found.setdefault(path.name, f"{folder}/{path.name}")
        return [found[name] for name in sorted(found)]

    def ours(self) -> list[str]:
        """Names of the services whose units we wrote, recognized by their names and first lines."""
        return [
            path.name.removeprefix("thor-").removesuffix(".service")
            for path in sorted(self.path(UNITS).glob("thor-*.service"))
            if path.is_file() and path.read_text(encoding="utf-8", errors="replace").startswith(MARKER)
        ]

    def beside(self, absolute: str, ending: str) -> Path:
        """The name of a staged (``new``) or saved (``old``) file beside its place. systemd ignores names that begin with a dot."""
        path = self.path(absolute)
        return path.with_name(f".{path.name}.{ending}")

    def write(self, item: File) -> None:
        """Write a file under its final name in one rename."""
        self.stage(item)
        self.place(item.path)

    def stage(self, item: File) -> None:
        """Write a file beside its place: from then on it needs no more space."""
        staged = self.beside(item.path, "new")
        staged.parent.mkdir(parents=True, exist_ok=True)
        files.fill(staged, item.content, int(item.mode, 8), durable=True)

    def is_staged(self, absolute: str) -> bool:
        """Whether there is a staged file for this place."""
        return self.beside(absolute, "new").exists()

    def place(self, absolute: str) -> None:
        """Give a staged file its name."""
        files.place(self.beside(absolute, "new"), self.path(absolute))

    def save(self, absolute: str) -> bool:
        """Save a file beside its place, under a second name; return whether the file exists."""
        saved = self.beside(absolute, "old")
        saved.unlink(missing_ok=True)
        if self.path(absolute).is_dir():
            return False
        try:
            os.link(self.path(absolute), saved)
        except FileNotFoundError:
            return False
        return True

    def restore(self, absolute: str, existed: bool) -> None:
        """Undo whatever happened after ``save``, also repeatedly. Needs no space."""
        if not existed:
            self.path(absolute).unlink(missing_ok=True)
        elif (saved := self.beside(absolute, "old")).exists():
            # A rename between two names of one file does nothing, and the saved one would stay.
            files.place(saved, self.path(absolute))
            saved.unlink(missing_ok=True)

    def bring(self, tree: ModelTree) -> None:
        """Give a model's directory this tree, also repeatedly. Needs no space."""
        self.trees.bring(tree.path, tree.identity)

    def prune(self, path: str, named: Iterable[str]) -> None:
        """Remove the trees beside a model's directory that nothing names."""
        self.trees.keep_only(path, set(named))

    def remove(self, absolute: str) -> None:
        """Remove a file if it exists."""
        self.path(absolute).unlink(missing_ok=True)

    def link(self, target: str, absolute: str) -> None:
        """Make a symbolic link; an existing one is replaced."""
        path = self.path(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    def flush(self, paths: Iterable[str]) -> None:
        """Make the names of these files durable, not only their contents."""
        for folder in {self.path(path).parent for path in paths}:
            with contextlib.suppress(FileNotFoundError):
                files.sync(folder)

    def sweep(self, paths: Iterable[str] = ()) -> None:
        """Remove what killed runs left beside these files and beside all our units and configurations."""
        litter = {self.beside(path, ending) for path in paths for ending in ("new", "old")}
        litter |= {*self.path(UNITS).glob(".thor-*"), *self.path(CONFIGS).glob(".*")}
        for path in litter:
            if path.is_file():
                path.unlink(missing_ok=True)
