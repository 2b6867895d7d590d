# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Models as people write them: where one comes from, what goes together, and keys of earlier versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import (
    FILE_SUFFIXES,
    HUBS,
    SOURCES,
    included,
    is_included,
)

# Keys that were replaced: a model now names its source by key.
RETIRED = ("source", "id")
# What a model from another place needs not share with the catalog's entry of its name.
OF_SOURCE = (
    "revision",
    "include",
    "exclude",
    "path",
    "file",
    "projector",
    "checksum",
    "bytes",
    "estimated",
    "unpinned",
)
# Keys that only models of some sources have.
ONLY = {
    "revision": HUBS,
    "include": HUBS,
    "exclude": HUBS,
    "checksum": ("url",),
    "path": (*HUBS, "url"),
}


def base_for(base: Mapping[str, Any], own: Any) -> Mapping[str, Any]:
    """The catalog's entry that an inventory's is laid over: without its sources, where the inventory names others.

    Two hubs in one entry mean the same files on both. That holds for what one person has written, not for two entries together.
    """
    named = {one for one in SOURCES if isinstance(own, Mapping) and own.get(one)}
    there = {one for one in SOURCES if base.get(one)}
    if not named or not there:
        return base
    gone = there - named
    if not there & named:  # from elsewhere
        gone |= {"revision"} if there & set(HUBS) and named & set(HUBS) else set(OF_SOURCE)
    kept = {key: one for key, one in base.items() if key not in gone}
    if isinstance(kept.get("revision"), Mapping):
        kept["revision"] = {hub: one for hub, one in kept["revision"].items() if hub not in gone}
    return kept


def retired(entry: Any, place: str) -> list[Problem]:
    """Keys of earlier versions, with what is written instead."""
    if not isinstance(entry, Mapping) or not any(key in entry for key in RETIRED):
        return []
    key = next(key for key in RETIRED if key in entry)
    identity = entry.get("id")
    instead = f"modelscope: {identity if isinstance(identity, str) else 'OWNER/NAME'}"
    if entry.get("url"):
        instead = "url alone: it says that the file comes from there"
    reason = "The keys source and id are gone: a model names where it comes from by key (huggingface, modelscope, local, url)."
    return [Problem("THOR-KEY-UNKNOWN", f"{place}.{key}", entry[key], reason, f"Write {instead}.")]


def problems(entry: Mapping[str, Any], place: str) -> list[Problem]:
    """What is wrong with a model whose single keys are all valid."""
    named = [one for one in SOURCES if entry.get(one)]
    if not named:
        reason = "Nothing says where the model comes from."
        remedy = "Name a hub (huggingface: OWNER/NAME, modelscope: OWNER/NAME), or local, or url."
        return [Problem("THOR-KEY-MISSING", place, None, reason, remedy)]
    alone = [one for one in named if one not in HUBS]
    if alone and len(named) > 1:
        reason = f"It has {' and '.join(named)}, but a model with {alone[0]} comes from there alone."
        return [Problem("THOR-VALUE-INVALID", f"{place}.{alone[0]}", entry[alone[0]], reason, "Remove the others.")]
    foreign = [key for key, sources in ONLY.items() if entry.get(key) and not set(named) & set(sources)]
    if foreign:
        reason = f"A model with {named[0]} has no {foreign[0]}."
        return [Problem("THOR-VALUE-INVALID", f"{place}.{foreign[0]}", entry[foreign[0]], reason, "Remove it.")]
    if named == ["url"]:
        return [
            Problem("THOR-KEY-MISSING", f"{place}.{key}", None, "An entry of this kind needs this key.", "Add it.")
            for key in ("path", "file")
            if not entry.get(key)
        ]
    if named == ["local"]:
        return _local(entry, place)
    return _revisions(entry, named, place) or _patterns(entry, place) or _outside(entry, place)


def _local(entry: Mapping[str, Any], place: str) -> list[Problem]:
    """A file inside a file."""
    if not entry.get("file") or not entry["local"].endswith(FILE_SUFFIXES):
        return []
    reason = f"{entry['local']} is one file already."
    return [
        Problem(
            "THOR-VALUE-INVALID", f"{place}.file", entry["file"], reason, "Name the folder in local, or remove file."
        )
    ]


def _revisions(entry: Mapping[str, Any], named: list[str], place: str) -> list[Problem]:
    """Revisions of hubs that the model does not name."""
    revision = entry.get("revision")
    if not isinstance(revision, Mapping):
        return []
    reason, remedy = "The model does not name this hub.", "Remove it, or name the model's id there ({}: OWNER/NAME)."
    return [
        Problem("THOR-VALUE-INVALID", f"{place}.revision.{hub}", one, reason, remedy.format(hub))
        for hub, one in revision.items()
        if hub not in named
    ]


def _patterns(entry: Mapping[str, Any], place: str) -> list[Problem]:
    """Patterns where the engine is given the name of a file as it stands."""
    reason = "It is a pattern, and the engine is started with one file."
    remedy = (
        "Write the file's name as the repository lists it (of a split GGUF, its first part); include takes patterns."
    )
    return [
        Problem("THOR-VALUE-INVALID", f"{place}.{key}", entry[key], reason, remedy)
        for key in ("file", "projector")
        if "*" in (entry.get(key) or "") or "?" in (entry.get(key) or "")
    ]


def _outside(entry: Mapping[str, Any], place: str) -> list[Problem]:
    """Files that the engine is started with although they are not fetched."""
    found = []
    for key in ("file", "projector"):
        name = entry.get(key)
        if not name:
            continue
        if not is_included(name, included(entry)):
            reason, remedy = "None of the patterns in include matches it, so it is not fetched.", "Add it to include."
            found.append(Problem("THOR-VALUE-INVALID", f"{place}.{key}", name, reason, remedy))
        elif is_included(name, entry.get("exclude") or ()):
            reason, remedy = "A pattern in exclude matches it, so it is not fetched.", "Correct exclude."
            found.append(Problem("THOR-VALUE-INVALID", f"{place}.{key}", name, reason, remedy))
    return found
