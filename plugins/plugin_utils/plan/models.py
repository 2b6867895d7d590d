# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which models and files must be fetched to a host, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.model_origin import COMMIT
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import covers, lock_digest, url_pin
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import local_models

SLACK_BYTES = 16 * 1024 * 1024  # on top of twice an estimated size, for small files
LOOKED_UP = "its branch is looked up again"


@dataclass(frozen=True)
class Fetch:
    """One directory or file that must be fetched or checked."""

    artifact: Mapping[str, Any]
    reason: str
    bytes: int | None  # None where nobody knows it before the hub is asked; 0: nothing has to be fetched
    replaces: bool = False  # the directory has other files of this model, which services may be using


def merge(services: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[Problem]]:
    """What the services need on disk: each directory or file once, with every file that any service wants of it.

    The problems are pairs of artifacts that exclude each other (THOR-MODEL-CONFLICT).
    """
    merged: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for name, artifact in _wanted(services):
        place = _place(artifact)
        known = merged.setdefault(place, dict(artifact))
        sources = _shared_sources(known, artifact)
        if not sources and _identity(known) != _identity(artifact):
            reason = f"{place} would have to hold {_identity(known)} and {_identity(artifact)}."
            remedy = "Give both the same revision, or one of them another path; of hubs, the one may name some of the other's."
            problems.append(Problem("THOR-MODEL-CONFLICT", f"{name}.model", artifact["key"], reason, remedy))
        elif artifact["source"] == "hub":
            known["sources"] = sources
            known["include"] = sorted({*known["include"], *artifact["include"]})
            known["exclude"] = sorted({*known["exclude"]} & {*artifact["exclude"]})
            known["sha256"] = {**known.get("sha256", {}), **artifact.get("sha256", {})}
    return list(merged.values()), problems


def _shared_sources(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The hubs that both of two artifacts may come from, if the one names no others than the other does; else none.

    What both name is what satisfies both: files from another hub would be fetched again for the artifact that does not name it.
    """
    if one["source"] != "hub" or other["source"] != "hub":
        return []
    few, many = sorted((list(one["sources"]), list(other["sources"])), key=len)
    return few if all(source in many for source in few) else []


def missing(
    services: Sequence[Mapping[str, Any]], held: Mapping[str, Any], everything: bool = False, update: bool = False
) -> list[Fetch]:
    """What the host lacks; ``held`` is ``thor_host.models``. With ``everything``, also what is there, to verify its checksums.

    With ``update`` (``thor_update_models``) also models of a branch: whether it has moved is looked up.
    """
    sizes: dict[str, dict[str, int | None]] = {}
    for _name, artifact in _wanted(services):
        if artifact["source"] != "local" and absence(artifact, held.get(artifact["path"])):
            sizes.setdefault(_place(artifact), {})[artifact["key"]] = artifact["bytes"]
    found = []
    for artifact in merge(services)[0]:
        there = held.get(artifact["path"])
        reason = "" if waiting(artifact, there) else absence(artifact, there)
        replaces = bool(reason and there and artifact["source"] == there["source"] == "hub" and there["intact"])
        if not reason and update and not is_pinned(artifact):
            reason, replaces = LOOKED_UP, False
        reason = reason or ("verify checksums" if everything else "")
        if reason:
            found.append(Fetch(artifact, reason, _sum(sizes.get(_place(artifact), {}).values()), replaces))
    return found


def is_pinned(artifact: Mapping[str, Any]) -> bool:
    """Whether an artifact can only ever be the same: by a commit, by the lock, or because nobody fetches it."""
    if artifact["source"] != "hub":
        return True
    return bool(artifact.get("sha256")) or all(COMMIT.fullmatch(one["revision"]) for one in artifact["sources"])


def most_bytes(artifact: Mapping[str, Any]) -> int | None:
    """The size above which a file of a URL is refused; None if the catalog does not say how large it is."""
    size: int | None = artifact["bytes"]
    if not size:
        return None
    return size * 2 + SLACK_BYTES if artifact["estimated"] else size


def exchanges(
    services: Sequence[Mapping[str, Any]], held: Mapping[str, Any], update: bool = False
) -> list[dict[str, str]]:
    """The trees that wait beside their directories and that the switch has to put in place, as the module ``services`` takes them."""
    found = []
    for artifact in merge(services)[0]:
        there = held.get(artifact["path"])
        tree = waiting(artifact, there) or (_newer(artifact, there) if update else None)
        if tree:
            found.append({"path": str(artifact["path"]), "identity": str(tree["identity"])})
    return found


def waiting(artifact: Mapping[str, Any], there: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The tree beside a directory that has what the directory lacks."""
    if artifact["source"] != "hub" or there is None or not absence(artifact, there):
        return None
    return next((tree for tree in there.get("beside") or () if not absence(artifact, tree)), None)


def _newer(artifact: Mapping[str, Any], there: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The tree beside a directory that was fetched because its branch has moved since."""
    if artifact["source"] != "hub" or there is None or is_pinned(artifact):
        return None
    trees = [tree for tree in there.get("beside") or () if tree.get("supersedes") == there.get("identity")]
    return next((tree for tree in trees if tree["supersedes"] and not absence(artifact, tree)), None)


def _sum(sizes: Iterable[int | None]) -> int | None:
    known = list(sizes)
    return None if None in known else sum(one for one in known if one is not None)


def absence(artifact: Mapping[str, Any], held: Mapping[str, Any] | None) -> str:
    """Why an artifact must be fetched, by what ``thor_host.models`` says about its directory; an empty text if it is there."""
    if artifact["source"] == "local":
        return local_models.absence(artifact, held)
    if held is None:
        return "absent"
    if not held["intact"]:
        return "changed on disk"
    # Directories of earlier versions of this collection say modelscope.
    if {"modelscope": "hub"}.get(held["source"], held["source"]) != artifact["source"]:
        return "another source"
    if artifact["source"] == "url":
        pin = url_pin(artifact["file"], artifact["url"], artifact.get("checksum"))
        return "" if pin in (held["include"] or []) else "absent or another file"
    hub = held.get("hub") or "modelscope"
    # The commit counts as well: whoever pins what a branch had has it already.
    named = {(hub, held["id"], held["revision"]), (hub, held["id"], held.get("commit"))}
    if named.isdisjoint((one["hub"], one["id"], one["revision"]) for one in artifact["sources"]):
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
    if artifact["source"] == "local":
        return local_models.place_of(artifact)
    return str(artifact["path"]) if artifact["source"] == "hub" else f"{artifact['path']}/{artifact['file']}"


def _identity(artifact: Mapping[str, Any]) -> str:
    if artifact["source"] == "url":
        return f"{artifact['url']} ({artifact.get('checksum') or 'no checksum'})"
    if artifact["source"] == "local":
        return f"what is at {artifact['path']}"
    return " or ".join(f"{one['id']} at {one['revision']} of {one['hub']}" for one in artifact["sources"])
