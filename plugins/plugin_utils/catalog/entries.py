# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The catalog as data: engines, models and profiles, merged with the inventory's own entries and checked key by key."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, is_secret, nearest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import kinds, model_entries, own_entries, shapes
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import file_of
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.catalog import Catalog
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.option_names import merge
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.options import words
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.schema import NOUNS
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Source
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.shapes import check, check_name, described, shown

UNKNOWN = {"engines": "THOR-ENGINE-UNKNOWN", "models": "THOR-MODEL-UNKNOWN"}


def _with_needed_packages(entry: Any, base: Mapping[str, Any] | None) -> Any:
    """An engine with the Debian packages of the catalog's entry beside its own: it could not compile its kernels without them."""
    packages = entry.get("packages") if isinstance(entry, Mapping) else None
    needed = ((base or {}).get("packages") or {}).get("apt")
    if not needed or not isinstance(packages, Mapping) or not isinstance(packages.get("apt"), list):
        return entry
    own = packages["apt"]
    return {**entry, "packages": {**packages, "apt": [*needed, *(one for one in own if one not in needed)]}}


def build(
    data: Mapping[str, Any], extra: Mapping[str, Any], in_doubt: Collection[str] = ()
) -> tuple[Catalog, list[Problem]]:
    """Merge the inventory's entries (``{"engines": {...}, ...}``) over the catalog's and check every entry.

    ``in_doubt`` are nouns whose entries of the inventory could not be read, which has been reported. An entry with a problem is left
    out, so that references to it are reported instead of failing.
    """
    catalog = Catalog(lock=dict(data.get("lock") or {}), refused_nouns=set(in_doubt))
    problems: list[Problem] = []
    for noun in NOUNS:
        own = {} if extra.get(noun) is None else extra[noun]
        if not isinstance(own, Mapping):
            quoted = None if isinstance(own, list) else own  # a list may hold secrets
            reason = f"It must be a mapping, not {described(own)}."
            problems.append(Problem("THOR-TYPE-INVALID", f"thor_extra_{noun}", quoted, reason, "See docs/catalog.md."))
            own = {}
            catalog.refused_nouns.add(noun)
        for name in {**data[noun], **own}:
            base = data[noun].get(name)
            if noun == "models" and base and name in own:
                base = model_entries.base_for(base, own[name])
            entry = _with_needed_packages(merge(base, own[name]), base) if name in own else data[noun][name]
            if found := _entry_problems(noun, name, entry, name in own):
                problems += found
                catalog.refused.add((noun, name))
            else:
                getattr(catalog, noun)[name] = entry
    own_entries.note(catalog, data, extra)
    problems += own_entries.useless_nulls(catalog, data, extra)
    problems += _links(catalog, extra.get("profiles"))
    return catalog, problems


def _entry_problems(noun: str, name: Any, entry: Any, is_own: bool) -> list[Problem]:
    if found := check_name(name, shapes.NAME, f"thor_extra_{noun}"):
        return found
    place = f"thor_extra_{noun}[{shown(name)}]" if is_own else f"{noun}.yml: {name}"
    if noun == "models" and (found := model_entries.retired(entry, place)):
        return found
    return check(entry, NOUNS[noun], place) or _needs(noun, name, entry, place) or _open_secrets(noun, entry, place)


def _needs(noun: str, name: str, entry: Mapping[str, Any], place: str) -> list[Problem]:
    """What a spec of single keys cannot say: keys that need each other."""
    if noun == "models":
        return model_entries.problems(entry, place)
    if noun != "engines":
        return []
    if found := check(next(iter(entry["command"]), None), shapes.PROGRAM, f"{place}.command[0]"):
        return found
    if entry["version"] not in entry["versions"]:
        reason, remedy = f"The engine {name} has no such version.", nearest(entry["version"], entry["versions"])
        return [Problem("THOR-VERSION-UNKNOWN", f"{place}.version", entry["version"], reason, remedy)]
    return _kindless(entry, place) or _unbuildable(name, entry, place) or _unpinned(entry, place)


def _kindless(engine: Mapping[str, Any], place: str) -> list[Problem]:
    """Versions that do not say how they are installed, or say it twice."""
    problems: list[Problem] = []
    for version, known in engine["versions"].items():
        where, found = f"{place}.versions[{version!r}]", kinds.kinds_of(known)
        if not found:
            reason = "Nothing says how this version is installed."
            remedy = "Add commit or source (built), image (a container), or packages (a Python environment)."
            problems.append(Problem("THOR-KEY-MISSING", where, None, reason, remedy))
        elif len(found) > 1:
            keys = [key for kind in found for key in kinds.KEYS[kind] if known.get(key)]
            reason = f"It has {' and '.join(keys)}, but a version is installed in one way only."
            problems.append(Problem("THOR-VALUE-INVALID", where, None, reason, "Give the other one a name of its own."))
    return problems


