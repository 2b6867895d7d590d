# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From ``thor_profiles`` to ``thor_services``: what a person writes becomes plain data that every role acts on.

Pure: no device, no Ansible. The shape of a service is documented in docs/catalog.md.
"""

from __future__ import annotations

import ipaddress
import json
import math
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from ansible_collections.jetson.thor.plugins.module_utils.clients.api import API_PATHS
from ansible_collections.jetson.thor.plugins.module_utils.images import inventory
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, closest, is_secret, nearest
from ansible_collections.jetson.thor.plugins.module_utils.services import gpu_evidence
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import named_files, own_entries
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import options as option_list
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.catalog import Catalog
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.entries import merge
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.schema import HOST, SERVICE
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import (
    GenerationConfig,
    Gpu,
    GpuRequest,
    HubArtifact,
    Memory,
    Progress,
    Service,
    Source,
    Status,
    UrlArtifact,
    Vision,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.shapes import URL_PATH, check

MODELS_ROOT = "/models"
GIB = 1024**3
LONGEST = 131072  # Linux takes no longer argument (MAX_ARG_STRLEN), and systemd no line of a unit above 1 MiB
# NVIDIA's registry, whose place another may take by name (thor_ngc_registry).
NGC = "nvcr.io"
# Options that name a file with a chat template: vLLM's and SGLang's, llama.cpp's.
TEMPLATE_OPTIONS = ("chat-template", "chat-template-file")
SERVICE_KEYS = SERVICE.keys or {}
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?")
# Units of ours that are no services: thor-drop-caches.socket, thor-job-*.service.
TAKEN_NAMES = re.compile(r"drop-caches|job-.*")

# Variables by which the loader, shells and Python take code or programs from elsewhere.
STEERS = r"LD_\w+|PATH|HOME|SHELL|IFS|ENV|BASH_ENV|GCONV_PATH|PYTHON\w*"


@dataclass(frozen=True)
class Inputs:
    """What an inventory says of one host. ``device_memory_gib`` is the memory that engines take their share of."""

    profiles: Any
    engine_versions: Mapping[str, str] = field(default_factory=dict)
    address: str = "127.0.0.1"
    allow_unauthenticated: bool = False
    allow_broken: bool = False
    allow_unchecked_flags: bool = False
    allow_unbounded_memory: bool = False
    allow_unsafe_options: Sequence[str] = field(default_factory=list)
    ngc_registry: str = NGC
    in_doubt: frozenset[str] = (
        frozenset()
    )  # of these fields it is not known what they are to be, and that is told already
    device_memory_gib: float = 122.0  # facts: MemTotal of a Jetson AGX Thor is about 122 GiB


@dataclass
class Resolution:
    """The services that could be resolved, and what is wrong with all of them."""

    services: list[Service] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def facts(self) -> list[dict[str, Any]]:
        """The services as the fact ``thor_services``."""
        return [service.to_facts() for service in self.services]


def resolve(inputs: Inputs, catalog: Catalog) -> Resolution:
    """Resolve every entry of ``thor_profiles``; a problem in one entry does not hide those of the next."""
    result = Resolution()
    known = sorted({name for engine in catalog.engines.values() for name in engine.get("unsafe_options") or {}})
    given = inputs.engine_versions
    in_doubt = set(inputs.in_doubt)
    for key, spec in HOST.items():
        if found := check(getattr(inputs, key), spec, f"thor_{key}"):
            result.problems += found
            inputs = replace(inputs, **{key: getattr(Inputs([]), key)})
            in_doubt.add(key)
    # What would be allowed is not refused beside that.
    allowed: dict[str, Any] = {key: True for key in in_doubt & set(HOST) if key.startswith("allow_")}
    if "allow_unsafe_options" in allowed:
        allowed["allow_unsafe_options"] = known
    inputs = replace(inputs, **allowed)
    if not isinstance(inputs.profiles, list):
        reason = "A list of profile names, or of mappings with the key profile, belongs here."
        remedy = f"For example: thor_profiles: [{next(iter(catalog.profiles), 'PROFILE')}]"
        # A mapping may hold secrets.
        quoted = None if isinstance(inputs.profiles, Mapping) else inputs.profiles
        result.problems.append(Problem("THOR-TYPE-INVALID", "thor_profiles", quoted, reason, remedy))
        return result
    # Engines whose version a person has set, and in a way that does not tell which.
    unsure = set(catalog.engines) if "engine_versions" in inputs.in_doubt or not isinstance(given, Mapping) else set()
    if "engine_versions" in in_doubt and isinstance(given, Mapping):
        unsure |= set(given)
    for engine in inputs.engine_versions:
        unsure |= {closest(engine, catalog.engines) or ""} if engine not in catalog.engines else set()
        if engine not in catalog.engines and not catalog.is_refused("engines", engine):
            place = f"thor_engine_versions[{engine!r}]"
            reason = "There is no such engine."
            result.problems.append(
                Problem("THOR-ENGINE-UNKNOWN", place, None, reason, nearest(engine, catalog.engines))
            )
    for index, name in enumerate(inputs.allow_unsafe_options):
        if name not in known:
            place = f"thor_allow_unsafe_options[{index}]"
            reason = "No engine has an option or a variable of this name that is refused."
            result.problems.append(Problem("THOR-VALUE-INVALID", place, name, reason, nearest(name, known)))
    doubts: list[set[str]] = []
    for index, written in enumerate(inputs.profiles):
        place = f"thor_profiles[{index}]"
        entry = {"profile": written} if isinstance(written, str) else written
        result.problems += check(entry, SERVICE, place)
        # What is right in an entry is looked at all the same, so that a person hears of everything at once.
        doubtful = _doubtful_keys(entry)
        entry = _right_keys(entry)
        if not entry.get("profile"):
            continue
        if entry["profile"] not in catalog.profiles:
            reason = "There is no such profile."
            remedy = nearest(entry["profile"], catalog.profiles)
            if not catalog.is_refused("profiles", entry["profile"]):
                result.problems.append(
                    Problem("THOR-PROFILE-UNKNOWN", f"{place}.profile", entry["profile"], reason, remedy)
                )
            continue
        if "version" not in entry and catalog.profiles[entry["profile"]]["engine"] in unsure:
            doubtful.add("version")
        service, problems = _service(entry, place, inputs, catalog, doubtful)
        result.services.append(service)
        doubts.append(doubtful)
        result.problems += problems
    result.problems += _clashes(result.services, doubts)
    if not inputs.allow_unbounded_memory:
        result.problems += _unbounded(result.services, catalog)
    # What is wrong with a variable of the host is wrong once, and not with each service.
    result.problems = list({problem.text(): problem for problem in result.problems}.values())
    return result


def _doubtful_keys(entry: Any) -> set[str]:
    """Keys of an entry of which it is not known what they are to be: theirs is the wrong shape, or their name is mistyped.

    Whatever would follow from the default in their place is no problem of its own.
    """
    if not isinstance(entry, Mapping):
        return set()
    wrong = set(entry) & set(SERVICE_KEYS) - set(_right_keys(entry))
    return wrong | {closest(key, SERVICE_KEYS) or "" for key in entry if key not in SERVICE_KEYS}


def _right_keys(entry: Any) -> dict[str, Any]:
    """The keys of an entry that hold what they should."""
    if not isinstance(entry, Mapping):
        return {}
    return {
        key: value for key, value in entry.items() if key in SERVICE_KEYS and not check(value, SERVICE_KEYS[key], "")
    }


def _service(
    entry: Mapping[str, Any], place: str, inputs: Inputs, catalog: Catalog, doubtful: set[str]
) -> tuple[Service, list[Problem]]:
    """One resolved service, and what is wrong with it.

    ``doubtful``: keys of which it is not known what they are to be; those that are found here are added. Such a field of the service
    is None, so that nobody draws a conclusion from it.
    """
    problems: list[Problem] = []
    profile = catalog.profiles[entry["profile"]]
    engine = catalog.engines[profile["engine"]]
    model = catalog.models[profile["model"]]
    name = entry.get("name", entry["profile"])
    if not NAME.fullmatch(name) or TAKEN_NAMES.fullmatch(name):
        reason = f"The unit thor-{name}.service cannot have that name."
        remedy = "Use up to 48 lower-case letters, digits and inner hyphens, and neither drop-caches nor job-..."
        problems.append(Problem("THOR-NAME-INVALID", f"{place}.name", name, reason, remedy))
        doubtful.add("name")
    version, found = _version(entry, place, inputs, profile["engine"], engine)
    problems += found
    doubtful |= {"version"} if found else set()
    thinking, found = _thinking(entry, place, profile, model)
    problems += found
    address = entry.get("address", inputs.address)
    variable = f"{place}.address" if "address" in entry else "thor_address"
    problems += _address(address, variable, inputs, profile["engine"], engine.get("loopback_only"))
    port = entry.get("port", profile.get("port", engine["port"]))
    if not 1024 <= port <= 65535:
        reason = "Services run without privileges: ports 1024 to 65535 are open to them."
        problems.append(Problem("THOR-PORT-INVALID", f"{place}.port", port, reason, "Choose one of those."))
        doubtful.add("port")
    tried = (profile["engine"], version) not in catalog.foreign or entry["profile"] in catalog.own_status
    status = _status(profile if tried and "version" not in doubtful else {}, version)
    if status.state == "broken" and not inputs.allow_broken:
        problems.append(
            Problem(
                "THOR-STATUS-BROKEN",
                place,
                entry["profile"],
                f"This profile is known to be broken on {profile['engine']} {version}: {status.reason}",
                "Choose another version (thor_engine_versions) or profile, or set thor_allow_broken: true.",
            )
        )

    artifact = artifact_of(profile["model"], model, catalog.lock)
    known = engine["versions"].get(version) or {}
    chosen = _options(entry, engine, known, profile, thinking)
    api = profile.get("api") or model.get("api") or engine["api"]
    of_options = _check_options(chosen, entry, place, inputs, engine, profile["engine"], version, catalog, doubtful)
    refused = [name for name in chosen if any(one.variable.endswith(f"options[{name!r}]") for one in of_options)]

    def beside(found: Iterable[Problem]) -> list[Problem]:
        """Without what is wrong with an option that is refused as such."""
        return [one for one in found if not any(one.variable.endswith(f"options[{name!r}]") for name in refused)]

    inherited = _options({}, engine, known, profile, thinking)
    of_options += beside(own_entries.nulls(entry.get("options"), inherited, f"{place}.options"))
    vision, found = _vision(engine, model, chosen, artifact, place)
    problems += beside(found)
    api_path = _api_path(engine, api, chosen)
    if check(api_path, URL_PATH, ""):
        option = next(one for one in engine["api_path_options"] if chosen.get(one))
        where = f"{place}.options[{option!r}]"
        remedy = f"Write {quote('/' + api_path.lstrip('/'))}."
        problems += beside([Problem("THOR-VALUE-INVALID", where, api_path, f"It has to be {URL_PATH.wants}.", remedy)])
    remote_media, found = _remote_media(entry, place, profile, engine, vision, address)
    problems += found
    problems += of_options
    served_name = entry.get("served_name", profile["served_name"])
    files = list(profile.get("files") or [])
    if thinking is False:
        files += profile.get("files_not_thinking") or []
    artifacts = [artifact_of(key, catalog.models[key], catalog.lock) for key in files]
    problems += beside(_templates(chosen, place, engine["kind"], [artifact, *artifacts]))
    filled = {key: _fill(value, artifact) if isinstance(value, str) else value for key, value in chosen.items()}
    said = {problem.variable for problem in problems}
    found = beside(named_files.problems(filled, place, engine["kind"], [artifact, *artifacts]))
    problems += [problem for problem in found if problem.variable not in said]
    memory_gib = entry.get("memory_gib", profile["memory_gib"])
    variable = f"{place}.memory_gib" if "memory_gib" in entry else f"{place} (from the profile) memory_gib"
    memory, fraction, found = _memory(engine.get("memory"), memory_gib, variable, inputs)
    problems += found
    doubtful |= {"memory_gib"} if found else set()
    image = _image(engine, known, version) if "version" not in doubtful else None
    flags = catalog.flags.get((profile["engine"], version))
    argv = _argv(engine, artifact, served_name, address, port, {**fraction, **chosen}, flags)
    environment = _environment(engine, profile, entry, _closed(engine, remote_media))
    if engine["kind"] == "container":
        environment = inventory.container_environment(environment)
    for key, words in (("options", argv), ("environment", [*environment, *environment.values()])):
        size = sum(len(word.encode(errors="replace")) + 1 for word in words)
        if size > LONGEST:
            reason = f"Together they make {size} bytes, and {LONGEST} is the most that a process is given."
            problems.append(Problem("THOR-VALUE-INVALID", f"{place}.{key}", None, reason, "Shorten them."))
    problems += beside(_silenced(engine.get("gpu"), argv, environment, entry, place))
    secrets, found = _secrets(chosen, environment, entry, place, profile, engine)
    problems += found
    said = {problem.variable for problem in problems}
    problems += [
        problem
        for problem in _unsafe(chosen, dict.fromkeys(secrets, "set") | environment, entry, place, inputs, engine, flags)
        if problem.variable not in said
    ]
    service = Service(
        name=name,
        unit=f"thor-{name}.service",
        profile=entry["profile"],
        engine=profile["engine"],
        version=version,
        kind=engine["kind"],
        role=engine.get("role"),
        status=status,
        image=_from_registry(image, inputs.ngc_registry),
        image_digest=_digest(known, image, (profile["engine"], version), catalog.lock),
        image_bytes=known.get("image_bytes", engine.get("image_bytes", 0)) if image else None,
        source=_source(engine, known),
        argv=tuple(argv),
        environment=environment,
        secrets=tuple(secrets),
        api_key=next((name for name in [(engine.get("secret_options") or {}).get("api-key")] if name in secrets), None),
        model=artifact,
        files=tuple(artifacts),
        api=api,
        api_path=api_path,
        served_name=served_name,
        address=address,
        port=port,
        memory_gib=memory_gib,
        memory=memory,
        unbounded_memory=known.get("unbounded_memory"),
        generation_config=_generation_config(engine, chosen, artifact),
        thinking=thinking,
        vision=vision,
        remote_media=remote_media,
        trained=not model.get("untrained", False),
        programs=tuple(
            sorted({program for option, program in (engine.get("programs") or {}).items() if chosen.get(option)})
        ),
        python_packages=tuple(
            ({**(engine.get("python_packages") or {}), **(known.get("python_packages") or {})}).get(api) or []
        ),
        bench_argv=tuple(_fill(word, artifact) for word in engine.get("bench") or ()),
        start_timeout=entry.get("start_timeout", profile.get("start_timeout", engine.get("start_timeout", 600))),
        health=engine.get("health"),
        progress=Progress(**engine["progress"]) if engine.get("progress") else None,
        gpu=_gpu(engine.get("gpu"), argv, environment),
    )
    unknown: dict[str, Any] = dict.fromkeys(doubtful & {"version", "port", "memory_gib"})
    return replace(service, **unknown), problems


def _gpu(spec: Mapping[str, Any] | None, argv: Sequence[str], environment: Mapping[str, str]) -> Gpu | None:
    """What the engine's log must say about the GPU, and how much of it this service's options ask for."""
    if not spec:
        return None
    asked = gpu_evidence.asked(spec, argv, environment)
    request = GpuRequest(**{**asked, "none": tuple(asked["none"]), "part": tuple(asked["part"])})
    lists = {key: tuple(spec[key]) for key in ("evidence", "revoked", "partial") if key in spec}
    return Gpu(**lists, layers=spec.get("layers"), needs=spec.get("needs"), asked=request)


def _silenced(
    spec: Mapping[str, Any] | None,
    argv: Sequence[str],
    environment: Mapping[str, str],
    entry: Mapping[str, Any],
    place: str,
) -> list[Problem]:
    """Options and variables that keep the engine from logging what shows that it uses the GPU: its start would never count as one."""
    if not spec or gpu_evidence.asked(spec, argv, environment)["none"]:
        return []
    problems = []
    for names, given in gpu_evidence.silenced(spec, argv, environment):
        part = "options" if given.startswith("--") else "environment"
        key = next(name for name in names if given.removeprefix("--").startswith(name))
        own = key in (entry.get(part) or {})
        where = f"{place}.{part}[{key!r}]" if own else f"{place} (from the profile {entry['profile']}) {part}[{key!r}]"
        reason = "The engine then does not log what shows that it uses the GPU: it would never count as started (THOR-GPU-UNUSED)."
        remedy = "Leave it out, or have it log at info. Where no GPU is wanted, gpu: null of the engine in thor_extra_engines."
        value = given.removeprefix("--")[len(key) + 1 :] or True
        problems.append(Problem("THOR-VALUE-INVALID", where, value, reason, remedy))
    return problems


def artifact_of(key: str, model: Mapping[str, Any], lock: Mapping[str, Any]) -> HubArtifact | UrlArtifact:
    """What has to be on disk for a catalog model: where from, where to, which files, how many bytes.

    ``estimated`` says that ``bytes`` is no sum of a listing. Revision, sizes and sha256 come from the lock where it
    knows them.
    """
    common: dict[str, Any] = {
        "key": key,
        "source": model["source"],
        "file": model.get("file"),
        "precision": model.get("precision"),
        "active_bytes": model.get("active_bytes"),
    }
    locked: Mapping[str, Any] = (
        (lock.get("models") if model["source"] == "modelscope" else lock.get("files")) or {}
    ).get(key) or {}
    if (locked.get("id"), locked.get("url")) != (model.get("id"), model.get("url")):
        locked = {}  # an inventory's own source under a name of the catalog
    if model["source"] == "url":
        return UrlArtifact(
            **common,
            url=model["url"],
            path=f"{MODELS_ROOT}/{model['path']}",
            checksum=model.get("checksum") or locked.get("checksum"),
            bytes=locked.get("bytes", model["bytes"]),
            estimated="bytes" not in locked and model.get("estimated", False),
        )
    include = tuple(model.get("include") or ["*"])
    files = {
        path: one
        for path, one in (locked.get("files") or {}).items()
        if any(fnmatchcase(path, pattern) for pattern in include)
    }
    return HubArtifact(
        **common,
        id=model["id"],
        revision=locked.get("revision", model.get("revision", "master")),
        include=include,
        path=f"{MODELS_ROOT}/{model['id']}",
        bytes=sum(one["size"] for one in files.values()) if files else model["bytes"],
        estimated=not files and model.get("estimated", False),
        sha256={path: one["sha256"] for path, one in files.items() if one.get("sha256")},
    )


def _version(
    entry: Mapping[str, Any], place: str, inputs: Inputs, name: str, engine: Mapping[str, Any]
) -> tuple[str, list[Problem]]:
    variable, version = "", engine["version"]
    if "version" in entry:
        variable, version = f"{place}.version", entry["version"]
    elif name in inputs.engine_versions:
        variable, version = f"thor_engine_versions[{name!r}]", inputs.engine_versions[name]
    if version in engine["versions"]:
        return version, []
    reason = f"The catalog has no such version of {name}."
    remedy = f"{nearest(version, engine['versions'])} Others are added with thor_extra_engines[{name!r}].versions."
    return version, [Problem("THOR-VERSION-UNKNOWN", variable, version, reason, remedy)]


def _thinking(
    entry: Mapping[str, Any], place: str, profile: Mapping[str, Any], model: Mapping[str, Any]
) -> tuple[bool | None, list[Problem]]:
    """Whether the service thinks: None where the model cannot be switched."""
    switchable = model.get("thinking") == "switchable"
    if "thinking" not in entry:
        return (True, []) if switchable else (None, [])
    thinking: bool = entry["thinking"]
    reason = ""
    if not switchable:
        reason = f"Thinking cannot be switched in the model {profile['model']}."
    elif not thinking and not profile.get("options_not_thinking"):
        reason = f"The profile {entry['profile']} does not say how thinking is switched off (options_not_thinking)."
    if reason:
        return None, [Problem("THOR-THINKING-FIXED", f"{place}.thinking", thinking, reason, "Leave the key out.")]
    return thinking, []


def _is_loopback(address: str) -> bool:
    """Whether the address is this machine's alone; raises ValueError where nothing can listen on it.

    A zone (fe80::1%eth0) may hold any character, and no engine takes one.
    """
    found = ipaddress.ip_address(address)
    if "%" in address or found.is_multicast:
        raise ValueError(address)
    return found.is_loopback


def _address(address: str, variable: str, inputs: Inputs, engine: str, loopback_only: str | None) -> list[Problem]:
    try:
        loopback = _is_loopback(address)
    except ValueError:
        reason = "That is not an IP address that a service can listen on."
        return [Problem("THOR-ADDRESS-INVALID", variable, address, reason, "Write one such as 127.0.0.1.")]
    if not loopback and loopback_only:
        reason = f"{engine} may be reached from its own device alone: {loopback_only}"
        return [Problem("THOR-ADDRESS-LOOPBACK", variable, address, reason, "Give this service address: 127.0.0.1.")]
    if loopback or inputs.allow_unauthenticated:
        return []
    return [
        Problem(
            "THOR-ADDRESS-OPEN",
            variable,
            address,
            "The engines ask nobody for a key: whoever reaches this address can use them.",
            "Keep 127.0.0.1, or set thor_allow_unauthenticated: true on a network that you trust.",
        )
    ]


def _status(profile: Mapping[str, Any], version: str) -> Status:
    """The first statement of the profile that holds for this version."""
    for statement in profile.get("status") or []:
        if _covers(statement, version):
            return Status(state=statement["state"], reason=statement.get("reason", ""))
    return Status(state="untested", reason="")


def _covers(statement: Mapping[str, Any], version: str) -> bool:
    if version in statement.get("versions", ()):
        return True
    start, end = statement.get("from"), statement.get("before")
    if start is None and end is None:
        return "versions" not in statement
    if not re.match(r"v?\d+\.\d", version):
        return False  # a name, which is neither before nor after a number
    return (start is None or _number(version) >= _number(start)) and (end is None or _number(version) < _number(end))


def _number(version: str) -> tuple[int, ...]:
    """A dotted version as numbers, for comparison; letters end a part (``25.10-py3`` is 25, 10)."""
    return tuple(int(match) for match in re.findall(r"(?:^|\.)(\d+)", version))


def _options(
    entry: Mapping[str, Any],
    engine: Mapping[str, Any],
    known: Mapping[str, Any],
    profile: Mapping[str, Any],
    thinking: bool | None,
) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for layer in (engine, known, profile):
        chosen.update(layer.get("options") or {})
    if thinking is not None:
        chosen.update(profile.get("options_thinking" if thinking else "options_not_thinking") or {})
    # Mappings (JSON arguments) are merged, so that one sampling value can be changed without repeating the others.
    return {str(key): value for key, value in merge(chosen, entry.get("options") or {}).items()}


def _check_options(
    chosen: Mapping[str, Any],
    entry: Mapping[str, Any],
    place: str,
    inputs: Inputs,
    engine: Mapping[str, Any],
    engine_name: str,
    version: str,
    catalog: Catalog,
    doubtful: set[str],
) -> list[Problem]:
    flags = catalog.flags.get((engine_name, version))
    written = set(entry.get("options") or {})
    if flags is None:
        # What the collection sets itself is known without a list.
        set_by_us = _set_by_us(engine)
        problems = [
            option_list.reserved_option(name, chosen[name], key, f"{place}.options[{name!r}]")
            for name, key in set_by_us.items()
            if name in written
        ]
        # A native engine is asked for its options when it is built; an engine without a role is not served at all.
        unchecked = engine["kind"] == "native" or not engine.get("role") or "version" in doubtful
        if not unchecked and not inputs.allow_unchecked_flags:
            reason = f"There is no list of the options of {engine_name} {version}, so flags cannot be checked."
            remedy = "Make one with script/flags, or set thor_allow_unchecked_flags: true."
            problems.append(Problem("THOR-FLAGS-MISSING", place, entry["profile"], reason, remedy))
        return problems
    reserved: dict[str, str] = {}
    for flag, key in _set_by_us(engine).items():
        canonical = option_list.find(flags, flag)
        if canonical:
            reserved[canonical] = key
    own = {key: value for key, value in chosen.items() if key in written}
    inherited = {key: value for key, value in chosen.items() if key not in written}
    label, style = f"{engine_name} {version}", engine.get("list_style", "space")
    profiles_place = f"{place} (from the profile {entry['profile']}) options"
    return [
        *option_list.check(own, flags, reserved, label, f"{place}.options", style),
        *option_list.check(inherited, flags, reserved, label, profiles_place, style),
    ]


def _secrets(
    chosen: Mapping[str, Any],
    environment: Mapping[str, str],
    entry: Mapping[str, Any],
    place: str,
    profile: Mapping[str, Any],
    engine: Mapping[str, Any],
) -> tuple[list[str], list[Problem]]:
    """The names of the service's secrets, and secrets that stand where everybody reads them: in argv and in its unit."""
    problems: list[Problem] = []
    names = sorted({**(profile.get("secrets") or {}), **(entry.get("secrets") or {})})
    for name in names:
        if re.fullmatch(STEERS, name):
            reason = "This variable steers how programs start: it is no secret."
            problems.append(Problem("THOR-NAME-INVALID", f"{place}.secrets[{name!r}]", None, reason, "Leave it out."))
    instead: Mapping[str, str | None] = engine.get("secret_options") or {}
    for part, values in (("options", chosen), ("environment", environment)):
        for name, value in values.items():
            if part == "environment" and name in names:
                where, reason = f"{place}.secrets[{name!r}]", "The environment has a variable of this name, too."
                problems.append(Problem("THOR-VALUE-INVALID", where, None, reason, "Give it once."))
            elif is_secret(name, value) or (part == "options" and name in instead and value not in (None, False, True)):
                own = name in (entry.get(part) or {})
                where = (
                    f"{place}.{part}[{name!r}]"
                    if own
                    else f"{place} (from the profile {entry['profile']}) {part}[{name!r}]"
                )
                variable = instead.get(name) if part == "options" else name
                reason = "It would stand in the service's unit and command line, which everybody on the device reads, and in diffs."
                remedy = (
                    f"Hand it over as a secret: secrets: {{{variable}: ...}}, with the value from a vault."
                    if variable
                    else "Leave it out: the engine takes it in no other way. Keep the service on its loopback, behind a gateway that asks."
                )
                problems.append(Problem("THOR-SECRET-PLAIN", where, None, reason, remedy))
    return names, problems


