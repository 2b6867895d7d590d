# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The files of a catalog model: where they come from, where they go, which they are and how large."""

from __future__ import annotations

import glob
import posixpath
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models import hubs, split
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import (
    AnyArtifact,
    HubArtifact,
    HubSource,
    LocalArtifact,
    UrlArtifact,
)

MODELS_ROOT = "/models"
# The hubs, each with the branch that it calls its own where nobody names a revision.
HUBS: Mapping[str, str] = {name: hub.branch for name, hub in hubs.HUBS.items()}
# The keys that say where a model comes from.
SOURCES = (*HUBS, "local", "url")
# Local paths that are one file; any other is a folder.
FILE_SUFFIXES = (".gguf", ".bin", ".safetensors", ".jinja", ".pt")


def artifact_of(key: str, model: Mapping[str, Any], lock: Mapping[str, Any], asked: Sequence[str]) -> AnyArtifact:
    """The files of one model. Revision, sizes and checksums come from the lock where it knows them.

    ``asked`` are the hubs that may be asked, in their order (``thor_hubs``).
    """
    common: dict[str, Any] = {name: model.get(name) for name in ("file", "projector", "precision", "active_bytes")}
    common["key"] = key
    if model.get("local"):
        return _local(model, common)
    if model.get("url"):
        return _url(key, model, common, lock)
    return _hub(key, model, common, lock, asked)


def with_geometry(key: str, model: Mapping[str, Any], lock: Mapping[str, Any]) -> dict[str, Any]:
    """A model with the geometry that script/lock has read, where nobody has written one."""
    geometry = _locked(key, model, lock).get("geometry")
    return {**model, "geometry": geometry} if geometry and not model.get("geometry") else dict(model)


