# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""dockerd's store of layers: how much room it needs, and how to keep layers that an interrupted pull has finished.

Docker's classic store forgets the finished layers of an interrupted pull and fetches them again. While a pull runs, we keep an
image ``thor-partial`` of the finished layers, in their order; dockerd then says "Already exists". Layers above an unfinished one
are fetched again. Within a layer dockerd resumes at the byte, for its own five attempts. Measured with Docker 26.1.

The containerd store keeps partial downloads for a day, to the byte, and needs no help.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ansible_collections.jetson.thor.plugins.module_utils.docker_api import (
    ARCHITECTURES,
    CONTAINERD_ROOT,
    Docker,
    DockerError,
    has_containerd_store,
    tar_archive,
)

PARTIAL = "thor-partial"
# Unpacked over compressed bytes. Unverified: an estimate for CUDA images, whose libraries compress by more than half.
EXPANSION = 2.5


class LayerCache:
    """Keeps the finished layers of one image at a time in Docker's classic store."""

    def __init__(self, docker: Docker) -> None:
        self.docker = docker
        info = docker.get("/info")
        self.root = Path(info.get("DockerRootDir") or "/var/lib/docker")
        self.containerd = has_containerd_store(info)
        self.layer_ids = self.root / "image" / str(info.get("Driver")) / "distribution" / "diffid-by-digest" / "sha256"
        self.name = ""
        self.kept: list[str] = []
        self.tried: list[str] = []
        self.seen = 0

    def free_bytes(self) -> int:
        """Free space where layers are stored."""
        places = [self.root, *([Path(CONTAINERD_ROOT)] if self.containerd else [])]
        return min(_free(place) for place in places if place.exists()) if self.root.exists() else _free(Path("/"))

    def required_bytes(self, compressed: int) -> int:
        """Space for layers of this many compressed bytes. The containerd store also keeps them compressed."""
        return int(compressed * (EXPANSION + (1 if self.containerd else 0)))

    def open(self, reference: str) -> None:
        """Look up what an earlier run kept of this image."""
        self.name = cache_name(reference)
        self.kept, self.tried, self.seen = [], [], 0
        with contextlib.suppress(DockerError, KeyError, TypeError):
            self.kept = list(self.docker.get(f"/images/{PARTIAL}:{self.name}/json")["RootFS"]["Layers"])

    def keep(self, layers: list[str]) -> bool:
        """Keep these finished layers as an image of their own, so that an interruption does not lose them.

        Needs the ids of the unpacked layers, which dockerd writes to files; keeps nothing if they cannot be found.
        """
        if self.containerd or len(layers) in (0, self.seen):
            return False
        # dockerd announces a finished layer a moment before it writes its id: the next event leads here again.
        found = [_only_text(self.layer_ids, layer) or "" for layer in layers]
        unpacked = list(itertools.takewhile(bool, found))
        self.seen = len(unpacked)
        # Layers that are kept already are announced one by one, too: fewer must not replace more.
        if unpacked in (self.tried, self.kept[: len(unpacked)]):
            return False
        self.tried = unpacked
        try:
            self.docker.request("POST", "/images/load?quiet=1", _image_without_layers(self.name, unpacked))
        except DockerError:
            return False
        self.kept = unpacked
        self.clear(but=f"{PARTIAL}:{self.name}")
        return True

    def clear(self, but: str | None = None) -> None:
        """Remove the images that ``keep`` made, except one. Layers of a complete image stay with that image."""
        query = urlencode({"all": 1, "filters": json.dumps({"label": [PARTIAL]})})
        with contextlib.suppress(DockerError):
            for image in self.docker.get(f"/images/json?{query}") or []:
                if but is None or but not in (image.get("RepoTags") or []):
                    with contextlib.suppress(DockerError):
                        self.docker.delete(f"/images/{image['Id']}?force=1")


def cache_name(reference: str) -> str:
    """The tag under which finished layers of an image are kept."""
    return hashlib.sha256(reference.encode()).hexdigest()[:12]


def _free(path: Path) -> int:
    usage = os.statvfs(path)
    return usage.f_bavail * usage.f_frsize


def _only_text(folder: Path, prefix: str) -> str | None:
    """The content of the only file whose name starts like this."""
    try:
        found = list(folder.glob(f"{prefix}*"))
        return found[0].read_text(encoding="ascii").strip() if len(found) == 1 else None
    except (OSError, ValueError):
        return None


def _image_without_layers(name: str, layers: list[str]) -> bytes:
    """What ``docker save`` writes, without the layers: dockerd has them and finds them by their ids."""
    config: Mapping[str, Any] = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Labels": {PARTIAL: name}},
        "rootfs": {"type": "layers", "diff_ids": layers},
        "history": [],
    }
    content = json.dumps(config).encode()
    file = f"{hashlib.sha256(content).hexdigest()}.json"
    tars = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = [{"Config": file, "RepoTags": [f"{PARTIAL}:{name}"], "Layers": tars}]
    return tar_archive({file: content, "manifest.json": json.dumps(manifest).encode()})
