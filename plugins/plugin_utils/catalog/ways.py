# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The ways to install a service's engine, for comparison: one for each kind of version that the engine has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import engine_version, images, package_locks
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.kinds import IMAGE, KEYS, PACKAGES, kind_of
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Source, Way

# The platform of a Thor with JetPack 7, which is Ubuntu 24.04 with Python 3.12.
PLATFORM = "cp312-aarch64"
# Bytes on disk for each byte of Python packages that is fetched. The 4.4 GB of vLLM 0.33.0 for aarch64 were seen to take 8.6 GB, to which
# Python's compiled files are added.
UNPACKED = 2.3


def ways_of(draft: Draft) -> tuple[Way, ...]:
    """The chosen version, and of each other kind the newest version that is not known to be broken; none if there is one kind."""
    kinds: dict[str, list[str]] = {}
    for version in draft.engine["versions"]:
        kinds.setdefault(kind_of(draft.engine, version), []).append(version)
    if len(kinds) < 2 or not draft.is_version_known:
        return ()
    others = {kind: [_with(draft, version, kind) for version in kinds[kind]] for kind in KEYS if kind in kinds}
    return tuple(_way(draft if kind == draft.kind else max(found, key=_merit)) for kind, found in others.items())


def _with(draft: Draft, version: str, kind: str) -> Draft:
    """The same service with another version of its engine."""
    return replace(draft, version=version, kind=kind, known=draft.engine["versions"][version])


def _merit(draft: Draft) -> tuple[bool, tuple[Any, ...]]:
    real = draft.known.get("engine_version")
    return draft.status.state != "broken", engine_version.key(real) if real else ()


def _way(draft: Draft) -> Way:
    known, kind = draft.known, draft.kind
    way = Way(
        kind=kind,
        version=draft.version,
        engine_version=known.get("engine_version"),
        state=draft.status.state,
        origin=images.reference_of(draft) or known.get("packages") or _address(draft),
    )
    if kind == IMAGE:
        image: Mapping[str, Any] = draft.engine.get("image") or {}
        return replace(
            way,
            download_bytes=known.get("download_bytes", image.get("download_bytes")),
            estimated="download_bytes" not in known,
            disk_bytes=known.get("image_bytes", image.get("bytes")),
        )
    if kind == PACKAGES:
        locks = package_locks.summaries(known["packages"], draft.catalog.locks)
        lock = locks.get(PLATFORM) or next(iter(locks.values()), None)
        size = lock.bytes if lock else None
        return replace(
            way,
            download_bytes=size,
            disk_bytes=round(size * UNPACKED) if size else None,
            packages=lock.packages if lock else None,
        )
    return way


def _address(draft: Draft) -> str:
    source = Source.of(draft.engine, draft.known)
    return source.archive or source.git or ""
