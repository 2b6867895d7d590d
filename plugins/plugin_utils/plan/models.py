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
    bytes: int | None  # None where nobody knows it before the hub is asked; 0: nothing has to be fetched


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
        elif artifact["source"] == "hub":
            known["include"] = sorted({*known["include"], *artifact["include"]})
            known["exclude"] = sorted({*known["exclude"]} & {*artifact["exclude"]})
            known["sha256"] = {**known.get("sha256", {}), **artifact.get("sha256", {})}
    return list(merged.values()), problems


def missing(services: Sequence[Mapping[str, Any]], held: Mapping[str, Any], everything: bool = False) -> list[Fetch]:
    """What the host lacks; ``held`` is ``thor_host.models``. With ``everything``, also what is there, to verify its checksums."""
    sizes: dict[str, dict[str, int | None]] = {}
    for _name, artifact in _wanted(services):
        if absence(artifact, held.get(artifact["path"])):
            sizes.setdefault(_place(artifact), {})[artifact["key"]] = artifact["bytes"]
    found = []
    for artifact in merge(services)[0]:
        reason = absence(artifact, held.get(artifact["path"])) or ("verify checksums" if everything else "")
        if reason:
            found.append(Fetch(artifact, reason, _sum(sizes.get(_place(artifact), {}).values())))
    return found


def _sum(sizes: Iterable[int | None]) -> int | None:
    known = list(sizes)
    return None if None in known else sum(one for one in known if one is not None)


def absence(artifact: Mapping[str, Any], held: Mapping[str, Any] | None) -> str:
    """Why an artifact must be fetched, by what ``thor_host.models`` says about its directory; an empty text if it is there."""
    if held is None:
        return "not checked yet" if artifact["source"] == "local" else "absent"
    if not held["intact"]:
        return "changed on disk"
    if artifact["source"] == "local":
        return ""  # whose it is, and from where, is nobody's business here
    # Directories of earlier versions of this collection say modelscope.
    if {"modelscope": "hub"}.get(held["source"], held["source"]) != artifact["source"]:
        return "another source"
    if artifact["source"] == "url":
        pin = url_pin(artifact["file"], artifact["url"], artifact.get("checksum"))
        return "" if pin in (held["include"] or []) else "absent or another file"
    hub = held.get("hub") or "modelscope"
    if (hub, held["id"], held["revision"]) not in [
        (one["hub"], one["id"], one["revision"]) for one in artifact["sources"]
    ]:
        return f"another revision: {held['id']} at {held['revision']}"
    digest = lock_digest(artifact.get("sha256") or {})
    if digest and held.get("lock") != digest:
        return "other checksums pinned"  # the module compares file by file, which needs no network either
    complete = all(covers(held, pattern) for pattern in artifact["include"])
    return "" if complete and {*(held.get("exclude") or ())} <= {*artifact["exclude"]} else "more files wanted"


def _wanted(services: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for service in services:
        for artifact in (service["model"], *service["files"]):
            yield service["name"], artifact


def _place(artifact: Mapping[str, Any]) -> str:
    is_file = artifact["source"] != "hub" and artifact["file"]
    return f"{artifact['path']}/{artifact['file']}" if is_file else str(artifact["path"])


def _identity(artifact: Mapping[str, Any]) -> str:
    if artifact["source"] == "url":
        return f"{artifact['url']} ({artifact.get('checksum') or 'no checksum'})"
    if artifact["source"] == "local":
        return f"what is at {artifact['path']}"
    return " or ".join(f"{one['id']} at {one['revision']} of {one['hub']}" for one in artifact["sources"])
