# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The merged catalog: the collection's entries, with the inventory's own laid over them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.kinds import BUILD, kinds_of
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.package_locks import LockFile


@dataclass
class Catalog:
    """The merged catalog. ``flags`` maps an engine and its own version to the options that this version has, ``architectures`` to the
    models that it knows. ``locks`` are the lock files of Python packages: those of the inventory's own folder, and the collection's.

    ``refused`` are entries (noun, name) with a problem that has been reported, ``refused_nouns`` nouns whose entries of the inventory
    are all refused. ``foreign`` are versions (engine, version) that the inventory added or changed: nobody has tried those.
    ``own_status`` are profiles whose status is the inventory's own statement.
    """

    engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: dict[str, Any] = field(default_factory=dict)
    flags: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    architectures: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    transformers: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    locks: tuple[LockFile, ...] = ()
    refused_nouns: set[str] = field(default_factory=set)
    refused: set[tuple[str, str]] = field(default_factory=set)
    foreign: set[tuple[str, str]] = field(default_factory=set)
    own_status: set[str] = field(default_factory=set)

    def is_refused(self, noun: str, name: Any) -> bool:
        """Whether an entry is missing because of a problem that has been reported."""
        return noun in self.refused_nouns or (noun, name) in self.refused

    def flags_of(self, engine: str, version: str) -> dict[str, Any] | None:
        """The options of a version of the catalog; None where no list is stored.

        A list is stored by the engine's own version, which one version of the catalog may call by another name (``flags`` where it is
        only known about). The name of a version says so itself only where the version is built.
        """
        return self.flags.get((engine, self._listed_as(engine, version)))

    def architectures_of(self, engine: str, version: str) -> frozenset[str] | None:
        """The architectures that a version of the catalog knows; None where no list is stored."""
        return self.architectures.get((engine, self._listed_as(engine, version)))

    def transformers_of(self, engine: str, version: str) -> frozenset[str] | None:
        """The architectures that the Transformers of a version can run for it; None where no list is stored."""
        return self.transformers.get((engine, self._listed_as(engine, version)))

    def _listed_as(self, engine: str, version: str) -> str:
        known = self.engines[engine]["versions"].get(version) or {}
        name = known.get("flags") or known.get("engine_version")
        if name is None and BUILD in kinds_of(known):
            name = version
        return str(name)

    def lists_of(self, engine: str) -> dict[str, dict[str, Any]]:
        """The stored lists of an engine's options by version, from the oldest to the newest."""
        versions = [version for name, version in self.flags if name == engine]
        ordered = sorted(versions, key=lambda version: [int(digits) for digits in re.findall(r"\d+", version)])
        return {version: self.flags[engine, version] for version in ordered}

    def some_flags_of(self, engine: str) -> dict[str, Any]:
        """The options of the newest version of an engine of which a list is stored; empty where there is none."""
        return next(reversed(self.lists_of(engine).values()), {})
