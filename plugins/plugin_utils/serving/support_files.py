# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The files that all services of a host share: the supervisor, and what it needs of systemd."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import UNITS, File

ROOT = Path(__file__).resolve().parents[3]
SUPERVISOR = "/opt/thor/supervisor"
COLLECTION = "ansible_collections"
MODULE_UTILS = f"{COLLECTION}/jetson/thor/plugins/module_utils"
# What the supervisor imports of the device's code, under the names that it has here.
CLIENTS = ("api.py", "chat.py", "embedding.py", "rerank.py", "transcription.py", "smallest_request.py")
SHARED = (
    *("files.py", "bounded.py", "docker_api.py", "systemd.py", "services/gpu_evidence.py"),
    *(f"clients/{name}" for name in CLIENTS),
)
SYSTEM = {
    "thor.conf": "/etc/tmpfiles.d",
    "thor.target": f"/{UNITS}",
    "thor-drop-caches.socket": f"/{UNITS}",
    "thor-drop-caches@.service": f"/{UNITS}",
}


@cache
def support_files() -> tuple[File, ...]:
    """The files in the order in which a host gets them: each one after what it needs."""
    sources = ROOT / "roles" / "serving" / "files"
    return (
        *device_program(SUPERVISOR, sources / "supervisor", SHARED),
        *(File(f"{folder}/{name}", text(sources / name)) for name, folder in SYSTEM.items()),
    )


def device_program(folder: str, sources: Path, shared: Iterable[str]) -> tuple[File, ...]:
    """A program of ours that a device runs from a folder: its own files, and those of module_utils that it imports."""
    contents = {
        # Makes it a package of its own, whatever the host's Python has under that name.
        f"{COLLECTION}/__init__.py": "",
        **{f"{MODULE_UTILS}/{name}": text(ROOT / "plugins" / "module_utils" / name) for name in shared},
        **{str(path.relative_to(sources)): text(path) for path in sorted(sources.glob("*/*.py"))},
        "__main__.py": text(sources / "__main__.py"),
    }
    return tuple(File(f"{folder}/{name}", content) for name, content in contents.items())


def text(path: Path) -> str:
    """A file of the collection."""
    return path.read_text(encoding="utf-8")
