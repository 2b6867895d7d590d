# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A host in a folder: files of the collection and of persons, for the tests of prune and remove."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import referrers
from ansible_collections.jetson.thor.plugins.module_utils.engine_trees import BUILD, ENVIRONMENT
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import MANIFEST
from ansible_collections.jetson.thor.plugins.module_utils.prune.needs import Needs
from ansible_collections.jetson.thor.plugins.module_utils.removable import Removable

# As they are before a test redirects them.
REFERRERS = referrers.REFERRERS
SERVICE: dict[str, Any] = {
    "name": "chat",
    "engine": "llama.cpp",
    "version": "0c1e570",
    "kind": "build",
    "image": None,
    "python_packages": [],
    "speculative": None,
    "model": {"path": "/models/Qwen/Qwen3-8B-GGUF", "file": "Qwen3-8B-Q5_K_M.gguf"},
    "files": [],
}


class HostTree:
    """What a host has below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, absolute: str) -> Path:
        """A path of the host."""
        return self.root / absolute.lstrip("/")

    def write(self, absolute: str, content: str = "x") -> Path:
        """A file."""
        path = self.path(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def tree(self, engine: str, name: str, *, kind: str = BUILD, current: str | None = None, age: int = 0) -> str:
        """A finished build or environment, so many days old; ``current``: the version whose link points to it."""
        place = f"/opt/thor/engines/{engine}/{name}"
        self.write(f"{place}/bin/program", "program" * 1000)
        record = self.write(f"{place}/{kind}", "{}")
        seconds = record.stat().st_mtime - age * 86400
        os.utime(record, (seconds, seconds))
        if current:
            self.path(f"/opt/thor/engines/{engine}/{current}").symlink_to(name)
        return place

    def environment(self, engine: str, name: str, **more: Any) -> str:
        """A finished Python environment."""
        return self.tree(engine, name, kind=ENVIRONMENT, **more)

    def unit(self, name: str, command: str) -> None:
        """A service with its configuration."""
        self.write(f"/etc/systemd/system/thor-{name}.service", f"# A service of jetson.thor: x\nExecStart={command}\n")
        self.write(f"/etc/thor/services/{name}.json", json.dumps({"port": 8000}))

    def model(self, path: str, *names: str, source: str = "hub", **more: Any) -> str:
        """A model as we fetch it, with its manifest."""
        files = {}
        for name in names or ("model.safetensors",):
            status = self.write(f"{path}/{name}", f"weights of {name}").stat()
            files[name] = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": "0" * 64}
            if source == "url":
                files[name] |= {"url": f"http://hub.test/{name}", "checksum": None}
        manifest = {
            "schema": 1,
            "source": source,
            "hub": "modelscope",
            "id": "a/b",
            "revision": "master",
            "include": ["*"],
        }
        self.write(f"{path}/{MANIFEST}", json.dumps({**manifest, **more, "files": files}))
        return path

    def needs(self, *services: dict[str, Any], keep: int = 0, pins: tuple[str, ...] = ()) -> Needs:
        """What is needed with these services in the inventory."""
        return Needs.of(self.root, services, keep, pins)


def named(found: Any) -> dict[str, str]:
    """The kinds of what was found, by names; of what is kept, the reason."""
    return {one.name: one.kind if isinstance(one, Removable) else one.why for one in found}
