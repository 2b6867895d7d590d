# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Remove environments that no service needs and nothing names, and what interrupted jobs left."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import engine_trees, referrers, trees
from ansible_collections.jetson.thor.plugins.module_utils.environments import finished


def named() -> str:
    """The text of all files that may name an environment."""
    return "\n".join(referrers.texts().values())


def unused(engines: Path, engine: str, keep: Iterable[str], texts: str) -> list[Path]:
    """The environments of an engine that are neither current for a version in ``keep`` nor named by a file (engine_trees.py).

    Trees without an environment's record, such as builds, do not count.
    """
    return engine_trees.unused(engines / engine, set(keep), texts, (finished.NAME,))


def remove(environments: Iterable[Path]) -> list[str]:
    """Remove environments and the links to them; returns their paths. First the links go."""
    removed = []
    for tree in environments:
        for link in tree.parent.glob("*"):
            if link.is_symlink() and os.readlink(link) == tree.name:
                link.unlink()
        trees.remove(tree)
        removed.append(str(tree))
    return removed


def leftovers(engines: Path, state: Path, engine: str, version: str, fingerprint: str) -> list[Path]:
    """What interrupted jobs left of other environments of the same version: no other job works on these at the same time."""
    ours = f"{version}-{fingerprint}"
    beside = [*(engines / engine).glob(f".{version}-*.partial"), *(engines / engine).glob(f".{version}-*.removed")]
    caches = [*(state / "uv").glob(f"{engine}-{version}-*")]
    others = [path for path in (*beside, *caches) if ours not in path.name]
    return [*others, *(state / "uv").glob(f".{engine}-{version}-*.removed")]
