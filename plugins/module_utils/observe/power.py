# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Observe power mode, clocks, and what takes memory besides the engines.

The parsers follow nvpmodel's output as people posted it (Jetson Thor, Orin and Xavier; see
tests/unit/module_utils/observe/test_power.py).
A mode whose GPU power gating differs from the running one needs a reboot: nvpmodel then asks "DO YOU WANT TO REBOOT NOW?",
treats an empty answer as no, and changes nothing. On an AGX Thor this applies to 90W and 70W, not between 120W and MAXN.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import commands, files, systemd
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

# Not thor-*.service: that name is for services, and a service may be called "clocks".
CLOCKS_UNIT = "jetson-thor-clocks.service"
CLOCKS_MARKER = "# The clocks of a device, kept by jetson.thor"
HEADLESS = "multi-user.target"  # the default target of a host without a desktop
SYSCTL_FILE = "/etc/sysctl.d/90-jetson-thor.conf"
ZRAM_UNIT = "nvzramconfig.service"
DISPLAY_UNIT = "display-manager.service"  # an alias of gdm3.service or another
NVPMODEL_CONF = "/etc/nvpmodel.conf"
# nvpmodel answers at once; if it hangs, it must not hold up the observation.
SECONDS = 5

_SYSTEM = Path("/etc/systemd/system")
_TARGETS = tuple(
    Path(place) / "default.target" for place in (_SYSTEM, "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
)
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
# "NVPM VERB: POWER_MODEL: ID=0 NAME=MAXN" of -p --verbose, and "< POWER_MODEL ID=0 NAME=MAXN >" of the file.
_MODEL = re.compile(r"^(?:NVPM \w+: *POWER_MODEL: *|< *POWER_MODEL +)ID=(\d+) +NAME=(\S+)", re.MULTILINE)
_CURRENT = re.compile(r"NV Power Mode: *(\S+)")
_NUMBER = re.compile(r"^(\d+)\s*$", re.MULTILINE)
_REBOOT = re.compile(r"reboot required", re.IGNORECASE)


# --- nvpmodel ---


def parse_modes(text: str) -> dict[str, int]:
    """Mode numbers by name, from ``nvpmodel -p --verbose`` or nvpmodel.conf; comments and other lines are skipped."""
    return {name: int(number) for number, name in _MODEL.findall(text)}


def parse_current(text: str) -> dict[str, Any] | None:
    """The current mode from ``nvpmodel -q``: its name and, on the next line, its id. None if no mode was ever set."""
    name = _CURRENT.search(text)
    if name is None:
        return None
    number = _NUMBER.search(text, name.end())
    return {"name": name[1], "id": int(number[1]) if number else None}


def find_mode(wanted: str, modes: Mapping[str, int]) -> str | None:
    """The device's own spelling of a mode name, or None. Case is ignored."""
    return next((name for name in modes if name.casefold() == wanted.casefold()), None)


def needs_reboot(output: str) -> bool:
    """Whether nvpmodel asked for a reboot instead of changing the mode."""
    return _REBOOT.search(output) is not None


def mode_problem(wanted: str, modes: Mapping[str, int]) -> Problem:
    """The problem to report when the device does not have the wanted mode."""
    if not modes:
        reason = "nvpmodel names no modes (nvpmodel -p --verbose, /etc/nvpmodel.conf)."
        return Problem(
            "THOR-POWER-MODE", "power_mode", wanted, reason, "Repair nvpmodel, or set power_set_mode: false."
        )
    names = ", ".join(sorted(modes, key=modes.__getitem__))
    reason = f"The device has no such power mode. It has {names}."
    return Problem(
        "THOR-POWER-MODE", "power_mode", wanted, reason, "Set power_mode to one of them, or power_set_mode: false."
    )


def find(program: str) -> str | None:
    """Path of one of the device's tools; Ansible's own PATH may lack sbin."""
    return shutil.which(program, path=_PATH)


def ask(*command: str, seconds: float = SECONDS) -> tuple[int | None, str]:
    """Exit status and output of a tool that may prompt, see commands.answer."""
    return commands.answer(*command, seconds=seconds)


def read_modes(program: str, root: Path | None = None) -> dict[str, int]:
    """The device's modes by name; if the program lists none, those of its configuration file."""
    return parse_modes(ask(program, "-p", "--verbose")[1]) or parse_modes(files.read(root, NVPMODEL_CONF) or "")


def read_current(program: str) -> dict[str, Any] | None:
    """The device's current mode."""
    return parse_current(ask(program, "-q")[1])


# --- Observation ---


def observe(root: Path | None) -> dict[str, Any]:
    """The keys that this file contributes to ``thor_host``. Read-only.

    ``power.modes`` maps names to ids and ``mode`` is the current one; a missing tool or unit is None.
    """
    nvpmodel = find("nvpmodel")
    units = _units((CLOCKS_UNIT, DISPLAY_UNIT, ZRAM_UNIT))
    clocks, display, zram = (units.get(name, {}) for name in (CLOCKS_UNIT, DISPLAY_UNIT, ZRAM_UNIT))
    return {
        "power": {
            "nvpmodel": nvpmodel,
            "mode": read_current(nvpmodel) if nvpmodel else None,
            "modes": read_modes(nvpmodel, root) if nvpmodel else {},
            "jetson_clocks": find("jetson_clocks"),
            "clocks": {
                "unit": files.read(None, str(_SYSTEM / CLOCKS_UNIT)),
                "enabled": clocks.get("UnitFileState") == "enabled",
                "applied": _has_run(clocks),
            },
            "default_target": _default_target(),
            "display_manager": (
                {"unit": display["Id"], "active": display.get("ActiveState") == "active"} if display else None
            ),
            "zram": {"unit": ZRAM_UNIT, "enabled": zram.get("UnitFileState") == "enabled"} if zram else None,
            "sysctl": _sysctl(),
        }
    }


def _units(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """The properties of the units that exist, by the names that were queried."""
    properties = ("Id", "ActiveState", "UnitFileState", "Result", "ExecMainExitTimestampMonotonic")
    return systemd.installed(list(names), *properties)


def _has_run(unit: Mapping[str, str]) -> bool:
    """Whether a oneshot unit has succeeded since boot."""
    return unit.get("Result") == "success" and unit.get("ExecMainExitTimestampMonotonic", "0") != "0"


def _default_target() -> str | None:
    """The target that the host boots into, with all links resolved (graphical.target may itself be a link's target)."""
    link = next((place for place in _TARGETS if place.is_symlink()), None)
    return os.path.basename(os.path.realpath(link)) if link else None


def _sysctl() -> dict[str, Any]:
    """Our sysctl file, the current values of its settings, and whether the kernel lets us write them."""
    text = files.read(None, SYSCTL_FILE)
    values = {}
    for key in parse_sysctl(text or ""):
        found = files.read(None, f"/proc/sys/{key.replace('.', '/')}")
        values[key] = " ".join(found.split()) if found is not None else None
    return {"file": text, "values": values, "writable": os.access("/proc/sys/vm/swappiness", os.W_OK)}


def parse_sysctl(text: str) -> dict[str, str]:
    """The memory settings in the text of a sysctl.d file."""
    return {key: " ".join(value.split()) for key, value in re.findall(r"^(vm\.\w+)\s*=\s*(.+)$", text, re.MULTILINE)}