def _unsafe(
    chosen: Mapping[str, Any],
    environment: Mapping[str, str],
    entry: Mapping[str, Any],
    place: str,
    inputs: Inputs,
    engine: Mapping[str, Any],
    flags: option_list.Flags | None,
) -> list[Problem]:
    """Options and variables that let a client run or read things on the device, and that nobody has allowed by name."""
    problems: list[Problem] = []
    written = [*option_list.words(engine["command"]), *chosen.items()]
    for name, unsafe in (engine.get("unsafe_options") or {}).items():
        if name in inputs.allow_unsafe_options:
            continue
        canonical = option_list.find(flags or {}, name) or f"--{name}"
        given = [
            ("options", key, value)
            for key, value in written
            if value not in (None, False) and _is_option(key.partition(".")[0], canonical, flags, engine)
        ]
        given += [
            ("environment", key, environment[key])
            for key in (name, *unsafe.get("environment", ()))
            if environment.get(key, "").casefold() not in ("", "0", "false", "off")
        ]
        for part, key, value in given:
            # vLLM takes --compilation-config.backend for the key of its JSON.
            inner = key.replace("-", "_").split(".")[1:]
            if not _is_unsafe({inner[0]: value} if inner else value, unsafe):
                continue
            own = key in (entry.get(part) or {})
            where = (
                f"{place}.{part}[{key!r}]" if own else f"{place} (from the profile {entry['profile']}) {part}[{key!r}]"
            )
            reason = f"{unsafe['reason']} ({unsafe['source']})."
            remedy = f"Leave it out, or add {name} to thor_allow_unsafe_options where you trust everybody who reaches the service."
            problems.append(Problem("THOR-OPTION-UNSAFE", where, value, reason, remedy))
    return problems


