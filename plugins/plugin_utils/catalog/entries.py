# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The catalog: engines, models and profiles as data, merged with a person's own entries and checked key by key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, is_secret, nearest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import options as option_list
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import own_entries, shapes
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.catalog import Catalog
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.schema import NOUNS
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.shapes import (
    check,
    check_name,
    described,
    shown,
)


def merge(base: Any, extra: Any) -> Any:
    """``extra`` laid over ``base``: mappings are merged key by key, anything else is replaced."""
    if isinstance(base, Mapping) and isinstance(extra, Mapping):
        return {**base, **{key: merge(base.get(key), value) for key, value in extra.items()}}
    return extra


def build(
    data: Mapping[str, Any], extra: Mapping[str, Any], in_doubt: Collection[str] = ()
) -> tuple[Catalog, list[Problem]]:
    """Merge a person's entries (``{"engines": {...}, ...}``) over the catalog's and check every entry.

    ``in_doubt``: nouns of which a person has entries that could not be read, which is told already.

    An entry with a problem is left out, so that what refers to it says that it is unknown instead of failing.
    """
    catalog = Catalog(lock=dict(data.get("lock") or {}), refused_nouns=set(in_doubt))
    problems: list[Problem] = []
    for noun, spec in NOUNS.items():
        target: dict[str, dict[str, Any]] = getattr(catalog, noun)
        own = {} if extra.get(noun) is None else extra[noun]
        variable = f"thor_extra_{noun}"
        if not isinstance(own, Mapping):
            problems.append(
                Problem(
                    "THOR-TYPE-INVALID",
                    variable,
                    None if isinstance(own, list) else own,  # a list may hold secrets
                    f"A mapping belongs here, not {described(own)}.",
                    "See docs/catalog.md.",
                )
            )
            own = {}
            catalog.refused_nouns.add(noun)
        for name in {**data[noun], **own}:
            if found := check_name(name, shapes.NAME, variable):
                problems += found
                catalog.refused.add((noun, name))
                continue
            place = f"{variable}[{shown(name)}]" if name in own else f"{noun}.yml: {name}"
            entry = data[noun].get(name)
            if name in own:
                entry = own[name] if entry is None else merge(entry, own[name])
            found = check(entry, spec, place)
            if not found:
                found = _references(noun, name, entry, place) or _open_secrets(noun, entry, place)
            problems += found
            if found:
                catalog.refused.add((noun, name))
                continue
            target[name] = entry
    own_entries.note(catalog, data, extra)
    problems += own_entries.useless_nulls(catalog, data, extra)
    problems += _links(catalog, extra.get("profiles"))
    return catalog, problems


def _references(noun: str, name: str, entry: Mapping[str, Any], place: str) -> list[Problem]:
    """What a spec of single keys cannot say: keys that need each other."""
    wanted: tuple[str, ...] = ()
    if noun == "models":
        wanted = ("id",) if entry["source"] == "modelscope" else ("url", "path", "file")
    elif noun == "engines":
        wanted = ("image",) if entry["kind"] == "container" else ("source",)
        if found := check(next(iter(entry["command"]), None), shapes.PROGRAM, f"{place}.command[0]"):
            return found
        if entry["version"] not in entry["versions"]:
            return [
                Problem(
                    "THOR-VERSION-UNKNOWN",
                    f"{place}.version",
                    entry["version"],
                    f"The engine {name} has no such version.",
                    nearest(entry["version"], entry["versions"]),
                )
            ]
    return [
        Problem("THOR-KEY-MISSING", f"{place}.{key}", None, "An entry of this kind needs this key.", "Add it.")
        for key in wanted
        if not entry.get(key)
    ] or (_sources(entry, place) if noun == "engines" and entry["kind"] == "native" else [])


