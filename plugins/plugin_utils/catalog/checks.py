# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Everything that can be wrong with one service: the single keys first, then its options and variables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, nearest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import (
    about_checks,
    choice_checks,
    exposure,
    flag_checks,
    gguf_files,
    memory,
    model_checks,
    named_files,
    on_demand,
    package_locks,
    placeholders,
    vision,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?")
# Units of ours that are not services: thor-drop-caches.socket, thor-job-*.service.
TAKEN_NAMES = re.compile(r"drop-caches|job-.*")
LONGEST = 131072  # Linux accepts no longer argument (MAX_ARG_STRLEN), and systemd no line of a unit above 1 MiB


def problems_of(draft: Draft, service: Service) -> tuple[list[Problem], frozenset[str]]:
    """What is wrong with a service, and the keys whose intended value is unclear because of that."""
    keys = {
        "name": _name(draft, service),
        "version": _version(draft),
        "port": _port(draft),
        "memory_gib": memory.budget_problems(draft),
    }
    address = _address(draft)
    problems = [
        *keys["name"],
        *keys["version"],
        *flag_checks.list_problems(draft),
        *_locks(draft, service),
        *model_checks.source_problems(draft),
        *gguf_files.problems(draft),
        *model_checks.served_name_problems(draft),
        *choice_checks.choice_problems(draft),
        *about_checks.problems(draft, service),
        *address,
        *keys["port"],
        *on_demand.problems(draft),
        *_status(draft, service),
        *_not_in([*address, *keys["port"]], _option_problems(draft, service)),
        *vision.remote_media_problems(draft),
        *keys["memory_gib"],
        *_sizes(draft, service),
    ]
    return problems, draft.unclear | {key for key, found in keys.items() if found}


def _option_problems(draft: Draft, service: Service) -> list[Problem]:
    """What is wrong with options and variables. One that is refused already is not refused again, unless it is a secret."""
    groups: tuple[Iterable[Problem], ...] = (
        flag_checks.flag_problems(draft),
        flag_checks.null_problems(draft),
        vision.folder_problems(draft),
        vision.projector_problems(draft),
        flag_checks.api_path_problems(draft, service),
        named_files.template_problems(draft),
        named_files.adapter_problems(draft),
        flag_checks.silenced_problems(draft, service),
        placeholders.placeholder_problems(draft),
    )
    problems: list[Problem] = []
    for group in groups:
        problems += _not_in(problems, group)
    problems += exposure.secret_problems(draft, service)
    return problems + _not_in(problems, exposure.unsafe_problems(draft, service))


def _not_in(refused: Iterable[Problem], found: Iterable[Problem]) -> list[Problem]:
    variables = {problem.variable for problem in refused}
    return [problem for problem in found if problem.variable not in variables]


def _name(draft: Draft, service: Service) -> list[Problem]:
    if NAME.fullmatch(service.name) and not TAKEN_NAMES.fullmatch(service.name):
        return []
    reason = f"The unit {service.unit} cannot have that name."
    remedy = "Use up to 48 lower-case letters, digits and inner hyphens, but not drop-caches or job-..."
    return [Problem("THOR-NAME-INVALID", f"{draft.place}.name", service.name, reason, remedy)]


def _version(draft: Draft) -> list[Problem]:
    name, version, versions = draft.engine_name, draft.version, draft.engine["versions"]
    if version in versions:
        return []
    where = f"{draft.place}.version" if "version" in draft.entry else f"thor_engine_versions[{name!r}]"
    reason = f"The catalog has no such version of {name}."
    remedy = f"{nearest(version, versions)} Others are added with thor_extra_engines[{name!r}].versions."
    return [Problem("THOR-VERSION-UNKNOWN", where, version, reason, remedy)]


