# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which models and files must be fetched to a host, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import covers, lock_digest, url_pin
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem


@dataclass(frozen=True)
class Fetch:
    """One directory or file that must be fetched or checked."""

    artifact: Mapping[str, Any]
    reason: str
    bytes: int


def merge(services: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[Problem]]:
    """What the services need on disk: each directory or file once, with every file that any service wants of it.

    The problems are pairs of artifacts that exclude each other (THOR-MODEL-CONFLICT).
    """
    merged: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for name, artifact in _wanted(services):
        place = _place(artifact)
        known = merged.setdefault(place, dict(artifact))
        if _identity(known) != _identity(artifact):
            reason = f"{place} would have to hold {_identity(known)} and {_identity(artifact)}."
            remedy = "Give both the same revision, or one of them another path."
            problems.append(Problem("THOR-MODEL-CONFLICT", f"{name}.model", artifact["key"], reason, remedy))
        elif artifact["source"] == "modelscope":
            known["include"] = sorted({*known["include"], *artifact["include"]})
            known["sha256"] = {**known.get("sha256", {}), **artifact.get("sha256", {})}
    return list(merged.values()), problems


def missing(services: Sequence[Mapping[str, Any]], held: Mapping[str, Any], everything: bool = False) -> list[Fetch]:
    """What the host lacks; ``held`` is ``thor_host.models``. With ``everything``, also what is there, to verify its checksums."""
    sizes: dict[str, dict[str, int]] = {}
    for _name, artifact in _wanted(services):
        if absence(artifact, held.get(artifact["path"])):
            sizes.setdefault(_place(artifact), {})[artifact["key"]] = artifact["bytes"]
    found = []
    for artifact in merge(services)[0]:
        reason = absence(artifact, held.get(artifact["path"])) or ("verify checksums" if everything else "")
        if reason:
            found.append(Fetch(artifact, reason, sum(sizes.get(_place(artifact), {}).values())))
    return found


def absence(artifact: Mapping[str, Any], held: Mapping[str, Any] | None) -> str:
    """Why an artifact must be fetched, by what ``thor_host.models`` says about its directory; an empty text if it is there."""
    if held is None:
        return "absent"
    if not held["intact"]:
        return "changed on disk"
    if held["source"] != artifact["source"]:
        return "another source"
    if artifact["source"] == "url":
        pin = url_pin(artifact["file"], artifact["url"], artifact.get("checksum"))
        return "" if pin in (held["include"] or []) else "absent or another file"
    if (held["id"], held["revision"]) != (artifact["id"], artifact["revision"]):
        return f"another revision: {held['id']} at {held['revision']}"
    digest = lock_digest(artifact.get("sha256") or {})
    if digest and held.get("lock") != digest:
        return "other checksums pinned"  # the module compares file by file, which needs no network either
    return "" if all(covers(held, pattern) for pattern in artifact["include"]) else "more files wanted"


def _wanted(services: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for service in services:
        for artifact in (service["model"], *service["files"]):
            yield service["name"], artifact


def _place(artifact: Mapping[str, Any]) -> str:
    return str(artifact["path"]) if artifact["source"] == "modelscope" else f"{artifact['path']}/{artifact['file']}"


def _identity(artifact: Mapping[str, Any]) -> str:
    if artifact["source"] == "url":
        return f"{artifact['url']} ({artifact.get('checksum') or 'no checksum'})"
    return f"{artifact['id']} at {artifact['revision']}"
