# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What others do with the packages of a host: JetPack's wish for the container toolkit, and whoever installs something now."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files

TOOLKIT = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)
# Metapackages of JetPack that depend on the toolkit at one exact version (JetPack 7.1: 1.18.0-1).
JETPACK = ("nvidia-container", "nvidia-jetpack", "nvidia-jetpack-runtime")
# Comes with nvidia-container: it removes every Docker, installs docker-ce, tries again while apt is busy, and removes itself.
INSTALLER = "nv-install-docker.service"
# They take the locks again and again while they work.
_UPDATERS = ("apt-daily.service", "apt-daily-upgrade.service")
LOCKS = (
    Path("/var/lib/dpkg/lock-frontend"),
    Path("/var/lib/dpkg/lock"),
    Path("/var/lib/apt/lists/lock"),
    Path("/var/cache/apt/archives/lock"),
)
_FLOCK = "hhqqi4x"  # struct flock of fcntl(2) where off_t has 64 bits
_AT_WORK = {"activating", "active", "reloading", "deactivating"}
_SECONDS = 20


# --- Who is at work ---


def observe() -> dict[str, Any]:
    """The keys that this adds to ``thor_host``.

    ``package_work``: who installs or removes packages now, one text each. ``docker_installer``: whether JetPack's installer of
    Docker is to run at the next boot.
    """
    units = _units(INSTALLER, *_UPDATERS)
    return {
        "package_work": [
            *(f"{name} ({units[name]['ActiveState']})" for name in units if _works(units[name])),
            *_holders(),
        ],
        "docker_installer": units.get(INSTALLER, {}).get("UnitFileState") == "enabled",
    }


def _units(*names: str) -> dict[str, dict[str, str]]:
    properties = "Id,LoadState,ActiveState,UnitFileState,Job"
    text = _run("systemctl", "show", f"--property={properties}", "--", *names)
    blocks = [dict(re.findall(r"^(\w+)=(.*)$", block, re.MULTILINE)) for block in text.strip().split("\n\n")]
    return {block["Id"]: block for block in blocks if block.get("LoadState") == "loaded" and "Id" in block}


def _works(unit: dict[str, str]) -> bool:
    """Whether a unit is at work, between two attempts (activating), or about to start (it has a job)."""
    return unit.get("ActiveState") in _AT_WORK or unit.get("Job", "").split(" ")[0] not in ("", "0")


def _holders() -> list[str]:
    """Processes that hold a lock of dpkg or apt."""
    found: dict[int, list[str]] = {}
    for path in LOCKS:
        process = holder(path)
        if process:
            found.setdefault(process, []).append(str(path))
    return [
        f"{files.text(Path(f'/proc/{process}/comm')) or 'a process'} (pid {process}, holds {' and '.join(paths)})"
        for process, paths in found.items()
    ]


def holder(path: Path) -> int | None:
    """The process that holds the lock of a file, as dpkg and apt take it (fcntl); None where nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _whence, _start, _length, process = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else int(process)


# --- The toolkit that JetPack wants ---


def observe_toolkit() -> dict[str, Any]:
    """The keys that this adds to ``thor_host`` where the toolkit is not as it should be.

    ``jetpack_toolkit``: the version that JetPack's metapackage depends on, by what is installed, else by what apt would install.
    ``toolkit_available``: what of the four packages the host's own sources have, ``NAME=VERSION``.
    """
    installed = _run(
        "dpkg-query", "-W", "-f=${db:Status-Abbrev}|${Package}|${Version}|${Pre-Depends}, ${Depends}\n", *JETPACK
    )
    wanted = wanted_by_installed(installed) or wanted_by_candidates(
        _run("apt-cache", "show", "--no-all-versions", *JETPACK)
    )
    madison = _run("apt-cache", "madison", *TOOLKIT) if wanted else ""
    columns = [[word.strip() for word in line.split("|")] for line in madison.splitlines()]
    return {
        "jetpack_toolkit": wanted,
        "toolkit_available": sorted(
            {f"{name}={version}" for name, version, *_source in (c for c in columns if len(c) > 1)}
        ),
    }


def wanted_by_installed(text: str) -> dict[str, Any] | None:
    """The version of the toolkit that an installed metapackage depends on, from lines ``ii |PACKAGE|VERSION|DEPENDS``."""
    for line in text.splitlines():
        status, name, version, depends = (line.split("|", 3) + [""] * 4)[:4]
        if status[1:2] == "i" and (found := exact_version(depends)):
            return {"version": found, "by": f"{name} {version}", "installed": True}
    return None


def wanted_by_candidates(text: str) -> dict[str, Any] | None:
    """The same of a metapackage that is not installed and that apt knows, from ``apt-cache show``."""
    for stanza in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^([\w-]+): *(.*)$", stanza, re.MULTILINE))
        if found := exact_version(f"{fields.get('Pre-Depends', '')}, {fields.get('Depends', '')}"):
            return {"version": found, "by": f"{fields.get('Package')} {fields.get('Version')}", "installed": False}
    return None


def exact_version(depends: str) -> str | None:
    """The version of the toolkit in a list of dependencies, where it is an exact one."""
    for clause in depends.split(","):
        match = re.fullmatch(r"\s*([\w.+-]+)(?::\w+)?\s*\(\s*=\s*([^\s)]+)\s*\)\s*", clause)
        if match and match[1] in TOOLKIT:
            return match[2]
    return None


def _run(*command: str) -> str:
    """What a program prints; how it ends does not matter: ``apt-cache`` fails where one name of many is unknown to it."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


# --- What apt would do ---


def removed(simulation: str) -> list[str]:
    """Packages that ``apt-get --simulate`` would remove, with their versions."""
    return [
        f"{name} {version}"
        for name, version in re.findall(r"^(?:Remv|Purg) (\S+) \[([^\]]*)\]", simulation, re.MULTILINE)
    ]


def complaints(output: str) -> str:
    """What apt says of a failure, on one line: its errors, and the dependencies that it cannot meet."""
    lines = [line.strip() for line in output.splitlines()]
    told: Iterable[str] = (line for line in lines if line.startswith(("E:", "W:")) or " : " in line)
    return " ".join(told) or " ".join(" ".join(lines).split())[-300:] or "apt ended without a word"
