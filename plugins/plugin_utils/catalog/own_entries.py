# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Entries of the inventory beside the catalog's: where the catalog's statements no longer apply, and nulls that remove nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.images import references
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, nearest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import SOURCES
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.catalog import Catalog

# What a version of an engine is made of.
MADE_OF = ("commit", "source", "image", "digest", "packages", "engine_version")
# What the catalog says about an image or a set of Python packages, but not about what an inventory puts in its place.
SAID_OF = {
    "image": ("digest", "expected", "engine_version", "flags", "python_packages", "download_bytes", "image_bytes"),
    "packages": ("engine_version", "flags"),
}
# What an engine says about the size of its images, by the key of a version.
SIZES = {"download_bytes": "download_bytes", "image_bytes": "bytes"}
PROFILE_OPTIONS = ("options", "options_thinking", "options_not_thinking")


def note(catalog: Catalog, data: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
    """Drop the catalog's statements about versions, engines and models that the inventory has changed: nobody has tried those.

    What an inventory states in an entry of its own holds.
    """
    for name, (base, own) in _both("engines", catalog, data, extra).items():
        engine = catalog.engines[name]
        versions = dict(engine["versions"])
        alike = all(base.get(key) == engine.get(key) for key in ("source", "command"))
        for version, known in engine["versions"].items():
            before = (base.get("versions") or {}).get(version)
            if alike and before is not None and all(before.get(key) == known.get(key) for key in MADE_OF):
                continue
            catalog.foreign.add((name, version))
            said = (own.get("versions") or {}).get(version, {})
            gone = {key for made in SAID_OF for key in SAID_OF[made] if (before or {}).get(made) != known.get(made)}
            kept = {key: value for key, value in known.items() if key in said or key not in gone}
            versions[version] = {**_unknown_sizes(known.get("image"), base, own), **kept}
        catalog.engines[name] = {**engine, "versions": versions}
    models = {
        name
        for name, (base, _own) in _both("models", catalog, data, extra).items()
        if any(base.get(key) != catalog.models[name].get(key) for key in SOURCES)
    }
    profiles = _both("profiles", catalog, data, extra)
    for name, profile in catalog.profiles.items():
        base, own = profiles.get(name, (profile, {}))
        if "status" in own:
            catalog.own_status.add(name)
        elif profile["model"] in models or any(base.get(key) != profile[key] for key in ("engine", "model")):
            catalog.profiles[name] = {**profile, "status": []}


def _unknown_sizes(image: str | None, base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, None]:
    """Nulls in place of what the catalog's engine says about the size of its images, for an image from another repository."""
    known = {_repository(one["image"]) for one in (base.get("versions") or {}).values() if one.get("image")}
    if image is None or not base or _repository(image) in known:
        return {}
    stated = own.get("image") or {}
    return {key: None for key, name in SIZES.items() if name not in stated}


def _repository(image: str) -> str:
    return references.parts(references.familiar(image))[0]


def useless_nulls(catalog: Catalog, data: Mapping[str, Any], extra: Mapping[str, Any]) -> list[Problem]:
    """Options that ``null`` should remove although nothing sets them."""
    problems: list[Problem] = []
    for name, (base, own) in _both("engines", catalog, data, extra).items():
        place = f"thor_extra_engines[{name!r}]"
        problems += nulls(own.get("options"), base.get("options") or {}, f"{place}.options")
        for version, known in (own.get("versions") or {}).items():
            there = {
                **(base.get("options") or {}),
                **((base.get("versions") or {}).get(version) or {}).get("options", {}),
            }
            problems += nulls(known.get("options"), there, f"{place}.versions[{version!r}].options")
    for name, (base, own) in _both("profiles", catalog, data, extra).items():
        engine = catalog.engines.get(catalog.profiles[name]["engine"]) or {}
        layers = [engine.get("options"), *(known.get("options") for known in engine.get("versions", {}).values())]
        inherited = {key: value for layer in layers for key, value in (layer or {}).items()}
        for key in PROFILE_OPTIONS:
            there = {**inherited, **(base.get("options") or {}), **(base.get(key) or {})}
            problems += nulls(own.get(key), there, f"thor_extra_profiles[{name!r}].{key}")
    return problems


def nulls(options: Mapping[str, Any] | None, there: Mapping[str, Any], place: str) -> list[Problem]:
    """What is wrong with the nulls in options that are laid over others."""
    set_there = [key for key, value in there.items() if value is not None]
    reason = "null removes an option that something below this entry sets, and nothing sets this one."
    return [
        Problem("THOR-FLAG-NULL", f"{place}[{key!r}]", None, reason, _way_out(key, set_there))
        for key, value in (options or {}).items()
        if value is None and key not in set_there
    ]


def _way_out(key: str, there: Iterable[str]) -> str:
    set_there = list(there)
    hint = nearest(key, set_there)
    if hint.startswith("Did"):
        return f"{hint} Otherwise leave it out."
    known = hint.replace("Known", "Set") if set_there else ""
    return f"Leave it out, or write true for an option that takes no value. {known}".strip()


def _both(
    noun: str, catalog: Catalog, data: Mapping[str, Any], extra: Mapping[str, Any]
) -> dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Accepted entries of the inventory: the catalog's entry of that name (empty where there is none), and the inventory's."""
    own = extra.get(noun)
    there: Mapping[str, Any] = getattr(catalog, noun)
    if not isinstance(own, Mapping):
        return {}
    return {name: (data[noun].get(name) or {}, entry) for name, entry in own.items() if name in there}