def _open_secrets(noun: str, entry: Mapping[str, Any], place: str) -> list[Problem]:
    """Secrets in addresses and in an engine's command, which stand in files that everybody on the device reads."""
    problems: list[Problem] = []
    sources = [("source", entry.get("source"))] if noun == "engines" else []
    sources += [
        (f"versions[{one!r}].source", known.get("source")) for one, known in (entry.get("versions") or {}).items()
    ]
    addresses = [(f"{where}.{key}", (source or {}).get(key)) for where, source in sources for key in ("git", "archive")]
    for where, address in [("url", entry.get("url")), *addresses]:
        if is_secret("", address):
            reason = "The address holds a user or a password, and it is written where everybody on the device reads it, and into diffs."
            remedy = "Take that out. There is no way to hand over a password for a fetch: name a mirror in your network that asks for none."
            problems.append(Problem("THOR-SECRET-PLAIN", f"{place}.{where}", None, reason, remedy))
    for key in ("command", "bench"):
        for name, value in option_list.words(entry.get(key) or ()):
            if is_secret(name, value) or is_secret("", value):
                reason = f"It gives --{name} a secret, which would stand in the service's unit, and in diffs."
                remedy = (
                    "Take it out, and hand it over as a variable: secrets of the service, with the value from a vault."
                )
                problems.append(Problem("THOR-SECRET-PLAIN", f"{place}.{key}", None, reason, remedy))
    return problems


def _sources(engine: Mapping[str, Any], place: str) -> list[Problem]:
    """Versions of a native engine whose source is not pinned."""
    problems: list[Problem] = []
    for version, known in engine["versions"].items():
        source = {**(known.get("source") or engine["source"])}
        if "archive" not in source and "commit" in known:
            source["commit"] = known["commit"]
        if not ({"archive", "sha256"} <= source.keys() or {"git", "commit"} <= source.keys()):
            reason = "A source is an archive with its sha256, or a git address with a commit."
            where = f"{place}.versions[{version!r}].source"
            problems.append(Problem("THOR-KEY-MISSING", where, None, reason, "Add what is missing."))
    return problems


def _takes_a_file(engine: Mapping[str, Any]) -> bool:
    return any("{file}" in word for word in engine["command"])


def _links(catalog: Catalog, own: Any) -> list[Problem]:
    """References of profiles to engines and models that are not there, or do not fit; ``own`` are a person's profiles."""
    problems: list[Problem] = []
    for name, profile in list(catalog.profiles.items()):
        is_own = isinstance(own, Mapping) and name in own
        place = f"thor_extra_profiles[{name!r}]" if is_own else f"profiles.yml: {name}"
        found: list[Problem] = []
        models = [profile["model"], *(profile.get("files") or []), *(profile.get("files_not_thinking") or [])]
        # What is missing only because it was refused is no problem of the profile's.
        follows = profile["engine"] not in catalog.engines or any(one not in catalog.models for one in models)
        if profile["engine"] not in catalog.engines and not catalog.is_refused("engines", profile["engine"]):
            reason = "There is no such engine."
            found.append(
                Problem(
                    "THOR-ENGINE-UNKNOWN",
                    f"{place}.engine",
                    profile["engine"],
                    reason,
                    nearest(profile["engine"], catalog.engines),
                )
            )
        for key in ("model", "files", "files_not_thinking"):
            wanted = profile.get(key) or []
            for model in [wanted] if isinstance(wanted, str) else wanted:
                if model not in catalog.models and not catalog.is_refused("models", model):
                    reason = "There is no such model."
                    found.append(
                        Problem("THOR-MODEL-UNKNOWN", f"{place}.{key}", model, reason, nearest(model, catalog.models))
                    )
        if not found and not follows and _takes_a_file(catalog.engines[profile["engine"]]):
            model = profile["model"]
            if not catalog.models[model].get("file"):
                reason = f"{profile['engine']} is started with one file, and the model {model} does not name its own."
                remedy = f"Name it: thor_extra_models[{model!r}].file."
                found.append(Problem("THOR-KEY-MISSING", f"{place}.model", model, reason, remedy))
        if found or follows:
            del catalog.profiles[name]
            catalog.refused.add(("profiles", name))
        problems += found
    return problems