def _unbuildable(name: str, engine: Mapping[str, Any], place: str) -> list[Problem]:
    """Versions that would have to be built, of an engine that no role builds."""
    if engine.get("role"):
        return []
    reason = f"It would have to be built, and no role builds {name}."
    remedy = "Give the version packages (script/lock --packages makes the lock), or image, instead."
    return [
        Problem("THOR-VALUE-INVALID", f"{place}.versions[{version!r}]", None, reason, remedy)
        for version, known in engine["versions"].items()
        if kinds.BUILD in kinds.kinds_of(known)
    ]


def _unpinned(engine: Mapping[str, Any], place: str) -> list[Problem]:
    """Versions that are built from a source that is not pinned."""
    reason = "A source is an archive with its sha256, or a git address with a commit."
    return [
        Problem("THOR-KEY-MISSING", f"{place}.versions[{version!r}].source", None, reason, "Add what is missing.")
        for version, known in engine["versions"].items()
        if kinds.BUILD in kinds.kinds_of(known) and not Source.of(engine, known).is_pinned
    ]


def _open_secrets(noun: str, entry: Mapping[str, Any], place: str) -> list[Problem]:
    """Secrets in addresses and in an engine's command, which are written to files that everybody on the device can read."""
    problems: list[Problem] = []
    addresses = {"url": entry.get("url")}
    sources = {"source": entry.get("source")} if noun == "engines" else {}
    sources |= {
        f"versions[{one!r}].source": known.get("source") for one, known in (entry.get("versions") or {}).items()
    }
    for where, source in sources.items():
        addresses |= {f"{where}.{key}": (source or {}).get(key) for key in ("git", "archive")}
    for where, address in addresses.items():
        if is_secret("", address):
            reason = "The address contains a user or a password, and is written to diffs and files that everybody on the device can read."
            remedy = "Remove it. A fetch cannot be given a password: name a mirror in your network that requires none."
            problems.append(Problem("THOR-SECRET-PLAIN", f"{place}.{where}", None, reason, remedy))
    for key in ("command", "bench"):
        for name, value in words(entry.get(key) or ()):
            if is_secret(name, value) or is_secret("", value):
                reason = f"It gives --{name} a secret, which would be written to the service's unit, and to diffs."
                remedy = (
                    "Remove it, and hand it over as a variable: secrets of the service, with the value from a vault."
                )
                problems.append(Problem("THOR-SECRET-PLAIN", f"{place}.{key}", None, reason, remedy))
    return problems


def _links(catalog: Catalog, own: Any) -> list[Problem]:
    """References of profiles to engines and models that are missing or do not fit; ``own`` are the inventory's profiles."""
    problems: list[Problem] = []
    for name, profile in list(catalog.profiles.items()):
        is_own = isinstance(own, Mapping) and name in own
        place = f"thor_extra_profiles[{name!r}]" if is_own else f"profiles.yml: {name}"
        broken = False
        for key, noun, reference in references(profile):
            if reference not in getattr(catalog, noun):
                broken = True
                problems += unknown(catalog, noun, reference, f"{place}.{key}")
        if not broken and (found := missing_file(catalog, profile, place) or _missing_version(catalog, profile, place)):
            problems += found
            broken = True
        if broken:
            del catalog.profiles[name]
            catalog.refused.add(("profiles", name))
    return problems


def references(profile: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What a profile or an entry of ``thor_profiles`` refers to: by which key, of which noun, by which name."""
    for key, noun in (("engine", "engines"), ("model", "models")):
        if profile.get(key) is not None:
            yield key, noun, profile[key]
    for key in ("files", "files_not_thinking"):
        for name in profile.get(key) or ():
            yield key, "models", name
    if model := (profile.get("speculative") or {}).get("model"):
        yield "speculative.model", "models", model
    for index, one in enumerate(profile.get("loras") or ()):
        yield f"loras[{index}].model", "models", one["model"]


def unknown(catalog: Catalog, noun: str, name: str, where: str) -> list[Problem]:
    """A reference to an entry that is missing. What is missing only because it was refused is not a problem of whoever names it."""
    if catalog.is_refused(noun, name):
        return []
    reason = f"There is no such {noun.removesuffix('s')}."
    return [Problem(UNKNOWN[noun], where, name, reason, nearest(name, getattr(catalog, noun)))]


def missing_file(catalog: Catalog, profile: Mapping[str, Any], place: str) -> list[Problem]:
    """A model that does not name the one file with which its engine is started."""
    engine, model = profile["engine"], profile["model"]
    takes_file = any("{file}" in word for word in catalog.engines[engine]["command"])
    if not takes_file or file_of(catalog.models[model]):
        return []
    reason = f"{engine} is started with a single file, and the model {model} does not name it."
    remedy = f"Name it: thor_extra_models[{model!r}].file."
    return [Problem("THOR-KEY-MISSING", f"{place}.model", model, reason, remedy)]


def _missing_version(catalog: Catalog, profile: Mapping[str, Any], place: str) -> list[Problem]:
    """A profile that is for a version which its engine does not have."""
    version, versions = profile.get("version"), catalog.engines[profile["engine"]]["versions"]
    if version is None or version in versions:
        return []
    reason, remedy = f"The engine {profile['engine']} has no such version.", nearest(version, versions)
    return [Problem("THOR-VERSION-UNKNOWN", f"{place}.version", version, reason, remedy)]
