# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The catalogue: engines, models and profiles as data, merged with a person's own entries and checked key by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, nearest


@dataclass(frozen=True)
class Field:
    """What may stand under a key. ``keys`` are the fixed keys of a mapping, ``values`` describes a free-key one."""

    types: tuple[type, ...]
    required: bool = False
    choices: tuple[Any, ...] = ()
    keys: Mapping[str, Field] | None = None
    values: Field | None = None
    items: Field | None = None
    null: bool = False


TEXT = Field((str,))
NEEDED = Field((str,), required=True)
TEXTS = Field((list,), items=TEXT)
NUMBER = Field((int, float))
WHOLE = Field((int,))
SWITCH = Field((bool,))
OPTIONS = Field((dict,))  # the engine's own flags: checked against the engine's own list
ENVIRONMENT = Field((dict,), values=Field((str, int, float)))

# Python packages that an image has to have, NAME==VERSION, by the API that needs them.
PACKAGES = Field((dict,), keys={"chat": TEXTS, "transcription": TEXTS})

SOURCE = Field(
    (dict,),
    keys={"git": TEXT, "commit": TEXT, "archive": TEXT, "sha256": TEXT, "subdirectory": TEXT},
)
ENGINE = Field(
    (dict,),
    keys={
        "kind": Field((str,), required=True, choices=("native", "container")),
        "title": TEXT,
        "role": TEXT,
        "command": Field((list,), required=True, items=TEXT),
        "listen": Field((dict,), required=True, keys={"address": NEEDED, "port": NEEDED}),
        "served_name_option": Field((str,), null=True),
        "list_style": Field((str,), choices=("space", "comma", "repeat")),
        "api": Field((str,), required=True, choices=("chat", "transcription")),
        "api_path": TEXT,
        "api_path_options": TEXTS,
        "port": Field((int,), required=True),
        "loopback_only": TEXT,
        "health": Field((str,), null=True),
        "start_timeout": WHOLE,
        "progress": Field((dict,), null=True, keys={"path": TEXT, "match": NEEDED}),
        "gpu_log": Field((str,), null=True),
        "environment": ENVIRONMENT,
        "options": OPTIONS,
        "programs": Field((dict,), values=TEXT),
        "vision": Field(
            (dict,),
            keys={
                "projector": TEXT,
                "folder": TEXT,
                "file_url": TEXT,
                "closed": Field((dict,), keys={"environment": ENVIRONMENT}),
            },
        ),
        "bench": TEXTS,
        "image": TEXT,
        "image_bytes": WHOLE,
        "python_packages": PACKAGES,
        "memory": Field(
            (dict,),
            keys={
                "option": NEEDED,
                "of": Field((str,), required=True, choices=("total", "free")),
                "outside_gib": Field((int, float), required=True),
            },
        ),
        "chat_sampling_option": TEXT,
        "source": SOURCE,
        "version": NEEDED,
        "versions": Field(
            (dict,),
            required=True,
            values=Field(
                (dict,),
                keys={
                    "commit": TEXT,
                    "source": SOURCE,
                    "engine_version": TEXT,
                    "cuda": TEXT,
                    "released": Field((str,), null=True),
                    "digest": TEXT,
                    "image": TEXT,
                    "image_bytes": WHOLE,
                    "python_packages": PACKAGES,
                    "unbounded_memory": TEXT,
                    "options": OPTIONS,
                    "origin": TEXT,
                },
            ),
        ),
        "note": TEXT,
    },
)
MODEL = Field(
    (dict,),
    keys={
        "source": Field((str,), required=True, choices=("modelscope", "url")),
        "id": TEXT,
        "revision": TEXT,
        "include": TEXTS,
        "url": TEXT,
        "path": TEXT,
        "file": Field((str,), null=True),
        "checksum": Field((str,), null=True),
        "precision": TEXT,
        "bytes": Field((int,), required=True),
        "active_bytes": WHOLE,
        "estimated": SWITCH,
        "thinking": Field((str,), choices=("switchable", "never")),
        "vision": SWITCH,
        "untrained": SWITCH,
        "api": Field((str,), choices=("chat", "transcription")),
        "unpinned": TEXT,
        "unverified": TEXT,
        "origin": TEXT,
        "note": TEXT,
    },
)
STATUS = Field(
    (dict,),
    keys={
        "state": Field((str,), required=True, choices=("works", "broken", "untested")),
        "versions": TEXTS,
        "from": TEXT,
        "before": TEXT,
        "reason": TEXT,
        "origin": TEXT,
    },
)
PROFILE = Field(
    (dict,),
    keys={
        "engine": NEEDED,
        "model": NEEDED,
        "title": TEXT,
        "served_name": NEEDED,
        "options": OPTIONS,
        "options_thinking": OPTIONS,
        "options_not_thinking": OPTIONS,
        "files": TEXTS,
        "files_not_thinking": TEXTS,
        "memory_gib": Field((int, float), required=True),
        "start_timeout": WHOLE,
        "api": Field((str,), choices=("chat", "transcription")),
        "environment": ENVIRONMENT,
        "port": WHOLE,
        "remote_media": SWITCH,
        "status": Field((list,), items=STATUS),
        "note": TEXT,
    },
)
# What a person may say of one service in thor_profiles.
SERVICE = Field(
    (dict,),
    keys={
        "profile": NEEDED,
        "name": TEXT,
        "version": TEXT,
        "thinking": SWITCH,
        "served_name": TEXT,
        "address": TEXT,
        "port": WHOLE,
        "options": OPTIONS,
        "environment": ENVIRONMENT,
        "remote_media": SWITCH,
        "memory_gib": NUMBER,
        "start_timeout": WHOLE,
    },
)
NOUNS: Mapping[str, Field] = {"engines": ENGINE, "models": MODEL, "profiles": PROFILE}