def _is_option(key: str, canonical: str, flags: option_list.Flags | None, engine: Mapping[str, Any]) -> bool:
    """Whether a person's ``key`` is this option. Without a list of options, what parsers let pass for it counts as well."""
    if flags is not None:
        return option_list.find(flags, key) == canonical
    word = f"--{key}".replace("_", "-")
    # argparse, behind the engines that take lists with blanks, understands the beginning of a name.
    return word == canonical or (engine.get("list_style") == "space" and canonical.startswith(word))


def _is_unsafe(value: Any, unsafe: Mapping[str, Any]) -> bool:
    if "keys" in unsafe:
        try:
            inside = json.loads(value) if isinstance(value, str) else value
        except (ValueError, RecursionError):
            return False  # the engine does not start with it either
        found = [inside[key] for key in unsafe["keys"] if inside.get(key)] if isinstance(inside, Mapping) else []
        return any(_is_unsafe(one, {"match": unsafe.get("match", "")}) for one in found)
    if "match" in unsafe:
        texts = map(option_list.text, value if isinstance(value, list) else [value])
        return re.search(unsafe["match"], ",".join(texts)) is not None
    if "below" in unsafe and isinstance(value, str):
        return not f"{posixpath.normpath(value)}/".startswith((f"{unsafe['below']}/", "{path}/"))
    return True


