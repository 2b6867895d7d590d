# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What models say of themselves: from the host's disk, or from a look at them before they are fetched (module model_look). Pure.

Only a model of which the catalog leaves something open (catalog/described.py) needs it. For such a model it is the same before and after
the fetch, so that the second run of a playbook changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.about import About
from ansible_collections.jetson.thor.plugins.module_utils.models.plan import kept_commit
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import artifact_of
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.catalog import Catalog
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.described import is_needed
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import AnyArtifact, Service
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import models

# What identifies the files of a model.
_IDENTITY = ("source", "sources", "include", "exclude", "path", "file", "projector", "url", "checksum")
_LOOK = ("key", "source", "sources", "include", "exclude", "path", "file", "projector", "url")


def known(
    catalog: Catalog, hubs: Iterable[str], held: Mapping[str, Any], seen: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """By key of a model that needs it: ``about``, as facts, and ``bytes`` of its files.

    ``held`` is ``thor_host.models``, ``seen`` what model_look returned in this run, which goes first: what is on disk was looked at
    because its branch is followed.
    """
    found: dict[str, dict[str, Any]] = {}
    for key, model in catalog.models.items():
        artifact = artifact_of(key, model, catalog.lock, list(hubs))
        if is_needed(model, artifact):
            one = _seen(artifact, seen) or _on_disk(artifact, held)
            if one:
                about = About.from_facts(one["about"]).as_far_as(_is_whole(model))
                found[key] = {**one, "about": about.with_projector(artifact.projector).to_facts()}
    return found


def with_bytes(model: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, Any]:
    """The model with the size of its files where nobody has written it."""
    return {**model, "bytes": found["bytes"]} if found and model.get("bytes") is None else dict(model)


def problems(services: Iterable[Service], seen: Mapping[str, Any]) -> list[Problem]:
    """Models of these services that could not be looked at."""
    found: dict[str, Problem] = {}
    for service in services:
        for artifact in models_of(service):
            one = seen.get(artifact.key) or {}
            if one.get("problem") and one["identity"] == _identity(artifact):
                problem = Problem(**one["problem"])
                where = f"thor_services[{service.name!r}] ({artifact.key}) {problem.variable}"
                found.setdefault(artifact.key, replace(problem, variable=where))
    return list(found.values())


def models_of(service: Service) -> list[AnyArtifact]:
    """The models of a service: its own, the one that drafts for it, its adapters."""
    drafts = {service.speculative.model.key} if service.speculative and service.speculative.model else set()
    keys = drafts | {lora.key for lora in service.loras}
    return [service.model, *(one for one in service.files if one.key in keys)]


def looks(
    services: Iterable[Service],
    catalog: Catalog,
    held: Mapping[str, Any],
    seen: Mapping[str, Any],
    update: bool = False,
) -> list[dict[str, Any]]:
    """The models that have to be looked at before it can be said what these services need, as model_look takes them.

    ``held`` and ``seen`` as in ``known``. With ``update`` (``thor_update_models``) also those on disk whose branch is followed. Without
    it, a directory that has to be completed is looked at as it will be fetched: at the commit that it has.
    """
    wanted: dict[str, dict[str, Any]] = {}
    for service in services:
        for artifact in models_of(service):
            model, facts = catalog.models[artifact.key], asdict(artifact)
            is_followed = update and not models.is_pinned(facts)
            is_there = not is_followed and _on_disk(artifact, held) is not None
            if artifact.key in seen or is_there or not is_needed(model, artifact):
                continue
            given = {key: facts[key] for key in _LOOK if facts.get(key) is not None}
            if facts["source"] == "hub":
                asked = {"sources": facts["sources"], "update": update}
                given["sources"] = kept_commit(held.get(artifact.path), asked)
            wanted[artifact.key] = {**given, "identity": _identity(artifact), "whole": _is_whole(model)}
    return list(wanted.values())


def sources(services: Iterable[Service], seen: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """By path of a model that was looked at: its hubs, first the one that was asked, with the commit that it named.

    What is fetched is then what was looked at, even if the branch moves in between.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for service in services:
        for artifact in models_of(service):
            one, facts = seen.get(artifact.key) or {}, asdict(artifact)
            if one.get("commit") and one["identity"] == _identity(artifact):
                origin = {key: one[key] for key in ("hub", "id", "revision")}
                others = [source for source in facts["sources"] if source != origin]
                found[artifact.path] = [{**origin, "commit": one["commit"]}, *others]
    return found


def _is_whole(model: Mapping[str, Any]) -> bool:
    """Whether the whole header of a GGUF file is wanted, which has the template, and not only what gives its geometry."""
    return not model.get("geometry") or model.get("thinking") is None


def _on_disk(artifact: AnyArtifact, held: Mapping[str, Any]) -> dict[str, Any] | None:
    facts, there = asdict(artifact), held.get(artifact.path)
    entry = models.waiting(facts, there) or there
    if entry is None or "about" not in entry or models.absence(facts, entry):
        return None
    about = entry["about"].get(artifact.file or "")
    if about is None:
        if artifact.file and artifact.file.endswith(".gguf"):
            return None  # one of more files than are read (kept_about.py), or one that no engine is started with
        # Files of no format that is read.
        about = About(weights_bytes=entry["bytes"]).to_facts()
    return {"about": about, "bytes": entry["bytes"]}


def _seen(artifact: AnyArtifact, seen: Mapping[str, Any]) -> dict[str, Any] | None:
    one = seen.get(artifact.key)
    if one is None or "about" not in one or one["identity"] != _identity(artifact):
        return None
    return {"about": one["about"], "bytes": one["bytes"]}


def _identity(artifact: AnyArtifact) -> str:
    facts = asdict(artifact)
    return json.dumps([facts.get(key) for key in _IDENTITY])
