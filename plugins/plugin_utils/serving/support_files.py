# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The files that all services of a host share: the supervisor, and what it needs of systemd."""

from __future__ import annotations

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
    sources, plugins = ROOT / "roles" / "serving" / "files", ROOT / "plugins"
    package = sources / "supervisor"
    supervisor = {
        # Makes it a package of its own, whatever the host's Python has under that name.
        f"{COLLECTION}/__init__.py": "",
        **{f"{MODULE_UTILS}/{name}": _text(plugins / "module_utils" / name) for name in SHARED},
        **{str(path.relative_to(package)): _text(path) for path in sorted(package.glob("*/*.py"))},
        "__main__.py": _text(package / "__main__.py"),
    }
    return (
        *(File(f"{SUPERVISOR}/{name}", content) for name, content in supervisor.items()),
        *(File(f"{folder}/{name}", _text(sources / name)) for name, folder in SYSTEM.items()),
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
