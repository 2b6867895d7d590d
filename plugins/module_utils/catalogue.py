# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The catalogue: engines, models and profiles as data, merged with a person's own entries and checked key by key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import options as option_list
from ansible_collections.jetson.thor.plugins.module_utils import own_entries, shapes
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, is_secret, nearest
from ansible_collections.jetson.thor.plugins.module_utils.shapes import (
    Field,
    check,
    check_name,
    described,
    needed,
    nullable,
    shown,
)

TEXT, PROSE = shapes.TEXT, shapes.PROSE
PROSES = Field((list,), items=PROSE)
SWITCH = Field((bool,))
WORDS = Field((list,), items=TEXT)
NAMES = Field((list,), items=shapes.NAME)
# The engine's own flags: checked against the engine's own list.
OPTIONS = Field((dict,), names=shapes.OPTION, free=True, lines=True)
ENVIRONMENT = Field((dict,), names=shapes.VARIABLE, values=Field((str, int, float)))
SECRETS = Field((dict,), names=shapes.VARIABLE, values=shapes.HANDED_OVER, secret=True)
API = Field((str,), choices=("chat", "transcription"))
PORT = Field((int,))  # its range has a code of its own

# Python packages that an image has to have, NAME==VERSION, by the API that needs them.
REQUIREMENTS = Field((list,), items=shapes.REQUIREMENT)
PACKAGES = Field((dict,), keys={"chat": REQUIREMENTS, "transcription": REQUIREMENTS})

