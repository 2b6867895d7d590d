# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The collection's own catalog, and how tests resolve profiles with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import entries, files
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.catalog import Catalog
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import Resolution, resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service

FILES = Path(__file__).resolve().parents[2] / "roles" / "catalog" / "files"
CODER = "qwen3-coder-30b-a3b-q5-k-m-llama-cpp"
CHAT = "qwen3-8b-q5-k-m-llama-cpp"


def load(extra: Mapping[str, Any] | None = None) -> tuple[Catalog, list[Problem]]:
    """The catalog with an inventory's entries, and what is wrong with them."""
    catalog, problems = entries.build(files.files(str(FILES)), extra or {})
    catalog.flags = files.flags(str(FILES))
    catalog.architectures = files.architectures(str(FILES))
    catalog.transformers = files.architectures(str(FILES), "transformers")
    catalog.locks = files.locks(str(FILES))
    return catalog, problems


BUILT_IN, _PROBLEMS = load()
assert _PROBLEMS == []


def run(*profiles: Any, extra: Mapping[str, Any] | None = None, **settings: Any) -> Resolution:
    """Resolve with the real catalog and an inventory's own entries."""
    catalog, problems = load(extra)
    resolution = resolve(Inputs(list(profiles), **settings), catalog)
    return Resolution(resolution.services, [*problems, *resolution.problems])


def codes(resolution: Resolution) -> list[str]:
    """The codes of its problems."""
    return [problem.code for problem in resolution.problems]


def only(resolution: Resolution) -> Problem:
    """Its only problem."""
    assert len(resolution.problems) == 1, resolution.problems
    return resolution.problems[0]


def argument(service: Service, option: str) -> str | None:
    """The argument after an option of a service's command; None where it is not there."""
    words = dict(zip(service.argv, [*service.argv[1:], ""], strict=True))
    return words.get(f"--{option}")