@dataclass
class Catalogue:
    """The merged catalogue. ``flags`` maps (engine, version) to the options that this version knows."""

    engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: dict[str, Any] = field(default_factory=dict)
    flags: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


def merge(base: Any, extra: Any) -> Any:
    """``extra`` laid over ``base``: mappings are merged key by key, anything else is replaced."""
    if isinstance(base, Mapping) and isinstance(extra, Mapping):
        return {**base, **{key: merge(base.get(key), value) for key, value in extra.items()}}
    return extra


def check(value: Any, spec: Field, place: str) -> list[Problem]:
    """Hold ``value`` against ``spec``; ``place`` is where a person finds it."""
    if value is None and spec.null:
        return []
    if not isinstance(value, spec.types) or (isinstance(value, bool) and bool not in spec.types):
        names = " or ".join(_type_name(one) for one in spec.types)
        # YAML takes 26.10 for the number 26.1.
        remedy = "Put it in quotes." if str in spec.types and isinstance(value, int | float) else "Write it as such."
        return [Problem("THOR-TYPE-INVALID", place, value, f"A {names} belongs here, not {_a(value)}.", remedy)]
    if spec.choices and value not in spec.choices:
        known = [str(choice) for choice in spec.choices]
        return [Problem("THOR-VALUE-INVALID", place, value, "That is not a value of this key.", nearest(value, known))]
    problems: list[Problem] = []
    if isinstance(value, Mapping) and spec.keys is not None:
        problems += [
            Problem("THOR-KEY-UNKNOWN", f"{place}.{key}", None, "There is no such key.", nearest(key, spec.keys))
            for key in value
            if key not in spec.keys
        ]
        for key, inner in spec.keys.items():
            if key in value:
                problems += check(value[key], inner, f"{place}.{key}")
            elif inner.required:
                problems.append(Problem("THOR-KEY-MISSING", f"{place}.{key}", None, "This key is required.", "Add it."))
    if isinstance(value, Mapping) and spec.values is not None:
        for key, one in value.items():
            problems += check(one, spec.values, f"{place}[{key!r}]")
    if isinstance(value, list) and spec.items is not None:
        for index, one in enumerate(value):
            problems += check(one, spec.items, f"{place}[{index}]")
    return problems


def build(data: Mapping[str, Any], extra: Mapping[str, Any]) -> tuple[Catalogue, list[Problem]]:
    """Merge a person's entries (``{"engines": {...}, ...}``) over the catalogue's and check every entry.

    An entry with a problem is left out, so that what refers to it says that it is unknown instead of failing.
    """
    catalogue = Catalogue(lock=dict(data.get("lock") or {}))
    problems: list[Problem] = []
    for noun, spec in NOUNS.items():
        target: dict[str, dict[str, Any]] = getattr(catalogue, noun)
        own = extra.get(noun) or {}
        variable = f"thor_extra_{noun}"
        if not isinstance(own, Mapping):
            problems.append(
                Problem(
                    "THOR-TYPE-INVALID",
                    variable,
                    own,
                    f"A mapping belongs here, not {_a(own)}.",
                    "See docs/catalogue.md.",
                )
            )
            own = {}
        for name in {**data[noun], **own}:
            place = f"{variable}[{name!r}]" if name in own else f"{noun}.yml: {name}"
            entry = data[noun].get(name)
            if name in own:
                entry = own[name] if entry is None else merge(entry, own[name])
            found = check(entry, spec, place)
            if not found:
                found = _references(noun, name, entry, place)
            problems += found
            if not found:
                target[name] = entry
    problems += _links(catalogue, extra)
    return catalogue, problems


def _references(noun: str, name: str, entry: Mapping[str, Any], place: str) -> list[Problem]:
    """What a spec of single keys cannot say: keys that need each other."""
    needed: tuple[str, ...] = ()
    if noun == "models":
        needed = ("id",) if entry["source"] == "modelscope" else ("url", "path", "file")
    elif noun == "engines":
        needed = ("image",) if entry["kind"] == "container" else ("source",)
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
        for key in needed
        if not entry.get(key)
    ]


def _links(catalogue: Catalogue, extra: Mapping[str, Any]) -> list[Problem]:
    """References of profiles to engines and models that are not there."""
    problems: list[Problem] = []
    for name, profile in list(catalogue.profiles.items()):
        place = f"thor_extra_profiles[{name!r}]" if name in (extra.get("profiles") or {}) else f"profiles.yml: {name}"
        found: list[Problem] = []
        if profile["engine"] not in catalogue.engines:
            reason = "There is no such engine."
            found.append(
                Problem(
                    "THOR-ENGINE-UNKNOWN",
                    f"{place}.engine",
                    profile["engine"],
                    reason,
                    nearest(profile["engine"], catalogue.engines),
                )
            )
        for key in ("model", "files", "files_not_thinking"):
            wanted = profile.get(key) or []
            for model in [wanted] if isinstance(wanted, str) else wanted:
                if model not in catalogue.models:
                    reason = "There is no such model."
                    found.append(
                        Problem("THOR-MODEL-UNKNOWN", f"{place}.{key}", model, reason, nearest(model, catalogue.models))
                    )
        if found:
            del catalogue.profiles[name]
        problems += found
    return problems


def _type_name(one: type) -> str:
    return {str: "text", int: "whole number", float: "number", bool: "true or false", dict: "mapping", list: "list"}[
        one
    ]


def _a(value: Any) -> str:
    if value is None:
        return "nothing"
    for one in (bool, str, int, float, list):
        if isinstance(value, one):
            return f"a {_type_name(one)}"
    return "a mapping" if isinstance(value, Mapping) else f"a {type(value).__name__}"