def _templates(
    chosen: Mapping[str, Any], place: str, kind: str, artifacts: Sequence[HubArtifact | UrlArtifact]
) -> list[Problem]:
    """Chat templates that nothing brings to the place where the engine looks for them.

    A container sees /models and no other folder of the device, and what lies there is what the service's models and files
    bring. A native engine sees the device's other folders too, of which nothing is known here.
    """
    problems: list[Problem] = []
    for option in TEMPLATE_OPTIONS:
        value = chosen.get(option)
        # Both options also take the text of a template, or the name of a built-in one.
        if not isinstance(value, str) or "{" in value or not ("/" in value or value.endswith(".jinja")):
            continue
        path = posixpath.normpath(value)
        if kind == "native" and not path.startswith(f"{MODELS_ROOT}/"):
            continue
        brought = any(
            path.startswith(f"{one.path}/") if one is artifacts[0] else path == f"{one.path}/{one.file}"
            for one in artifacts
        )
        if not brought:
            reason = "Nothing brings this file there: it is none of the service's files and not below its model."
            remedy = "Add it to thor_extra_models (source: url) and name that entry in the profile's files (thor_extra_profiles)."
            problems.append(Problem("THOR-TEMPLATE-MISSING", f"{place}.options[{option!r}]", value, reason, remedy))
    return problems


