# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How a version of an engine is installed: built from source, as an image, or as Python packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BUILD, IMAGE, PACKAGES = "build", "image", "packages"
# The keys of a version that say so.
KEYS: Mapping[str, tuple[str, ...]] = {BUILD: ("commit", "source"), IMAGE: ("image",), PACKAGES: ("packages",)}
# The role that installs it; for a build the engine names its own.
ROLES: Mapping[str, str] = {IMAGE: "engine_image", PACKAGES: "python_engine"}
# The roles that build engines; plan/builds.py has their recipes.
BUILDERS = ("llama_cpp", "whisper_cpp")


def kinds_of(known: Mapping[str, Any]) -> list[str]:
    """Every kind that the entry of a version names; a valid one names exactly one."""
    return [kind for kind, keys in KEYS.items() if any(known.get(key) for key in keys)]


def kind_of(engine: Mapping[str, Any], version: str) -> str:
    """The kind of a version of a valid engine. A version that the catalog does not have counts as the default version's kind."""
    versions: Mapping[str, Mapping[str, Any]] = engine["versions"]
    return kinds_of(versions.get(version) or versions[engine["version"]])[0]


def role_of(engine: Mapping[str, Any], kind: str) -> str | None:
    """The role that installs a version of this kind; None for a build of an engine that no role builds, which is refused."""
    return ROLES.get(kind, engine.get("role"))
