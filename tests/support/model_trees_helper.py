# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Directories of models with a manifest, for tests of what is exchanged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils.model_trees import MANIFEST, Trees


def make(folder: Path, files: Mapping[str, str], **manifest: str | None) -> Path:
    """A tree with these files, as a fetch leaves it."""
    folder.mkdir(parents=True)
    records = {}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
        status = (folder / name).stat()
        records[name] = {
            "size": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "sha256": hashlib.sha256(content.encode()).hexdigest(),
            "trusted": "hub",
        }
    origin = {"source": "hub", "hub": "huggingface", "id": "org/name", "revision": "main", "commit": "a" * 40}
    whole = {"schema": 1, **origin, **manifest, "include": ["*"], "lock": "", "files": records}
    (folder / MANIFEST).write_text(json.dumps(whole))
    return folder


def served(root: Path, path: str, content: str) -> str:
    """A directory with a model of one file; its identity."""
    make(root / path.lstrip("/"), {"model.bin": content})
    return Trees(root).current(path) or ""


def prepared(root: Path, path: str, content: str) -> str:
    """A new revision that waits beside it; its identity."""
    return Trees(root).put(make(root / "staged" / content, {"model.bin": content}), path)


def content(root: Path, path: str) -> str | None:
    """What is in the model's file now."""
    file = root / path.lstrip("/") / "model.bin"
    return file.read_text() if file.is_file() else None