def _vision(
    engine: Mapping[str, Any],
    model: Mapping[str, Any],
    chosen: Mapping[str, Any],
    artifact: HubArtifact | UrlArtifact,
    place: str,
) -> tuple[Vision | None, list[Problem]]:
    """How a service whose model sees images is shown them: the field ``vision``, None for any other one."""
    if not model.get("vision"):
        return None, []
    ways: Mapping[str, Any] = engine.get("vision") or {}
    named = ways.get("folder") or ""
    given = chosen.get(named)
    folder = posixpath.normpath(_fill(given, artifact)) if isinstance(given, str) else None
    vision = Vision(folder=folder, file_url=ways.get("file_url"))
    if folder is not None and named_files.unseen(folder, engine["kind"]):
        reason = "The service does not see this folder: a container has only /models, and a unit of ours neither homes nor relative paths."
        problem = Problem(
            "THOR-MEDIA-FOLDER", f"{place}.options[{named!r}]", given, reason, "Name a folder below /models."
        )
        return vision, [problem]
    option = ways.get("projector")
    if not option:
        return vision, []
    value = chosen.get(option)
    where = f"{place}.options[{option!r}]"
    remedy = f"Write {option}: '{{path}}/FILE' in the profile's options, and name FILE among the files of the model (include)."
    if not isinstance(value, str):
        reason = f"The model sees images, and --{option} does not name the file of its projector: every image would be refused."
        return vision, [Problem("THOR-PROJECTOR-MISSING", where, value, reason, remedy)]
    path = posixpath.normpath(_fill(value, artifact))
    if not path.startswith("/"):
        reason = "The engine would look for the projector from its own folder on, where nothing is."
        return vision, [Problem("THOR-PROJECTOR-MISSING", where, value, reason, remedy)]
    inside = path.removeprefix(f"{artifact.path}/")
    brought = inside != path and any(fnmatchcase(inside, pattern) for pattern in getattr(artifact, "include", ()))
    if path.startswith(f"{MODELS_ROOT}/") and not brought:
        reason = "Nothing brings the file of the projector there: it is none of the model's files."
        return vision, [Problem("THOR-PROJECTOR-MISSING", where, value, reason, remedy)]
    return vision, []


