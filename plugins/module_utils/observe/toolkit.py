# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The NVIDIA Container Toolkit on a host: which versions suit a Thor, and which one JetPack depends on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import commands

PACKAGES = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)
# Facts: "Fix mode detection on Thor-based systems" came with 1.17.7, nvidia-cdi-refresh.service with 1.18.
MINIMUM = (1, 17, 7)
CDI_SINCE = (1, 18)
CDI_UNIT = "nvidia-cdi-refresh.service"
# JetPack's metapackages that depend on exactly one version of the toolkit (JetPack 7.1: 1.18.0-1).
_JETPACK = ("nvidia-container", "nvidia-jetpack", "nvidia-jetpack-runtime")


def number(version: str) -> tuple[int, ...] | None:
    """``1.18.1-1`` as (1, 18, 1); None if it is not a version of the package."""
    match = re.fullmatch(r"(?:\d+:)?(\d+(?:\.\d+)+)(?:[~+-][\w.+~-]+)*", version)
    return tuple(int(part) for part in match[1].split(".")) if match else None


def is_suitable(version: str) -> bool:
    """Whether this version of the toolkit supports a Thor."""
    return (number(version) or (0,)) >= MINIMUM


def is_installed(packages: Mapping[str, str]) -> bool:
    """Whether all four packages are installed, in versions that support a Thor."""
    return all(is_suitable(packages.get(name, "")) for name in PACKAGES)


def observe_jetpack() -> dict[str, Any]:
    """The keys that this adds to ``thor_host`` if no suitable toolkit is installed.

    ``jetpack_toolkit``: the version that JetPack's metapackage depends on; of the installed one, or of the one apt would install.
    ``toolkit_available``: which of the four packages the host's own sources offer, as ``NAME=VERSION``.
    """
    installed = commands.output(
        "dpkg-query", "-W", "-f=${db:Status-Abbrev}|${Package}|${Version}|${Pre-Depends}, ${Depends}\n", *_JETPACK
    )
    wanted = wanted_by_installed(installed) or wanted_by_candidates(
        commands.output("apt-cache", "show", "--no-all-versions", *_JETPACK)
    )
    madison = commands.output("apt-cache", "madison", *PACKAGES) if wanted else ""
    columns = [[word.strip() for word in line.split("|")] for line in madison.splitlines()]
    return {
        "jetpack_toolkit": wanted,
        "toolkit_available": sorted(
            {f"{name}={version}" for name, version, *_source in (c for c in columns if len(c) > 1)}
        ),
    }


def wanted_by_installed(text: str) -> dict[str, Any] | None:
    """The toolkit version that an installed metapackage depends on, from lines ``ii |PACKAGE|VERSION|DEPENDS``."""
    for line in text.splitlines():
        status, name, version, depends = (line.split("|", 3) + [""] * 4)[:4]
        if status[1:2] == "i" and (found := exact_version(depends)):
            return {"version": found, "by": f"{name} {version}", "installed": True}
    return None


def wanted_by_candidates(text: str) -> dict[str, Any] | None:
    """The same for a metapackage that apt knows but that is not installed, from ``apt-cache show``."""
    for stanza in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^([\w-]+): *(.*)$", stanza, re.MULTILINE))
        if found := exact_version(f"{fields.get('Pre-Depends', '')}, {fields.get('Depends', '')}"):
            return {"version": found, "by": f"{fields.get('Package')} {fields.get('Version')}", "installed": False}
    return None


def exact_version(depends: str) -> str | None:
    """The toolkit version in a list of dependencies, if it is an exact one."""
    for clause in depends.split(","):
        match = re.fullmatch(r"\s*([\w.+-]+)(?::\w+)?\s*\(\s*=\s*([^\s)]+)\s*\)\s*", clause)
        if match and match[1] in PACKAGES:
            return match[2]
    return None
