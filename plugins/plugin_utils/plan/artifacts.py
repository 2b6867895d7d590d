# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The artifacts of all services of a host, each once, and those of them that the host lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.download import url_pin
from ansible_collections.jetson.thor.plugins.module_utils.models.store import covers, lock_digest
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem


def merge(services: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[Problem]]:
    """What the services need on disk, each directory or file once, with the union of the files that are wanted of it.

    The problems are pairs of artifacts that exclude each other (THOR-MODEL-CONFLICT).
    """
    merged: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for service in services:
        for artifact in [service["model"], *service["files"]]:
            key = _place(artifact)
            known = merged.setdefault(key, dict(artifact))
            if _identity(known) != _identity(artifact):
                problems.append(
                    Problem(
                        "THOR-MODEL-CONFLICT",
                        f"{service['name']}.model",
                        artifact["key"],
                        f"{key} would have to hold {_identity(known)} and {_identity(artifact)}.",
                        "Give both the same revision, or one of them another path.",
                    )
                )
            elif artifact["source"] == "modelscope":
                known["include"] = sorted({*known["include"], *artifact["include"]})
                known["sha256"] = {**known.get("sha256", {}), **artifact.get("sha256", {})}
    return list(merged.values()), problems


def is_present(artifact: Mapping[str, Any], held: Mapping[str, Any] | None) -> bool:
    """Whether ``held``, what ``thor_host.models`` says of the artifact's directory, answers it."""
    if held is None or not held["intact"] or held["source"] != artifact["source"]:
        return False
    if artifact["source"] == "url":
        pin = url_pin(artifact["file"], artifact["url"], artifact.get("checksum"))
        return pin in (held["include"] or [])
    if (held["id"], held["revision"]) != (artifact["id"], artifact["revision"]):
        return False
    digest = lock_digest(artifact.get("sha256") or {})
    if digest and held.get("lock") != digest:
        return False  # the module compares file by file, which costs no network either
    return all(covers(held, pattern) for pattern in artifact["include"])


def _place(artifact: Mapping[str, Any]) -> str:
    return str(artifact["path"]) if artifact["source"] == "modelscope" else f"{artifact['path']}/{artifact['file']}"


def _identity(artifact: Mapping[str, Any]) -> str:
    if artifact["source"] == "url":
        return f"{artifact['url']} ({artifact.get('checksum') or 'no checksum'})"
    return f"{artifact['id']} at {artifact['revision']}"
