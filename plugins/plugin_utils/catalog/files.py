# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads the catalog's files on the controller."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import package_locks, variables
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.package_locks import LockFile
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.schema import NOUNS
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.speeds import Speed, speeds

ROLES = Path(__file__).resolve().parents[3] / "roles"
CATALOG = str(ROLES / "catalog" / "files")


@cache
def files(folder: str) -> dict[str, Any]:
    """The catalog's files: ``{"engines": {...}, "models": {...}, "profiles": {...}, "lock": {...}}``.

    They are the collection's own, so an error in them is a defect and may raise. Each process reads them once.
    """
    data: dict[str, Any] = {}
    for noun in NOUNS:
        data[noun] = yaml_load(Path(folder, f"{noun}.yml").read_text(encoding="utf-8"))[noun]
    data["lock"] = yaml_load(Path(folder, "lock.yml").read_text(encoding="utf-8")) or {}
    return data


@cache
def flags(folder: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Every stored list of an engine's options, by the engine and its own version."""
    return {version: content["options"] for version, content in _stored(folder).items()}


@cache
def architectures(folder: str, key: str = "architectures") -> dict[tuple[str, str], frozenset[str]]:
    """The architectures of models that engines have, by the engine and its own version, where a list is stored.

    With ``transformers`` as ``key`` those that the Transformers of this version can run for it.
    """
    return {version: frozenset(content[key]) for version, content in _stored(folder).items() if content.get(key)}


@cache
def _stored(folder: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What engines have said of themselves, by the engine and its own version."""
    contents = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(folder, "flags").glob("*.json")))
    return {(content["engine"], content["version"]): content for content in contents}


def locks(folder: str, own: str = "") -> tuple[LockFile, ...]:
    """The lock files of Python packages: those in the inventory's ``own`` folder before the collection's."""
    return (*(package_locks.read(own) if own else ()), *package_locks.read(str(Path(folder, "packages"))))


def read(folder: str) -> None:
    """Read all that resolving needs of a catalog, for the processes that are forked from this one."""
    for part in (files, flags, architectures, locks):
        part(folder)
    architectures(folder, "transformers")


@cache
def reference() -> dict[str, Any]:
    """What was measured on a Jetson Thor, and by whom: the catalog's reference table, and everybody else's ``rows``."""
    path = ROLES / "catalog" / "files" / "reference.yml"
    table: dict[str, Any] = yaml_load(path.read_text(encoding="utf-8"))["reference"]
    return {**table, "rows": published_speeds()}


@cache
def published_speeds() -> tuple[Speed, ...]:
    """What others measured on a Jetson Thor, one row a measurement."""
    path = ROLES / "catalog" / "files" / "speeds.yml"
    return speeds(yaml_load(path.read_text(encoding="utf-8"))["speeds"])


@cache
def role_variables() -> frozenset[str]:
    """The variables of all roles, from their defaults."""
    texts = (path.read_text(encoding="utf-8") for path in ROLES.glob("*/defaults/main.yml"))
    return frozenset(name for text in texts for name in re.findall(r"^(\w+):", text, re.MULTILINE))


def unknown_variables(names: Iterable[str]) -> variables.Unknown:
    """Names of a host's variables that nothing reads, although they look like variables of this collection."""
    return variables.unknown(
        names, role_variables(), [path.parents[1].name for path in ROLES.glob("*/defaults/main.yml")]
    )