SOURCE = Field(
    (dict,),
    keys={
        "git": shapes.GIT,
        "commit": shapes.COMMIT,
        "archive": shapes.URL,
        "sha256": shapes.SHA256,
        "subdirectory": shapes.FOLDER,
    },
)
# What an engine's log proves about the GPU, and what asks for less of it: module_utils/gpu_evidence.py.
REGEXES = Field((list,), items=shapes.REGEX)
COUNTS = replace(shapes.REGEX, groups=2)
GPU = Field(
    (dict,),
    null=True,
    keys={
        "evidence": needed(REGEXES),
        "revoked": REGEXES,
        "partial": REGEXES,
        "layers": COUNTS,
        "needs": COUNTS,
        "silenced_by": WORDS,
        "options": Field((dict,), keys={"none": WORDS, "part": WORDS, "layers": WORDS, "draft_layers": WORDS}),
    },
)
ENGINE = Field(
    (dict,),
    keys={
        "kind": Field((str,), required=True, choices=("native", "container")),
        "title": TEXT,
        "role": shapes.NAME,
        "command": Field((list,), required=True, items=TEXT),
        "listen": Field((dict,), required=True, keys={"address": needed(shapes.OPTION), "port": needed(shapes.OPTION)}),
        "served_name_option": nullable(shapes.OPTION),
        "list_style": Field((str,), choices=("space", "comma", "repeat")),
        "api": needed(API),
        "api_path": shapes.URL_PATH,
        "api_path_options": Field((list,), items=shapes.OPTION),
        "port": needed(PORT),
        "loopback_only": PROSE,
        "health": nullable(shapes.URL_PATH),
        "start_timeout": shapes.SECONDS,
        "progress": Field((dict,), null=True, keys={"path": shapes.URL_PATH, "match": needed(shapes.REGEX)}),
        "gpu": GPU,
        "environment": ENVIRONMENT,
        "options": OPTIONS,
        "programs": Field((dict,), names=shapes.OPTION, values=shapes.PROGRAM),
        "vision": Field(
            (dict,),
            keys={
                "projector": shapes.OPTION,
                "folder": shapes.OPTION,
                "file_url": TEXT,
                "closed": Field((dict,), keys={"environment": ENVIRONMENT}),
            },
        ),
        "bench": WORDS,
        "image": shapes.IMAGE,
        "image_bytes": shapes.BYTES,
        "python_packages": PACKAGES,
        "memory": Field(
            (dict,),
            null=True,
            keys={
                "option": needed(shapes.OPTION),
                "of": Field((str,), required=True, choices=("total", "free")),
                "outside_gib": needed(shapes.number(0, 4096)),
            },
        ),
        # Options that take a secret, and the variable that does the same; null where there is none.
        "secret_options": Field((dict,), names=shapes.OPTION, values=nullable(shapes.VARIABLE)),
        # Options and variables that let a client run or read things on the device. With "keys" only what stands under these
        # keys of its JSON counts, with "match" only what the expression finds something in, and with "below" no folder below it.
        "unsafe_options": Field(
            (dict,),
            names=shapes.OPTION,
            values=Field(
                (dict,),
                keys={
                    "reason": needed(PROSE),
                    "source": needed(PROSE),
                    "environment": Field((list,), items=shapes.VARIABLE),
                    "keys": WORDS,
                    "match": shapes.REGEX,
                    "below": shapes.PATH,
                },
            ),
        ),
        "chat_sampling_option": nullable(shapes.OPTION),
        "source": SOURCE,
        "version": needed(shapes.VERSION),
        "versions": Field(
            (dict,),
            required=True,
            names=shapes.VERSION,
            values=Field(
                (dict,),
                keys={
                    "commit": shapes.COMMIT,
                    "source": SOURCE,
                    "engine_version": TEXT,
                    "cuda": TEXT,
                    "released": nullable(TEXT),
                    "digest": shapes.DIGEST,
                    "image": shapes.IMAGE,
                    "image_bytes": shapes.BYTES,
                    "python_packages": PACKAGES,
                    "unbounded_memory": PROSE,
                    "options": OPTIONS,
                    "origin": PROSE,
                },
            ),
        ),
        "note": PROSE,
    },
)
MODEL = Field(
    (dict,),
    keys={
        "source": Field((str,), required=True, choices=("modelscope", "url")),
        "id": shapes.REPOSITORY,
        "revision": shapes.REVISION,
        "include": Field((list,), items=shapes.GLOB),
        "url": shapes.URL,
        "path": shapes.FOLDER,
        "file": nullable(shapes.FILE),
        "checksum": nullable(shapes.CHECKSUM),
        "precision": TEXT,
        "bytes": needed(shapes.BYTES),
        "active_bytes": shapes.BYTES,
        "estimated": SWITCH,
        "thinking": Field((str,), choices=("switchable", "never")),
        "vision": SWITCH,
        "untrained": SWITCH,
        "api": API,
        "unpinned": PROSE,
        "unverified": PROSE,
        "origin": PROSE,
        "note": PROSE,
    },
)
STATUS = Field(
    (dict,),
    keys={
        "state": Field((str,), required=True, choices=("works", "broken", "untested")),
        "versions": NAMES,
        "from": shapes.VERSION,
        "before": shapes.VERSION,
        "reason": PROSE,
        "origin": PROSE,
    },
)
PROFILE = Field(
    (dict,),
    keys={
        "engine": needed(shapes.NAME),
        "model": needed(shapes.NAME),
        "title": TEXT,
        "served_name": needed(shapes.SERVED_NAME),
        "options": OPTIONS,
        "options_thinking": OPTIONS,
        "options_not_thinking": OPTIONS,
        "files": NAMES,
        "files_not_thinking": NAMES,
        "memory_gib": needed(shapes.GIBIBYTES),
        "start_timeout": shapes.SECONDS,
        "api": API,
        "environment": ENVIRONMENT,
        "secrets": SECRETS,
        "port": PORT,
        "remote_media": SWITCH,
        "status": Field((list,), items=STATUS),
        "note": PROSE,
    },
)
# What a person may say of one service in thor_profiles.
SERVICE = Field(
    (dict,),
    keys={
        "profile": needed(TEXT),
        "name": TEXT,
        "version": TEXT,
        "thinking": SWITCH,
        "served_name": shapes.SERVED_NAME,
        "address": TEXT,
        "port": PORT,
        "options": OPTIONS,
        "environment": ENVIRONMENT,
        "secrets": SECRETS,
        "remote_media": SWITCH,
        "memory_gib": shapes.GIBIBYTES,
        "start_timeout": shapes.SECONDS,
    },
)
# What an inventory says of all services of a host, in thor_<key>.
HOST: Mapping[str, Field] = {
    "engine_versions": Field((dict,), names=shapes.NAME, values=shapes.VERSION),
    "address": TEXT,
    "allow_unauthenticated": SWITCH,
    "allow_broken": SWITCH,
    "allow_unchecked_flags": SWITCH,
    "allow_unbounded_memory": SWITCH,
    "allow_unsafe_options": Field((list,), items=shapes.OPTION),
    "ngc_registry": shapes.REGISTRY,
    "device_memory_gib": shapes.GIBIBYTES,
}
NOUNS: Mapping[str, Field] = {"engines": ENGINE, "models": MODEL, "profiles": PROFILE}