def _locked(key: str, model: Mapping[str, Any], lock: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the lock has of a model from a hub; nothing for an inventory's own source under a name of the catalog."""
    locked: Mapping[str, Any] = (lock.get("models") or {}).get(key) or {}
    named = {hub: one["id"] for hub, one in (locked.get("hubs") or {}).items() if model.get(hub)}
    return locked if named and all(model[hub] == one for hub, one in named.items()) else {}


def _files_of(locked: Mapping[str, Any], hub: str) -> dict[str, Mapping[str, Any]]:
    """The locked files of a model (script/model_lock.py has the shape): size, and the sha256 with which it is pinned, if any.

    A file in which the hubs differ counts as ``hub`` has it, and has no pin: each hub may deliver its own. Code is pinned all the same, so
    that only this hub can deliver it.
    """
    files: dict[str, Mapping[str, Any]] = {}
    for path, one in (locked.get("files") or {}).items():
        here = one["differs"].get(hub) if "differs" in one else one
        if here is not None:
            pin = here.get("sha256") if "differs" not in one or path.endswith(".py") else None
            files[path] = {"size": here["size"], "sha256": pin}
    return files


def file_of(model: Mapping[str, Any]) -> str | None:
    """The one file with which an engine is started; None where the model does not name it."""
    local, file = model.get("local"), model.get("file")
    if not file and local and local.endswith(FILE_SUFFIXES):
        return str(posixpath.basename(local))
    return str(file) if file else None


def _local(model: Mapping[str, Any], common: Mapping[str, Any]) -> LocalArtifact:
    path, file = posixpath.normpath(model["local"]), file_of(model)
    if path.endswith(FILE_SUFFIXES):
        path = posixpath.dirname(path)
    size = model.get("bytes")
    estimated = size is not None and model.get("estimated", False)
    return LocalArtifact(**{**common, "file": file}, source="local", path=path, bytes=size, estimated=estimated)


def _url(key: str, model: Mapping[str, Any], common: Mapping[str, Any], lock: Mapping[str, Any]) -> UrlArtifact:
    locked: Mapping[str, Any] = (lock.get("files") or {}).get(key) or {}
    if locked.get("url") != model["url"]:
        locked = {}  # an inventory's own source under a name of the catalog
    size = locked.get("bytes", model.get("bytes"))
    return UrlArtifact(
        **common,
        source="url",
        url=model["url"],
        path=f"{MODELS_ROOT}/{model['path']}",
        checksum=model.get("checksum") or locked.get("checksum"),
        bytes=size,
        estimated=size is not None and "bytes" not in locked and model.get("estimated", False),
    )


def _hub(
    key: str, model: Mapping[str, Any], common: Mapping[str, Any], lock: Mapping[str, Any], asked: Sequence[str]
) -> HubArtifact:
    locked = _locked(key, model, lock)
    include, exclude = included(model), tuple(model.get("exclude") or ())
    sources = sources_of(model, locked, asked)
    files = {
        path: one
        for path, one in _files_of(locked, sources[0].hub).items()
        if is_included(path, include) and not is_included(path, exclude)
    }
    size = sum(one["size"] for one in files.values()) if files else model.get("bytes")
    return HubArtifact(
        **common,
        source="hub",
        sources=sources,
        include=include,
        exclude=exclude,
        path=f"{MODELS_ROOT}/{folder_of(model)}",
        bytes=size,
        estimated=size is not None and not files and model.get("estimated", False),
        sha256={path: one["sha256"] for path, one in files.items() if one.get("sha256")},
    )


def sources_of(model: Mapping[str, Any], locked: Mapping[str, Any], asked: Sequence[str]) -> tuple[HubSource, ...]:
    """The hubs of a model in the order in which they are asked; all of its own where none of them may be asked, which is refused."""
    named = [hub for hub in asked if model.get(hub)] or [hub for hub in HUBS if model.get(hub)]
    revision = model.get("revision")
    wanted = revision if isinstance(revision, Mapping) else dict.fromkeys(HUBS, revision)
    pinned = {hub: one.get("revision") for hub, one in (locked.get("hubs") or {}).items()}
    return tuple(
        HubSource(hub=hub, id=model[hub], revision=pinned.get(hub) or wanted.get(hub) or HUBS[hub]) for hub in named
    )


def folder_of(model: Mapping[str, Any]) -> str:
    """The folder below /models of a model from a hub: its own choice, or else what its hub calls it."""
    folder: str = model.get("path") or model.get("huggingface") or model["modelscope"]
    return folder


def name_of(model: Mapping[str, Any]) -> str:
    """What a model is called where nobody has given it a name: the last part of its id, or its file's or folder's name."""
    if model.get("local") or model.get("url"):
        last = posixpath.basename(model.get("file") or posixpath.normpath(model.get("local") or model["url"]))
        return str(posixpath.splitext(last)[0] if last.endswith(FILE_SUFFIXES) else last)
    return str(posixpath.basename(model.get("huggingface") or model["modelscope"]))


def included(model: Mapping[str, Any]) -> tuple[str, ...]:
    """The patterns of the files that are fetched: those that are named, or else the file with which the engine is started."""
    if model.get("include"):
        return tuple(model["include"])
    if not model.get("file"):
        return ("*",)
    named = [model["file"], *([model["projector"]] if model.get("projector") else [])]
    return tuple(_with_parts(one) for one in named)


def _with_parts(file: str) -> str:
    """A file as a pattern, which matches every part of a GGUF that was split."""
    found = split.PART.fullmatch(file)
    if found is None:
        return glob.escape(file)
    return f"{glob.escape(found['stem'])}-?????-of-{found['count']}.gguf"


def has_file(artifact: AnyArtifact, path: str) -> bool:
    """Whether a path on the device is a file of the artifact."""
    inside = path.removeprefix(f"{artifact.path}/")
    if inside == path:
        return False
    if isinstance(artifact, HubArtifact):
        return is_included(inside, artifact.include) and not is_included(inside, artifact.exclude)
    # Which files a folder of somebody else's holds is not known here.
    return inside in (artifact.file, artifact.projector) or (isinstance(artifact, LocalArtifact) and not artifact.file)


def is_included(path: str, include: Sequence[str]) -> bool:
    """Whether one of the patterns matches the path of a file."""
    return any(fnmatchcase(path, pattern) for pattern in include)
