# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Remove environments that no service needs and nothing names, and what interrupted jobs left."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils.environments import finished, trees

# What may name an environment of ours: units, their configuration, and what a host would roll back to.
REFERRERS = (
    (Path("/etc/systemd/system"), "thor-*.service"),
    (Path("/etc/systemd/system"), "thor-*.service.d/*.conf"),
    (Path("/etc/thor/services"), "*.json"),
    (Path("/var/lib/thor"), "before.json"),
)


def named() -> str:
    """The text of all files that may name an environment."""
    texts = []
    for folder, pattern in REFERRERS:
        for path in sorted(folder.glob(pattern)):
            with contextlib.suppress(OSError):
                texts.append(path.read_text(encoding="utf-8", errors="replace"))
    return "\n".join(texts)


def unused(engines: Path, engine: str, keep: Iterable[str], texts: str) -> list[Path]:
    """The environments of an engine that are neither current for a version in ``keep`` nor named by a file.

    A unit may name an environment by its own name or by its version's link. Trees without a record, such as builds, are not ours.
    """
    folder = engines / engine
    links = {link: os.readlink(link) for link in folder.glob("*") if link.is_symlink()}
    kept = {target for link, target in links.items() if link.name in set(keep) or _names(texts, link)}
    trees = [path.parent for path in sorted(folder.glob(f"*/{finished.NAME}")) if not path.parent.is_symlink()]
    return [
        tree for tree in trees if tree.name not in kept and not tree.name.startswith(".") and not _names(texts, tree)
    ]


def _names(texts: str, path: Path) -> bool:
    """Whether a path stands in the texts, as a whole or as the beginning of another."""
    return any(f"{path}{end}" in texts for end in ("/", '"', " ", "\n", "'", ":"))


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
    return [path for path in (*beside, *caches) if ours not in path.name]