def _locks(draft: Draft, service: Service) -> list[Problem]:
    """Python packages without a usable lock for any platform; whether it is the device's is a question for preflight."""
    if service.packages is None:
        return []
    requirement = service.packages.requirement
    found = package_locks.of(requirement, draft.catalog.locks)
    invalid = [(one, wrong) for one in found if (wrong := package_locks.wrong(requirement, one))]
    if found:
        return [Problem("THOR-LOCK-INVALID", one.path, None, wrong, _lock_again(draft, one)) for one, wrong in invalid]
    reason = f"{draft.engine_name} {draft.version} is made of Python packages, and there is no list of their hashes for any platform."
    command = package_locks.command(requirement, package_locks.made_before(requirement, draft.catalog.locks))
    remedy = f"Make one on the controller: {command}; with --output DIR in a folder of your own, which thor_package_locks names."
    return [Problem("THOR-LOCK-MISSING", draft.place, draft.profile_name, reason, remedy)]


def _lock_again(draft: Draft, file: package_locks.LockFile) -> str:
    """The way out for a lock file that cannot be used. The inventory's own folder has to be named."""
    own = draft.inputs.package_locks
    changed = {"output": own} if own and Path(file.path).parent == Path(own) else {}
    command = package_locks.command(draft.known["packages"], file.command, **changed)
    return f"Do not edit it; make it again on the controller: {command}."


def _address(draft: Draft) -> list[Problem]:
    code, reason, remedy = "", "", ""
    if draft.is_local is None:
        code, remedy = "THOR-ADDRESS-INVALID", "Write one such as 127.0.0.1."
        reason = "That is not an IP address that a service can listen on."
    elif not draft.is_local and draft.engine.get("loopback_only"):
        code, remedy = "THOR-ADDRESS-LOOPBACK", "Give this service address: 127.0.0.1."
        reason = f"Only its own device may reach {draft.engine_name}: {draft.engine['loopback_only']}"
    elif not draft.is_local and not draft.inputs.allow_unauthenticated:
        code = "THOR-ADDRESS-OPEN"
        reason = "The engines require no key: anybody who reaches this address can use them."
        remedy = "Keep 127.0.0.1, or set thor_allow_unauthenticated: true on a network that you trust."
    where = f"{draft.place}.address" if "address" in draft.entry else "thor_address"
    if draft.said_by_option("address") is not None:
        where = draft.where("options", draft.key_options["address"])
    return [Problem(code, where, draft.address, reason, remedy)] if code else []


def _port(draft: Draft) -> list[Problem]:
    if 1024 <= draft.port <= 65535:
        return []
    reason = "Services run without privileges, so only ports 1024 to 65535 are open to them."
    said, where = draft.said_by_option("port"), f"{draft.place}.port"
    if said is not None:
        where = draft.where("options", draft.key_options["port"])
    return [Problem("THOR-PORT-INVALID", where, said or draft.port, reason, "Choose one of those.")]


def _status(draft: Draft, service: Service) -> list[Problem]:
    if service.status.state != "broken" or draft.inputs.allow_broken:
        return []
    named = (
        service.version
        if service.engine_version in (None, service.version)
        else f"{service.engine_version} ({service.version})"
    )
    reason = f"This profile is known to be broken on {service.engine} {named}: {service.status.reason}"
    remedy = "Choose another version (thor_engine_versions) or profile, or set thor_allow_broken: true."
    return [Problem("THOR-STATUS-BROKEN", draft.place, draft.profile_name, reason, remedy)]


def _sizes(draft: Draft, service: Service) -> list[Problem]:
    parts = {"options": service.argv, "environment": [*service.environment, *service.environment.values()]}
    sizes = {key: sum(len(word.encode(errors="replace")) + 1 for word in words) for key, words in parts.items()}
    return [
        Problem(
            "THOR-VALUE-INVALID",
            f"{draft.place}.{key}",
            None,
            f"Together they take {size} bytes, and a process gets {LONGEST} at most.",
            "Shorten them.",
        )
        for key, size in sizes.items()
        if size > LONGEST
    ]
