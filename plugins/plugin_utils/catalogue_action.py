# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How an action reads the catalogue's files on the controller."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import catalogue


@cache
def files(folder: str) -> dict[str, Any]:
    """The catalogue's own data; read once per worker, whatever the number of hosts."""
    return catalogue.load(Path(folder))


@cache
def flags(folder: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Every stored list of an engine's options, by engine and version."""
    lists: dict[tuple[str, str], dict[str, Any]] = {}
    for path in sorted(Path(folder, "flags").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        lists[content["engine"], content["version"]] = content["options"]
    return lists