@dataclass
class Catalogue:
    """The merged catalogue. ``flags`` maps (engine, version) to the options that this version knows.

    ``refused``: entries (noun, name) with a problem that is told already; ``refused_nouns``: all of a person's of one noun.
    ``foreign``: versions (engine, version) that are a person's, wholly or in what they are made of; the catalogue knows nothing of
    how they fare. ``own_status``: profiles whose status is a person's statement.
    """

    engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: dict[str, Any] = field(default_factory=dict)
    flags: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    refused_nouns: set[str] = field(default_factory=set)
    refused: set[tuple[str, str]] = field(default_factory=set)
    foreign: set[tuple[str, str]] = field(default_factory=set)
    own_status: set[str] = field(default_factory=set)

    def is_refused(self, noun: str, name: Any) -> bool:
        """Whether an entry is not there because of a problem that is told already."""
        return noun in self.refused_nouns or (noun, name) in self.refused


def merge(base: Any, extra: Any) -> Any:
    """``extra`` laid over ``base``: mappings are merged key by key, anything else is replaced."""
    if isinstance(base, Mapping) and isinstance(extra, Mapping):
        return {**base, **{key: merge(base.get(key), value) for key, value in extra.items()}}
    return extra


def build(
    data: Mapping[str, Any], extra: Mapping[str, Any], in_doubt: Collection[str] = ()
) -> tuple[Catalogue, list[Problem]]:
    """Merge a person's entries (``{"engines": {...}, ...}``) over the catalogue's and check every entry.

    ``in_doubt``: nouns of which a person has entries that could not be read, which is told already.

    An entry with a problem is left out, so that what refers to it says that it is unknown instead of failing.
    """
    catalogue = Catalogue(lock=dict(data.get("lock") or {}), refused_nouns=set(in_doubt))
    problems: list[Problem] = []
    for noun, spec in NOUNS.items():
        target: dict[str, dict[str, Any]] = getattr(catalogue, noun)
        own = {} if extra.get(noun) is None else extra[noun]
        variable = f"thor_extra_{noun}"
        if not isinstance(own, Mapping):
            problems.append(
                Problem(
                    "THOR-TYPE-INVALID",
                    variable,
                    None if isinstance(own, list) else own,  # a list may hold secrets
                    f"A mapping belongs here, not {described(own)}.",
                    "See docs/catalogue.md.",
                )
            )
            own = {}
            catalogue.refused_nouns.add(noun)
        for name in {**data[noun], **own}:
            if found := check_name(name, shapes.NAME, variable):
                problems += found
                catalogue.refused.add((noun, name))
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
                catalogue.refused.add((noun, name))
                continue
            target[name] = entry
    own_entries.note(catalogue, data, extra)
    problems += own_entries.useless_nulls(catalogue, data, extra)
    problems += _links(catalogue, extra.get("profiles"))
    return catalogue, problems


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


def _links(catalogue: Catalogue, own: Any) -> list[Problem]:
    """References of profiles to engines and models that are not there, or do not fit; ``own`` are a person's profiles."""
    problems: list[Problem] = []
    for name, profile in list(catalogue.profiles.items()):
        is_own = isinstance(own, Mapping) and name in own
        place = f"thor_extra_profiles[{name!r}]" if is_own else f"profiles.yml: {name}"
        found: list[Problem] = []
        models = [profile["model"], *(profile.get("files") or []), *(profile.get("files_not_thinking") or [])]
        # What is missing only because it was refused is no problem of the profile's.
        follows = profile["engine"] not in catalogue.engines or any(one not in catalogue.models for one in models)
        if profile["engine"] not in catalogue.engines and not catalogue.is_refused("engines", profile["engine"]):
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
                if model not in catalogue.models and not catalogue.is_refused("models", model):
                    reason = "There is no such model."
                    found.append(
                        Problem("THOR-MODEL-UNKNOWN", f"{place}.{key}", model, reason, nearest(model, catalogue.models))
                    )
        if not found and not follows and _takes_a_file(catalogue.engines[profile["engine"]]):
            model = profile["model"]
            if not catalogue.models[model].get("file"):
                reason = f"{profile['engine']} is started with one file, and the model {model} does not name its own."
                remedy = f"Name it: thor_extra_models[{model!r}].file."
                found.append(Problem("THOR-KEY-MISSING", f"{place}.model", model, reason, remedy))
        if found or follows:
            del catalogue.profiles[name]
            catalogue.refused.add(("profiles", name))
        problems += found
    return problems