def _remote_media(
    entry: Mapping[str, Any],
    place: str,
    profile: Mapping[str, Any],
    engine: Mapping[str, Any],
    vision: Vision | None,
    address: str,
) -> tuple[bool | None, list[Problem]]:
    """Whether the engine may fetch images that a client names: None where the model sees none."""
    if "remote_media" not in entry and vision is None:
        return None, []
    wanted = bool(entry.get("remote_media", profile.get("remote_media", True)))
    reason, remedy = "", "Leave the key out, or block it in the network."
    if vision is None:
        reason = f"The model {profile['model']} sees no images."
    elif not wanted and "closed" not in (engine.get("vision") or {}):
        reason = f"Nothing is known that keeps {profile['engine']} from fetching images (vision.closed of the engine)."
    elif not wanted and engine["kind"] == "native" and not _opens_to_itself(address):
        reason = f"Its unit would be closed to the whole network, and with it the clients at {address}."
        remedy = (
            "Leave the service on its loopback (address: 127.0.0.1), or leave the key out and block it in the network."
        )
    if not reason:
        return wanted, []
    variable = f"{place}.remote_media" if "remote_media" in entry else f"{place} (from the profile) remote_media"
    return None, [Problem("THOR-MEDIA-FIXED", variable, wanted, reason, remedy)]


