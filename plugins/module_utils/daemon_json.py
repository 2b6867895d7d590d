# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""dockerd's daemon.json: parsed, merged, and compared with the running dockerd. Pure.

Sources: the reference of dockerd ("Daemon configuration file" and "Configuration reload behavior") and moby's daemon/reload.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

PATH = Path("/etc/docker/daemon.json")
# The variable of dockerd that our drop-in may set.
NO_RAW = "DOCKER_INSECURE_NO_IPTABLES_RAW"
# Keys that dockerd applies on SIGHUP. Not "features": it reads the two that matter here (cdi, containerd-snapshotter) only when
# it starts.
RELOADABLE = frozenset(
    {
        "allow-nondistributable-artifacts",
        "authorization-plugins",
        "debug",
        "default-runtime",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "registry-mirrors",
        "runtimes",
        "shutdown-timeout",
    }
)
_USERINFO = re.compile(r"(://[^/\s:@\"]*):([^/\s@\"]+)@")


class Conflict(Exception):
    """A key of the file has a value of another kind, which cannot be merged. The message names both."""


# --- The file ---


def parse(text: str) -> tuple[dict[str, Any], str | None]:
    """The content of daemon.json, and what is wrong with it: ``line 3, column 5: ...`` with that line.

    As for dockerd, a file of white space is an empty configuration, and a byte order mark may precede it.
    """
    text = text.removeprefix("\ufeff")
    if not text.strip():
        return {}, None
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        lines = text.splitlines()
        line = lines[error.lineno - 1].strip() if error.lineno <= len(lines) else ""
        there = f"{redact(line)[:100]!r}" if line else "the end of the file"
        return {}, f"line {error.lineno}, column {error.colno}: {error.msg}, found {there}"
    if not isinstance(data, dict):
        return {}, f"line 1, column 1: expected a JSON object, found {redact(text.strip())[:100]!r}"
    return data, None


def render(data: Mapping[str, Any]) -> str:
    """The text of the file, indented as nvidia-ctk writes it. Keys keep their order."""
    return json.dumps(data, indent=4, ensure_ascii=False) + "\n"


def merge(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """``wanted`` over ``current``: mappings are merged, lists combined, other values replaced. Raises Conflict.

    Keys that only ``current`` has stay, and so does a runtime that is registered by its full path.
    """
    return _merge(current, wanted, "")


def _merge(current: Mapping[str, Any], wanted: Mapping[str, Any], path: str) -> dict[str, Any]:
    merged = dict(current)
    for key, value in wanted.items():
        here = f"{path}{key}"
        if key not in merged or merged[key] is None:
            merged[key] = value
            continue
        there = merged[key]
        for kind, name in ((dict, "mapping"), (list, "list")):
            if isinstance(value, kind) != isinstance(there, kind):
                raise Conflict(f"{here} is {redact(json.dumps(there))}, which does not fit with a {name}")
        if isinstance(value, dict):
            merged[key] = _merge(there, value, f"{here}.")
        elif isinstance(value, list):
            merged[key] = [*there, *(one for one in value if one not in there)]
        elif not (re.fullmatch(r"runtimes\.[^.]+\.path", here) and _same_program(value, there)):
            merged[key] = value
    return merged


def _same_program(one: object, other: object) -> bool:
    return PurePosixPath(str(one)).name == PurePosixPath(str(other)).name


def changed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Top-level keys whose values differ."""
    return sorted(key for key in {*before, *after} if before.get(key) != after.get(key))


def action(keys: Iterable[str]) -> str:
    """What dockerd needs for these keys to take effect: none, reload or restart."""
    names = set(keys)
    if not names:
        return "none"
    return "reload" if names <= RELOADABLE else "restart"


# --- The running daemon ---


def effective(info: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that ``GET /info`` reports, in the keys of daemon.json. It does not report most keys."""
    registries = info.get("RegistryConfig") or {}
    hosts = [name for name, one in (registries.get("IndexConfigs") or {}).items() if not one.get("Secure", True)]
    return {
        "runtimes": {
            name: {"path": one.get("path") or one.get("runtimeType")}
            for name, one in (info.get("Runtimes") or {}).items()
        },
        "default-runtime": info.get("DefaultRuntime"),
        "data-root": info.get("DockerRootDir"),
        "debug": info.get("Debug"),
        "live-restore": info.get("LiveRestoreEnabled"),
        "labels": list(info.get("Labels") or []),
        "log-driver": info.get("LoggingDriver"),
        "insecure-registries": sorted([*hosts, *(registries.get("InsecureRegistryCIDRs") or [])]),
        "registry-mirrors": list(registries.get("Mirrors") or []),
    }


def lacking(wanted: Mapping[str, Any], configured: Mapping[str, Any], running: Mapping[str, Any]) -> list[str]:
    """Keys of ``wanted`` that the running dockerd visibly lacks.

    ``configured`` is the whole configuration (including ``wanted``), ``running`` the result of :func:`effective`. Keys that
    dockerd does not report are not named.
    """
    return sorted(key for key in wanted if key in running and not _has(key, wanted[key], configured, running[key]))


def _has(key: str, value: Any, configured: Mapping[str, Any], there: Any) -> bool:
    if key == "runtimes":
        return all(name in there and _path(configured[key][name]) in (None, there[name]["path"]) for name in value)
    if key == "registry-mirrors":
        return {one.rstrip("/") for one in value} <= {one.rstrip("/") for one in there}
    if isinstance(value, list):
        return set(value) <= set(there)
    if key == "data-root":
        return str(value).rstrip("/") == str(there).rstrip("/")
    return bool(value == there)


def _path(runtime: Mapping[str, Any]) -> str | None:
    path = runtime.get("path")
    return str(path) if path else None


def environment_settled(wanted: Mapping[str, str], docker: Mapping[str, Any]) -> bool:
    """Whether dockerd runs with the wanted variables, whoever set them, and no drop-in of ours is left over."""
    return set(wanted.items()) <= set(docker["environment"].items()) and (bool(wanted) or docker["drop_in"] is None)


# --- What stands in the way ---


def file_problem(error: str) -> Problem:
    """A daemon.json that cannot be parsed."""
    reason = f"{error}. Docker does not start with this file, and we do not overwrite it."
    remedy = "Correct the line (sudo dockerd --validate checks the file), or move the file away."
    return Problem("THOR-DAEMON-JSON", "daemon.json", str(PATH), reason, remedy)


def conflict_problem(error: str) -> Problem:
    """A daemon.json that does not fit with the variable."""
    remedy = "Correct the file, or container_runtime_daemon_options."
    return Problem("THOR-DAEMON-JSON", "daemon.json", str(PATH), f"{error}.", remedy)


# --- What may be shown ---


def redact(data: Any) -> Any:
    """The same with passwords in URLs (proxies, mirrors) replaced by three asterisks."""
    if isinstance(data, str):
        return _USERINFO.sub(r"\1:***@", data)
    if isinstance(data, Mapping):
        return {key: redact(value) for key, value in data.items()}
    if isinstance(data, list):
        return [redact(value) for value in data]
    return data


def passwords(data: Any) -> list[str]:
    """The passwords in URLs, so that they can be kept out of a log."""
    if isinstance(data, str):
        return [match[2] for match in _USERINFO.finditer(data)]
    if isinstance(data, Mapping | list):
        values = data.values() if isinstance(data, Mapping) else data
        return [one for value in values for one in passwords(value)]
    return []
