# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What nothing on a host needs any more, and its removal. Services are not touched."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import jobs
from ansible_collections.jetson.thor.plugins.module_utils.docker_api import DockerError
from ansible_collections.jetson.thor.plugins.module_utils.images import record
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed, Problem
from ansible_collections.jetson.thor.plugins.module_utils.prune import caches, docker, engines, models
from ansible_collections.jetson.thor.plugins.module_utils.prune.needs import Needs
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable

ROOT = Path("/")
ORDER = ("model", "revision", "download", "image", "volume", "build", "environment", "leftover", "cache")
REMOVERS: Mapping[Callable[..., Any], tuple[str, ...]] = {
    engines.remove: ("build", "environment", "leftover"),
    models.remove: ("model",),
    models.remove_beside: ("revision",),
    models.remove_staged: ("download",),
    caches.remove: ("cache",),
}


class Pruning:
    """One look at a host, and the removal of what was found."""

    def __init__(self, needs: Needs) -> None:
        self.needs = needs
        self.found: list[Removable] = []
        self.kept: list[Kept] = []
        self.store: docker.Store | None = None

    def look(self) -> None:
        """Find what nothing needs. Changes nothing."""
        images = self._look_at_docker()
        going = [one for one in self.found if one.kind == "image"]
        known = record.digests(record.read_record())
        stay = self.store.digests(going) if self.store and images else frozenset(known)
        for one in (*models.find(self.needs), *engines.find(self.needs), *caches.find(self.needs, stay)):
            self._note(one)
        self.found.sort(key=lambda one: (ORDER.index(one.kind), -one.bytes, one.name))

    def _look_at_docker(self) -> bool:
        if not record.dockerd_runs():
            if record.read_record()["images"]:
                why = "dockerd does not run, and a question would start it: images and volumes were not looked at"
                self.kept.append(Kept("image", "all", why))
            return False
        self.store = docker.Store(self.needs)
        try:
            for one in self.store.find():
                self._note(one)
        except DockerError as error:
            self.kept.append(Kept("image", "all", f"dockerd does not answer: {error.message}"))
            self.found, self.store = [], None
        return self.store is not None

    def _note(self, one: Removable | Kept) -> None:
        if isinstance(one, Kept):
            self.kept.append(one)
        else:
            self.found.append(one)

    def remove(self) -> None:
        """Remove what was found; what cannot be removed joins what is kept, with the reason."""
        gone: list[Removable] = []
        for one in self.found:
            try:
                if one.kind != "image":
                    self._remove(one)
                    gone.append(one)
            except (OSError, DockerError) as error:
                self.kept.append(Kept(one.kind, one.name, f"it cannot be removed: {error}"))
        self.found = [*gone, *self._remove_images()]
        self.found.sort(key=lambda one: (ORDER.index(one.kind), -one.bytes, one.name))

    def _remove(self, one: Removable) -> None:
        if self.store is not None and (one.kind == "volume" or not one.paths[0].startswith("/")):
            self.store.remove(one)
            return
        left = next(remover for remover, kinds in REMOVERS.items() if one.kind in kinds)(self.needs, one)
        if left:
            self.kept.append(Kept(one.kind, one.name, f"not ours: {', '.join(left[:3])}"))

    def _remove_images(self) -> list[Removable]:
        listed = [one for one in self.found if one.kind == "image"]
        if self.store is None or not listed:
            return []
        removed, kept = self.store.remove_images()
        known = {one.name for one in self.kept}
        self.kept += [Kept("image", name, why) for name, why in kept.items() if name not in known]
        return [one for one in listed if one.paths[0] in removed]


def run(params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """The result of the module. Raises Failed THOR-PRUNE-BUSY."""
    busy = jobs.running()
    if busy and not check:
        raise Failed(_busy(busy))
    needs = Needs.of(ROOT, params["services"], params["keep"], params["pins"])
    pruning = Pruning(needs)
    pruning.look()
    wanted = list(pruning.found)
    if not check:
        pruning.remove()
    found = pruning.found
    return {
        "changed": bool(found),
        "removed": [one.facts() for one in found],
        "kept": [one.facts() for one in dict.fromkeys(pruning.kept)],
        "bytes": sum(one.bytes for one in found),
        "warnings": [replace(_busy(busy), remedy="Nothing is removed while it runs.").text()] if busy else [],
        "diff": {
            "before_header": "what nothing needs",
            "after_header": "after prune",
            "before": "".join(f"{path}\n" for one in wanted for path in one.paths),
            "after": "".join(f"{path}\n" for one in wanted if one not in found for path in one.paths),
        },
    }


def _busy(names: list[str]) -> Problem:
    units = ", ".join(jobs.unit_of(name) for name in names)
    reason = f"{socket.gethostname()}: a run is under way, and may need what looks unneeded now. Nothing was removed."
    remedy = f"Wait for it (sudo journalctl -fu {jobs.unit_of(names[0])}), and run the playbook again."
    return Problem("THOR-PRUNE-BUSY", "job", units, reason, remedy)