def _opens_to_itself(address: str) -> bool:
    try:
        return _is_loopback(address)
    except ValueError:
        return True  # said already


def _closed(engine: Mapping[str, Any], remote_media: bool | None) -> Mapping[str, Any]:
    """What keeps the engine from fetching images, where it has to be kept from it. A native one is by its unit."""
    closed: Mapping[str, Any] = (engine.get("vision") or {}).get("closed") or {}
    return closed if remote_media is False else {}


def _api_path(engine: Mapping[str, Any], api: str, chosen: Mapping[str, Any]) -> str:
    """Where requests go. Options of the engine may say so, one after the other (whisper-server: a prefix, and the rest)."""
    path: str = engine.get("api_path") or API_PATHS[api]
    parts = [chosen.get(option) for option in engine.get("api_path_options") or []]
    if not any(parts):
        return path
    return "".join(str(part) for part in [*parts[:-1], parts[-1] or path] if part)


def _set_by_us(engine: Mapping[str, Any]) -> dict[str, str]:
    """The flags that the collection writes itself, and what a person sets instead."""
    flags = dict.fromkeys((name for name, _value in option_list.words(engine["command"])), "another profile")
    flags[engine["listen"]["address"]] = "the key address"
    flags[engine["listen"]["port"]] = "the key port"
    if engine.get("served_name_option"):
        flags[engine["served_name_option"]] = "the key served_name"
    if engine.get("memory"):
        flags[engine["memory"]["option"]] = "the key memory_gib"
    return flags


def _argv(
    engine: Mapping[str, Any],
    artifact: HubArtifact | UrlArtifact,
    served_name: str,
    address: str,
    port: int,
    chosen: Mapping[str, Any],
    flags: option_list.Flags | None,
) -> list[str]:
    named = {engine["served_name_option"]: served_name} if engine.get("served_name_option") else {}
    listen = {engine["listen"]["address"]: address, engine["listen"]["port"]: port}
    filled = {key: _fill(value, artifact) if isinstance(value, str) else value for key, value in chosen.items()}
    style = engine.get("list_style", "space")
    return [
        *(_fill(word, artifact) for word in engine["command"]),
        *option_list.render({**named, **listen, **filled}, style, flags),
    ]


def _fill(word: str, artifact: HubArtifact | UrlArtifact) -> str:
    """A word of a command or an option with the places of the model's files in it."""
    return word.replace("{path}", artifact.path).replace("{file}", f"{artifact.path}/{artifact.file}")


def _environment(*layers: Mapping[str, Any]) -> dict[str, str]:
    merged: dict[str, Any] = {}
    for layer in layers:
        merged.update(layer.get("environment") or {})
    return {key: str(value) for key, value in merged.items()}


