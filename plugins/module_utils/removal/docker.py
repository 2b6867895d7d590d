# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Containers, images and volumes of ours in Docker. dockerd is asked only where it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.jetson.thor.plugins.module_utils.images import derive, gpu_check, record, references
from ansible_collections.jetson.thor.plugins.module_utils.prune.docker import Store, container_name
from ansible_collections.jetson.thor.plugins.module_utils.prune.needs import Needs
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host

SECONDS = 300.0
LABEL = "thor.service"


class Containers:
    """The step that removes them. Images that somebody gave another name, or that a container uses, stay."""

    def __init__(self, host: Host, docker: Docker | None = None) -> None:
        self.docker = docker or Docker(timeout=SECONDS)
        self.store = Store(Needs(host.root, {}, frozenset(), (), 0, ()), self.docker)

    def find(self) -> Iterator[Removable | Kept]:
        """Everything that our record, our labels and our names say is ours."""
        known = [references.by_digest(name, one["digest"]) for name, one in self.store.held["images"].items()]
        if not record.dockerd_runs():
            why = "dockerd does not run: start it before the removal, or remove the image later (docker image rm)"
            yield from (Kept("image", name, why) for name in known)
            return
        try:
            containers = list(self._containers())
            self.store.going = frozenset(path for one in containers for path in one.paths)
            yield from containers
            # Here nothing asks whether a service needs them.
            for one in self.store.find():
                yield replace(one, why="the collection put it into Docker") if isinstance(one, Removable) else one
        except DockerError as error:
            yield from (Kept("image", name, f"dockerd does not answer: {error.message}") for name in known)

    def _containers(self) -> Iterator[Removable]:
        for one in self.docker.get("/containers/json?all=1") or []:
            name = container_name(one)
            if LABEL in (one.get("Labels") or {}) or name in (derive.NAME, gpu_check.NAME):
                yield Removable("container", name, (str(one.get("Id")),), 0, "a container of the collection")

    def remove(self, items: list[Removable]) -> Iterable[Kept]:
        """Remove containers first, then images and volumes."""
        kept = []
        for one in [item for item in items if item.kind == "container"]:
            kept += self._try(one, f"/containers/{one.paths[0]}?force=1")
        if any(one.kind == "image" for one in items):
            removed, stay = self.store.remove_images()
            kept += [
                Kept("image", one.name, stay.get(one.paths[0], "dockerd did not remove it"))
                for one in items
                if one.kind == "image" and one.paths[0] not in removed
            ]
        for one in [item for item in items if item.kind in ("volume", "download")]:
            kept += self._try(one, f"/{'volumes' if one.kind == 'volume' else 'images'}/{one.paths[0]}")
        return kept

    def _try(self, one: Removable, path: str) -> list[Kept]:
        try:
            self.docker.delete(path)
        except DockerError as error:
            return [Kept(one.kind, one.name, error.message)]
        return []
