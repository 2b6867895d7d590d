# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Models that persons have put on the device: what a host has to look at, and what is refused about them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import artifact_of


def local_models(extra: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The local ones of ``thor_extra_models``, as M(jetson.thor.host_facts) takes them."""
    found = {}
    for key, model in extra.items():
        if isinstance(model, Mapping) and isinstance(model.get("local"), str):
            artifact = artifact_of(str(key), model, {}, ())
            names = named(artifact.file, artifact.projector)
            found[place(artifact.path, names)] = {"path": artifact.path, "names": names}
    return [{"place": where, **one} for where, one in found.items()]


def named(file: str | None, projector: str | None) -> list[str]:
    """The files of a local model that are meant; none: the whole folder."""
    return [one for one in (file, projector) if one]


def place(path: str, names: Sequence[str]) -> str:
    """The one name of a local model: its folder, or the file that is meant (module_utils/models/local.py)."""
    return f"{path}/{names[0]}" if names else path


def place_of(artifact: Mapping[str, Any]) -> str:
    """The same of an artifact in ``thor_services``."""
    return place(artifact["path"], named(artifact["file"], artifact.get("projector")))


def absence(artifact: Mapping[str, Any], held: Mapping[str, Any] | None) -> str:
    """Why a local model must be read, by what ``thor_host.models`` says about its folder; an empty text if it is known."""
    state = ((held or {}).get("local") or {}).get(place_of(artifact))
    if state is None:
        # What the store has fetched itself is known, also by an earlier version of this collection.
        ours = held is not None and held["source"] in ("hub", "modelscope") and held["intact"]
        return "" if ours else "not checked yet"
    return "" if state else "changed on disk"


def problems(services: Iterable[Mapping[str, Any]], host: Mapping[str, Any]) -> Iterator[Problem]:
    """What the host has found in the models of these services, once each."""
    faults: Mapping[str, Sequence[Mapping[str, Any]]] = host.get("local_faults") or {}
    seen = set()
    for service in services:
        for artifact in (service["model"], *service["files"]):
            if artifact["source"] == "local" and (where := place_of(artifact)) not in seen:
                seen.add(where)
                for fault in faults.get(where, ()):
                    yield Problem(**{**fault, "variable": f"thor_extra_models[{artifact['key']!r}].local"})


def changed(service: Mapping[str, Any], models: Mapping[str, Any]) -> bool:
    """Whether somebody has changed a local model of a service since it was hashed; ``models`` is ``thor_host.models``."""
    return any(
        absence(one, models.get(one["path"])) == "changed on disk"
        for one in (service["model"], *service["files"])
        if one["source"] == "local"
    )