def _image(engine: Mapping[str, Any], known: Mapping[str, Any], version: str) -> str | None:
    image: str | None = known.get("image") or engine.get("image")
    return image.replace("{version}", version) if image else None


def _from_registry(image: str | None, registry: str) -> str | None:
    """The image from the registry that takes NVIDIA's place; images of other registries stay as they are."""
    if image and image.startswith(f"{NGC}/"):
        return f"{registry}{image.removeprefix(NGC)}"
    return image


def _digest(known: Mapping[str, Any], image: str | None, key: tuple[str, str], lock: Mapping[str, Any]) -> str | None:
    """The digest that the catalog or the lock gives; None where nobody has read it yet."""
    locked: Mapping[str, Any] = ((lock.get("images") or {}).get(key[0]) or {}).get(key[1]) or {}
    digests = [known.get("digest"), locked.get("digest") if locked.get("image") == image else None]
    return next((digest for digest in digests if digest and digest != "unpinned"), None) if image else None


def _memory(
    spec: Mapping[str, Any] | None, memory_gib: float, variable: str, inputs: Inputs
) -> tuple[Memory | None, dict[str, str], list[Problem]]:
    """A service's budget as the engine's own fraction: the field ``memory``, the option with its value, what is wrong.

    The fraction is the share of the device's memory, rounded down: what lies outside it (``outside_gib``) is taken off.
    """
    if spec is None:
        return None, {}, []
    outside, device = spec["outside_gib"], inputs.device_memory_gib
    budget = memory_gib - outside
    # Floats such as 30.5 / 122 * 1000 fall a hair below what they mean.
    fraction = math.floor(budget / device * 1000 + 1e-9) / 1000 if device > 0 else 0
    memory = Memory(option=f"--{spec['option']}", of=spec["of"], budget_bytes=max(0, int(budget * GIB)))
    if 0 < fraction <= 1:
        return memory, {spec["option"]: f"{fraction:.3f}"}, []
    reason = (
        f"{outside:g} GiB of it lie outside what --{spec['option']} governs, so {budget:g} GiB of the device's {device:.1f} GiB "
        f"would be its share: a fraction of {fraction:g}, and it has to be above 0 and at most 1."
    )
    remedy = f"Choose a memory_gib between {outside + device / 1000:.1f} and {device + outside:.1f}."
    return memory, {}, [Problem("THOR-MEMORY-FRACTION", variable, memory_gib, reason, remedy)]


def _generation_config(
    engine: Mapping[str, Any], chosen: Mapping[str, Any], artifact: HubArtifact | UrlArtifact
) -> GenerationConfig | None:
    """Sampling values that the chat endpoint takes from the model's generation_config.json and from no option."""
    values = chosen.get(engine.get("chat_sampling_option") or "")
    if isinstance(values, str):
        try:
            values = json.loads(values)
        except ValueError:
            return None  # said by options.check
    if not isinstance(values, Mapping) or not values:
        return None
    return GenerationConfig(path=f"{artifact.path}/generation_config.json", values=dict(values))


def _unbounded(services: Sequence[Service], catalog: Catalog) -> list[Problem]:
    """Services whose engine does not keep to its budget, beside others that live of the same memory."""
    problems: list[Problem] = []
    for service in services:
        others = [other.name for other in services if other is not service]
        if not service.unbounded_memory or not others or service.version is None:
            continue
        versions = catalog.engines[service.engine]["versions"]
        better = [
            version
            for version, known in versions.items()
            if not (known or {}).get("unbounded_memory") and (service.engine, version) in catalog.flags
        ]
        newer = max(better, key=_number, default=None)
        reason = (
            f"{service.engine} {service.version} does not keep to its budget of memory ({service.unbounded_memory}), and on "
            f"this host {service.name} would take what {', '.join(others)} {'needs' if len(others) == 1 else 'need'}."
        )
        lift = (
            f'Choose another version (thor_engine_versions: {{{service.engine}: "{newer}"}}), serve'
            if newer
            else "Serve"
        )
        remedy = f"{lift} {service.name} alone, or set thor_allow_unbounded_memory: true."
        problems.append(
            Problem(
                "THOR-MEMORY-UNBOUNDED",
                f"thor_services[{service.name!r}].version",
                service.version,
                reason,
                remedy,
            )
        )
    return problems


def _source(engine: Mapping[str, Any], known: Mapping[str, Any]) -> Source | None:
    if engine["kind"] != "native":
        return None
    source = dict(known.get("source") or engine["source"])
    if "commit" in known and "archive" not in source:
        source["commit"] = known["commit"]
    return Source(**source)


def _clashes(services: Sequence[Service], doubts: Sequence[set[str]]) -> list[Problem]:
    """Names and ports that two services of one host want."""
    problems: list[Problem] = []
    for key, code in (("name", "THOR-NAME-DUPLICATE"), ("port", "THOR-PORT-DUPLICATE")):
        holders: dict[Any, list[str]] = {}
        for service, doubtful in zip(services, doubts, strict=True):
            if key in doubtful:
                continue
            holders.setdefault(getattr(service, key), []).append(service.profile if key == "name" else service.name)
        for value, names in holders.items():
            if len(names) > 1:
                reason = f"{len(names)} services want it: {', '.join(names)}."
                remedy = f"Give each a {key} of its own: {{profile: ..., {key}: ...}}."
                problems.append(Problem(code, f"thor_profiles[].{key}", value, reason, remedy))
    return problems
