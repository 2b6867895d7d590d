# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Resolve profiles with the catalog of the collection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import entries, files
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import Resolution, resolve

FILES = Path(__file__).resolve().parents[2] / "roles" / "catalog" / "files"
CODER = "qwen3-coder-30b-a3b-q5-k-m-llama-cpp"
CHAT = "qwen3-8b-q5-k-m-llama-cpp"


def run(*profiles: Any, extra: dict[str, Any] | None = None, **settings: Any) -> Resolution:
    """Resolve with the real catalog."""
    catalog, found = entries.build(files.files(str(FILES)), extra or {})
    catalog.flags = files.flags(str(FILES))
    resolution = resolve(Inputs(list(profiles), **settings), catalog)
    resolution.problems[:0] = found
    return resolution


def codes(resolution: Resolution) -> list[str]:
    """The codes of its problems."""
    return [problem.code for problem in resolution.problems]


def only(resolution: Resolution) -> Problem:
    """The one problem that it has."""
    assert len(resolution.problems) == 1, resolution.problems
    return resolution.problems[0]
