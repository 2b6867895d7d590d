# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a switch would do: the services that a host should run, compared with what was observed there.

Pure, and the only place that decides it: the controller calls ``compare`` for the plan (plugin_utils/plan/serving.py), and the module
``services`` calls it on the device before it changes anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import (
    File,
    ModelTree,
    ServiceFiles,
)
from ansible_collections.jetson.thor.plugins.module_utils.services.systemctl import State

# Support units: the socket that drops the page cache, and the target that wants all services.
SUPPORT_UNITS = ("thor-drop-caches.socket", "thor.target")


@dataclass(frozen=True)
class FileState:
    """A file on the host: ``mode`` as octal digits with the kind of the file, ``owner`` as ``UID:GID``."""

    sha256: str
    mode: str
    owner: str


@dataclass(frozen=True)
class ModelState:
    """The trees of a model's directory (model_trees.py), by identity: the one in its place, and those beside it.

    ``before``: the one that a rollback would bring back.
    """

    current: str | None
    waiting: Sequence[str]
    before: str | None


@dataclass(frozen=True)
class Observation:
    """What there is on a host. ``services``: those whose units this collection wrote; ``drift``: by unit, see drop_ins.py.

    ``pending``: an interrupted switch has not been taken back yet. ``owner``: of the process that looked, as in ``FileState``.
    ``models``: the directories of models that have other trees beside them.
    """

    files: Mapping[str, FileState]
    units: Mapping[str, State]
    services: Sequence[str]
    drift: Mapping[str, Sequence[str]]
    pending: bool
    owner: str
    models: Mapping[str, ModelState] = field(default_factory=dict)

    def has_content(self, item: File) -> bool:
        """Whether there is a file with this text, whoever owns it."""
        found = self.files.get(item.path)
        return found is not None and found.sha256 == hashlib.sha256(item.content.encode()).hexdigest()

    def is_part(self, path: str) -> bool:
        """Whether this file exists, which may be a part of a service (parts.py), and is not a service itself."""
        name = path.rpartition("/")[2].removeprefix("thor-").removesuffix(".service")
        return path in self.files and name not in self.services

    def has(self, item: File) -> bool:
        """Whether the file is as it should be: a regular file with this text, mode and owner."""
        found = self.files.get(item.path)
        expected = (f"{0o100000 | int(item.mode, 8):o}", self.owner)
        return found is not None and self.has_content(item) and (found.mode, found.owner) == expected

    def facts(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Observation:
        """Read what ``facts`` wrote."""
        return cls(
            files={path: FileState(**one) for path, one in facts["files"].items()},
            units={unit: State(**{**one, "drop_ins": tuple(one["drop_ins"])}) for unit, one in facts["units"].items()},
            services=list(facts["services"]),
            drift=facts["drift"],
            pending=facts["pending"],
            owner=facts["owner"],
            models={path: ModelState(**one) for path, one in facts["models"].items()},
        )


@dataclass(frozen=True)
class Wanted:
    """Everything that should be on a host: the arguments of the module ``services``."""

    files: list[File]  # support files
    units: list[str]  # support units, enabled and started
    services: list[ServiceFiles]
    # Names of services whose engine was replaced at its old path: the definition may be the same, but the old engine still runs.
    renewed: list[str] = field(default_factory=list)
    # Trees that should have their model's directory; trees that neither this nor a rollback names are removed, if ``prune``.
    models: list[ModelTree] = field(default_factory=list)
    prune: bool = True

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Wanted:
        """Read a job's ``spec``."""
        return cls(
            files=[File(**item) for item in spec["files"]],
            units=list(spec["units"]),
            services=[ServiceFiles(**item) for item in spec["services"]],
            renewed=list(spec.get("renewed") or ()),
            models=[ModelTree(**item) for item in spec.get("models") or ()],
            prune=not spec.get("restore", False),
        )

    def spec(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Difference:
    """What a switch would do; false when there is nothing to do."""

    files: list[File] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)  # names of services
    switched: list[str] = field(default_factory=list)  # new, with another definition, or with a renewed engine
    started: list[str] = field(default_factory=list)  # as they should be, but not running or not enabled
    drift: list[str] = field(default_factory=list)  # drop-ins of others, which only a person may remove
    pending: bool = False  # an interrupted switch is still to be taken back
    models: list[ModelTree] = field(default_factory=list)  # trees that get their model's directory
    pruned: list[str] = field(default_factory=list)  # directories beside which trees lie that nothing names

    def __bool__(self) -> bool:
        """Whether anything would be done."""
        return any(getattr(self, one.name) for one in fields(self))

    def result(self) -> dict[str, Any]:
        """The difference as the module returns it."""
        return {
            "files": [item.path for item in self.files],
            "units": self.units,
            "removed": self.removed,
            "switched": self.switched,
            "started": self.started,
            "drift": self.drift,
            "models": [tree.path for tree in self.models],
            "pruned": self.pruned,
        }


def compare(wanted: Wanted, found: Observation) -> Difference:
    """What a switch would do."""
    files = [item for item in wanted.files if not found.has(item)]
    units = [unit for unit in wanted.units if not (state := _state(found, unit)).runs or state.stale]
    models = [tree for tree in wanted.models if _model(found, tree.path).current != tree.identity]
    switched, started = [], []
    for service in wanted.services:
        states = [_state(found, unit) for unit in service.units]
        is_stale = any(state.active == "active" and state.stale for state in states)
        is_other = not all(map(found.has_content, service.files())) or any(map(found.is_part, service.obsolete()))
        differs = is_other or is_stale
        swapped = any(service.definition.uses(tree.path) for tree in models)
        if differs or swapped or service.name in wanted.renewed:
            switched.append(service.name)
            continue
        files += [item for item in service.files() if not found.has(item)]  # mode or owner: nothing is restarted
        if not _state(found, service.enabled_unit).runs:
            started.append(service.name)
    names = [service.name for service in wanted.services]
    ours = [*wanted.units, *(unit for service in wanted.services for unit in service.units)]
    return Difference(
        files=files,
        units=units,
        removed=[name for name in found.services if name not in names],
        switched=switched,
        started=started,
        drift=[text for unit in ours for text in found.drift.get(unit, ())],
        pending=found.pending,
        models=models,
        pruned=[path for path in found.models if wanted.prune and _unnamed(wanted, found.models[path], path)],
    )


def _model(found: Observation, path: str) -> ModelState:
    return found.models.get(path, ModelState(None, (), None))


def _unnamed(wanted: Wanted, state: ModelState, path: str) -> bool:
    named = {state.before, *(tree.identity for tree in wanted.models if tree.path == path)}
    return not named.issuperset(state.waiting)


def _state(found: Observation, unit: str) -> State:
    return found.units.get(unit, State())
