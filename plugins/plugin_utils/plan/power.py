# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What must change about a host's power mode, clocks and memory settings. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.observe import power as observed
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem


@dataclass(frozen=True)
class PowerSteps:
    """The steps that are due on a host, what it cannot do, and what is refused."""

    mode: bool
    clocks: str  # install, remove or none
    relock: bool  # setting a mode undoes the clock lock, which stays
    headless: bool
    stop_display_manager: bool
    disable_zram: bool
    sysctl: str  # write, remove or none
    sysctl_text: str  # the file to write
    skipped: tuple[str, ...]  # what this device cannot do, and why
    problems: tuple[Problem, ...]

    @property
    def due(self) -> bool:
        """Whether anything would change."""
        flags = (self.mode, self.headless, self.stop_display_manager, self.disable_zram)
        return any(flags) or (self.clocks, self.sysctl) != ("none", "none")


def steps(power: Mapping[str, Any], wanted: Mapping[str, Any]) -> PowerSteps:
    """Compare ``power``, which is ``thor_host.power``, with what is wanted.

    ``wanted`` has ``mode`` (a name, or None to leave it alone), ``clocks`` (bool), ``clocks_unit`` (the text of the unit),
    ``headless``, ``stop_display_manager``, ``disable_zram`` (bools) and ``sysctl`` (a mapping).
    """
    skipped: list[str] = []
    problems = list(_sysctl_problems(wanted["sysctl"]))
    mode = _mode_step(power, wanted["mode"], skipped, problems)
    clocks = _clocks_step(power, wanted, skipped)
    display, zram = power["display_manager"], power["zram"]
    if wanted["stop_display_manager"] and display is None:
        skipped.append("Stop the display manager: this device has none.")
    if wanted["disable_zram"] and zram is None:
        skipped.append(f"Disable zram: this device has no {observed.ZRAM_UNIT}.")
    sysctl = _sysctl_step(power["sysctl"], wanted["sysctl"], skipped)
    return PowerSteps(
        mode=mode,
        clocks=clocks,
        relock=mode and wanted["clocks"] and clocks == "none" and power["clocks"]["unit"] is not None,
        headless=wanted["headless"] and power["default_target"] != observed.HEADLESS,
        stop_display_manager=bool(wanted["stop_display_manager"] and display and display["active"]),
        disable_zram=bool(wanted["disable_zram"] and zram and zram["enabled"]),
        sysctl=sysctl,
        sysctl_text=sysctl_text(wanted["sysctl"]),
        skipped=tuple(skipped),
        problems=tuple(problems),
    )


def _mode_step(power: Mapping[str, Any], wanted: str | None, skipped: list[str], problems: list[Problem]) -> bool:
    if wanted is None:
        return False
    if power["nvpmodel"] is None:
        skipped.append(f"Power mode {wanted}: there is no nvpmodel on this device.")
        return False
    name = observed.find_mode(wanted, power["modes"])
    if name is None:
        problems.append(observed.mode_problem(wanted, power["modes"]))
        return False
    return str((power["mode"] or {}).get("name", "")).casefold() != name.casefold()


def _clocks_step(power: Mapping[str, Any], wanted: Mapping[str, Any], skipped: list[str]) -> str:
    present = power["clocks"]
    if not wanted["clocks"]:
        ours = present["unit"] is not None and present["unit"].startswith(observed.CLOCKS_MARKER)
        return "remove" if ours else "none"
    if power["jetson_clocks"] is None:
        skipped.append("Lock the clocks at their maximum: there is no jetson_clocks on this device.")
        return "none"
    settled = present["unit"] == wanted["clocks_unit"] and present["enabled"] and present["applied"]
    return "none" if settled else "install"


def sysctl_text(settings: Mapping[str, Any]) -> str:
    """The sysctl.d file that holds these settings."""
    lines = [f"{key} = {' '.join(str(settings[key]).split())}" for key in sorted(settings)]
    return "\n".join(["# Settings of jetson.thor (power_sysctl); changes here do not last.", *lines, ""])


def _sysctl_problems(settings: Mapping[str, Any]) -> Iterable[Problem]:
    for key, value in settings.items():
        if not re.fullmatch(r"vm\.\w+", key):
            reason = "Only the kernel's memory settings (vm.*) belong here."
            remedy = "Set others in a file of your own."
        elif isinstance(value, bool) or not re.fullmatch(r"[\d\s]+", str(value)):
            reason = "A memory setting of the kernel is a number."
            remedy = "Write it as a number."
        else:
            continue
        yield Problem("THOR-POWER-SYSCTL", f"power_sysctl[{key!r}]", value, reason, remedy)


def _sysctl_step(present: Mapping[str, Any], settings: Mapping[str, Any], skipped: list[str]) -> str:
    if not settings:
        return "none" if present["file"] is None else "remove"
    if not present["writable"]:
        names = ", ".join(sorted(settings))
        skipped.append(f"Set {names}: kernel settings cannot be written here (a container?).")
        return "none"
    text = sysctl_text(settings)
    settled = present["file"] == text and present["values"] == observed.parse_sysctl(text)
    return "none" if settled else "write"
