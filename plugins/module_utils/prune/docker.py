# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Images and volumes in Docker that nothing needs. Images are ours by our record, volumes by the name that our units give them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker
from ansible_collections.jetson.thor.plugins.module_utils.images import derive, layer_cache, prune, record, references
from ansible_collections.jetson.thor.plugins.module_utils.prune.engines import UNUSED
from ansible_collections.jetson.thor.plugins.module_utils.prune.needs import INVENTORY, Needs
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable

SECONDS = 300.0  # dockerd counts the bytes of all volumes
VOLUME = re.compile(r"thor-(.+)-cache")


class Store:
    """The images and volumes of one dockerd."""

    def __init__(self, needs: Needs, docker: Docker | None = None) -> None:
        self.needs = needs
        self.docker = docker or Docker(timeout=SECONDS)
        self.held = record.read_record()
        self.wanted = wanted_images(needs.wanted)
        self.texts = {path: text for path, text in needs.texts.items() if path != INVENTORY}
        self.usage: Mapping[str, Any] = {}
        self.users: Mapping[str, str] = {}  # the name of a container by the id of its image and by its volumes
        self.going: frozenset[str] = frozenset()  # ids of containers that are removed first
        self.stay: set[str] = set()

    def find(self) -> Iterator[Removable | Kept]:
        """Images with their derived ones, layers of interrupted pulls, and volumes. Raises DockerError."""
        self.usage = self.docker.get("/system/df") or {}
        self.users = self._users()
        yield from self._images()
        yield from self._partial()
        yield from self._volumes()

    def _users(self) -> dict[str, str]:
        """What containers use, running or not: dockerd refuses to remove that."""
        found: dict[str, str] = {}
        for one in self.docker.get("/containers/json?all=1") or []:
            mounts = [mount["Name"] for mount in one.get("Mounts") or [] if mount.get("Type") == "volume"]
            if one.get("Id") not in self.going:
                found |= dict.fromkeys([str(one.get("ImageID")), *mounts], container_name(one))
        return found

    def _images(self) -> Iterator[Removable | Kept]:
        unused, kept = prune.unused(self.held, self.wanted, self.texts)
        newest = self._newest()
        for one in unused:
            name = references.by_digest(one["reference"], one["digest"])
            if name in newest or self.needs.pinned(one["reference"], name):
                self.stay.add(name)
                continue
            yield self._image(one["reference"], name)
        for name, why in kept.items():
            yield Kept("image", name, why)
        for made in prune.all_unused_derived(self.docker, self.held, self.wanted, list(self.texts.values())):
            yield self._image(f"{derive.REPOSITORY} {made[7:19]}", made)

    def _image(self, title: str, name: str) -> Removable | Kept:
        """An image that nothing names: it goes, unless a container uses it."""
        images: list[dict[str, Any]] = self.usage.get("Images") or []
        known = next(
            (one for one in images if name in (one.get("Id"), *(one.get("RepoDigests") or []))), dict[str, Any]()
        )
        user = self.users.get(str(known.get("Id")))
        if user:
            self.stay.add(name)
            return Kept("image", title, f"the container {user} uses it")
        return Removable("image", title, (name,), _own_bytes(known), UNUSED)

    def _newest(self) -> set[str]:
        """Of each repository, the images that stay as its newest generations, by when they were made."""
        local = record.Local.ask(self.docker)
        ours = [(reference, entry["digest"]) for reference, entry in self.held["images"].items()]
        ours += [(one["reference"], one["digest"]) for one in self.held["superseded"]]
        found: dict[str, list[tuple[int, str]]] = {}
        for reference, digest in ours:
            name = references.by_digest(reference, digest)
            image = local.find(name)
            if image is not None:
                found.setdefault(references.split(reference)[0], []).append((int(image.get("Created") or 0), name))
        return {name for made in found.values() for _time, name in sorted(made, reverse=True)[: self.needs.keep]}

    def _partial(self) -> Iterator[Removable]:
        """What is kept of interrupted pulls, except for images that the inventory still waits for."""
        waiting = {layer_cache.cache_name(one["reference"]) for one in self.wanted}
        for image in self.usage.get("Images") or []:
            for tag in image.get("RepoTags") or []:
                repository, _colon, name = tag.rpartition(":")
                if repository == layer_cache.PARTIAL and name not in waiting:
                    yield Removable(
                        "download", tag, (tag,), _own_bytes(image), "an interrupted pull that no service waits for"
                    )

    def _volumes(self) -> Iterator[Removable | Kept]:
        for volume in self.usage.get("Volumes") or []:
            named = VOLUME.fullmatch(str(volume.get("Name")))
            plain = volume.get("Driver") == "local" and not volume.get("Options") and not volume.get("Labels")
            if not named or not plain or named[1] in self.needs.services or self.needs.pinned(named[0]):
                continue
            if named[0] in self.users:
                yield Kept("volume", named[0], f"the container {self.users[named[0]]} uses it")
                continue
            size = int((volume.get("UsageData") or {}).get("Size") or 0)
            yield Removable("volume", named[0], (named[0],), max(0, size), "there is no service of this name")

    def remove_images(self) -> tuple[list[str], dict[str, str]]:
        """Remove what ``find`` has named of the images: names of the removed ones, and of those that stay with the reason."""
        return prune.prune(self.docker, self.held, self.wanted, self.texts, self.stay)

    def remove(self, item: Removable) -> None:
        """Remove a volume, or the layers of an interrupted pull. Raises DockerError."""
        place = "volumes" if item.kind == "volume" else "images"
        self.docker.delete(f"/{place}/{item.paths[0]}")

    def digests(self, going: Iterable[Removable]) -> frozenset[str]:
        """The digests of the recorded images that stay."""
        names = {path for item in going for path in item.paths}
        return frozenset(
            entry["digest"]
            for reference, entry in self.held["images"].items()
            if references.by_digest(reference, entry["digest"]) not in names
        )


def container_name(listed: Mapping[str, Any]) -> str:
    """The name of a container that dockerd lists; its id if it has none."""
    return next((str(name).lstrip("/") for name in listed.get("Names") or []), str(listed.get("Id")))


def _own_bytes(image: Mapping[str, Any]) -> int:
    """The bytes that no other image shares; dockerd says -1 where it has not counted."""
    return int(image.get("Size") or 0) - max(0, int(image.get("SharedSize") or 0))


def wanted_images(services: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The images of services, each with the sets of packages that they need in it (``extras``)."""
    found: dict[str, list[list[str]]] = {}
    for service in services:
        if service.get("image"):
            extras = found.setdefault(service["image"], [])
            packages = sorted(service.get("python_packages") or [])
            if packages and packages not in extras:
                extras.append(packages)
    return [{"reference": reference, "extras": extras} for reference, extras in found.items()]
