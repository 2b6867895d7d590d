# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Power mode, clocks and what takes memory besides the engines: what is (``observe``), and what is to do (``steps``, pure).

Sources: the tool's own output as people posted it (nvpmodel of Jetson Thor, Orin and Xavier; see
tests/unit/module_utils/observe/test_power.py).
A mode whose GPU power gating differs from the running one needs a boot: nvpmodel then asks "DO YOU WANT TO REBOOT NOW?", takes
an empty answer for no and changes nothing. On an AGX Thor that is so for 90W and 70W, not between 120W and MAXN.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

# Not thor-*.service: those are services, and a service may be called "clocks".
CLOCKS_UNIT = "jetson-thor-clocks.service"
CLOCKS_MARKER = "# The clocks of a device, kept by jetson.thor"
SYSCTL_FILE = "/etc/sysctl.d/90-jetson-thor.conf"
ZRAM_UNIT = "nvzramconfig.service"
DISPLAY_UNIT = "display-manager.service"  # an alias of gdm3.service or another
NVPMODEL_CONF = "/etc/nvpmodel.conf"
HEADLESS = "multi-user.target"
# nvpmodel answers at once; it must not stop an observation where it does not.
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
    """The modes by name, from ``nvpmodel -p --verbose`` or from nvpmodel.conf; comments and other lines are passed over."""
    return {name: int(number) for number, name in _MODEL.findall(text)}


def parse_current(text: str) -> dict[str, Any] | None:
    """The current mode from ``nvpmodel -q``: its name, and on a line of its own its id. None where none was ever set."""
    name = _CURRENT.search(text)
    if name is None:
        return None
    number = _NUMBER.search(text, name.end())
    return {"name": name[1], "id": int(number[1]) if number else None}


def find_mode(wanted: str, modes: Mapping[str, int]) -> str | None:
    """The device's own spelling of a mode's name, or None. Case does not count."""
    return next((name for name in modes if name.casefold() == wanted.casefold()), None)


def needs_reboot(output: str) -> bool:
    """Whether nvpmodel has asked for a reboot instead of changing the mode."""
    return _REBOOT.search(output) is not None


def mode_problem(wanted: str, modes: Mapping[str, int]) -> Problem:
    """What to say of a mode that the device does not have."""
    if not modes:
        reason = "nvpmodel names no modes (nvpmodel -p --verbose, /etc/nvpmodel.conf)."
        return Problem("THOR-POWER-MODE", "power_mode", wanted, reason, "Mend nvpmodel, or set power_set_mode: false.")
    names = ", ".join(sorted(modes, key=modes.__getitem__))
    reason = f"The device has no such power mode. It has {names}."
    return Problem(
        "THOR-POWER-MODE", "power_mode", wanted, reason, "Set power_mode to one of them, or power_set_mode: false."
    )


def find(program: str) -> str | None:
    """Where a tool of the device lies; Ansible's own PATH may lack sbin."""
    return shutil.which(program, path=_PATH)


def ask(*command: str, seconds: float = SECONDS) -> tuple[int | None, str]:
    """Run a tool that may want to ask something: it finds its input closed and has some seconds.

    Returns its exit status (None where it did not end or could not start) and what it said on both channels.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=seconds,
            start_new_session=True,  # no terminal to ask on either
        )
    except subprocess.TimeoutExpired as error:
        return None, (error.output or b"").decode(errors="replace")
    except OSError as error:
        return None, str(error)
    return done.returncode, done.stdout.decode(errors="replace")


def read_modes(program: str, root: Path | None = None) -> dict[str, int]:
    """The device's modes by name; where the program names none, those of its file."""
    return parse_modes(ask(program, "-p", "--verbose")[1]) or parse_modes(files.read(root, NVPMODEL_CONF) or "")


def read_current(program: str) -> dict[str, Any] | None:
    """The mode that the device is in."""
    return parse_current(ask(program, "-q")[1])


# --- What is ---


def observe(root: Path | None) -> dict[str, Any]:
    """The keys that this adds to ``thor_host``. Only reads.

    ``power.modes`` has ids by name, ``mode`` is the current one; a tool or unit that the device lacks is None.
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
    """What systemd says of units that exist, by the names that were asked for."""
    asked = list(names)
    properties = "Id,LoadState,ActiveState,UnitFileState,Result,ExecMainExitTimestampMonotonic"
    text = ask("systemctl", "show", f"--property={properties}", "--", *asked)[1]
    blocks = [dict(re.findall(r"^(\w+)=(.*)$", block, re.MULTILINE)) for block in text.strip("\n").split("\n\n")]
    if len(blocks) != len(asked):
        return {}
    return {name: block for name, block in zip(asked, blocks, strict=True) if block.get("LoadState") == "loaded"}


def _has_run(unit: Mapping[str, str]) -> bool:
    """Whether a unit that does its work and ends has done so since the host was booted."""
    return unit.get("Result") == "success" and unit.get("ExecMainExitTimestampMonotonic", "0") != "0"


def _default_target() -> str | None:
    """The target that the host boots into: the link's last station, as graphical.target may itself be linked to."""
    link = next((place for place in _TARGETS if place.is_symlink()), None)
    return os.path.basename(os.path.realpath(link)) if link else None


def _sysctl() -> dict[str, Any]:
    """Our file of kernel settings, what holds of them now, and whether the kernel lets them be set here."""
    text = files.read(None, SYSCTL_FILE)
    values = {}
    for key in parse_sysctl(text or ""):
        found = files.read(None, f"/proc/sys/{key.replace('.', '/')}")
        values[key] = " ".join(found.split()) if found is not None else None
    return {"file": text, "values": values, "writable": os.access("/proc/sys/vm/swappiness", os.W_OK)}


def parse_sysctl(text: str) -> dict[str, str]:
    """The settings of a file of sysctl.d."""
    return {key: " ".join(value.split()) for key, value in re.findall(r"^(vm\.\w+)\s*=\s*(.+)$", text, re.MULTILINE)}


# --- What is to do: pure ---


def steps(power: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What the role has to do on a host.

    ``power`` is ``thor_host.power``. ``wanted``: ``mode`` (a name, or None to leave it), ``clocks`` (bool), ``clocks_unit``
    (the text of the unit), ``headless``, ``stop_display_manager``, ``disable_zram`` (bools), ``sysctl`` (a mapping).
    Returns a flag for each step (``clocks`` is install, remove or none, ``sysctl`` write, remove or none), ``sysctl_text``,
    ``skipped`` (what this device cannot do, and why) and ``problems`` (texts with a code).
    """
    skipped: list[str] = []
    problems = list(_sysctl_problems(wanted["sysctl"]))
    mode = False
    if wanted["mode"] is not None:
        if power["nvpmodel"] is None:
            skipped.append(f"Power mode {wanted['mode']}: there is no nvpmodel on this device.")
        elif (name := find_mode(wanted["mode"], power["modes"])) is None:
            problems.append(mode_problem(wanted["mode"], power["modes"]))
        else:
            mode = (power["mode"] or {}).get("name", "").casefold() != name.casefold()
    clocks = _clocks_step(power, wanted, skipped)
    headless = wanted["headless"] and power["default_target"] != HEADLESS
    display = power["display_manager"]
    if wanted["stop_display_manager"] and display is None:
        skipped.append("Stop the display manager: this device has none.")
    if wanted["disable_zram"] and power["zram"] is None:
        skipped.append(f"Disable zram: this device has no {ZRAM_UNIT}.")
    return {
        "mode": mode,
        "clocks": clocks,
        "headless": headless,
        "stop_display_manager": bool(wanted["stop_display_manager"] and display and display["active"]),
        "disable_zram": bool(wanted["disable_zram"] and power["zram"] and power["zram"]["enabled"]),
        "sysctl": _sysctl_step(power["sysctl"], wanted["sysctl"], skipped),
        "sysctl_text": sysctl_text(wanted["sysctl"]),
        "skipped": skipped,
        "problems": [problem.text() for problem in problems],
    }


def _clocks_step(power: Mapping[str, Any], wanted: Mapping[str, Any], skipped: list[str]) -> str:
    present = power["clocks"]
    if not wanted["clocks"]:
        ours = present["unit"] is not None and present["unit"].startswith(CLOCKS_MARKER)
        return "remove" if ours else "none"
    if power["jetson_clocks"] is None:
        skipped.append("Keep the clocks at their maximum: there is no jetson_clocks on this device.")
        return "none"
    settled = present["unit"] == wanted["clocks_unit"] and present["enabled"] and present["applied"]
    return "none" if settled else "install"


def sysctl_text(settings: Mapping[str, Any]) -> str:
    """The file of sysctl.d that holds these settings."""
    lines = [f"{key} = {' '.join(str(settings[key]).split())}" for key in sorted(settings)]
    return "\n".join(["# Settings of jetson.thor (power_sysctl); changes here do not last.", *lines, ""])


def _sysctl_problems(settings: Mapping[str, Any]) -> Iterable[Problem]:
    for key, value in settings.items():
        if not re.fullmatch(r"vm\.\w+", key):
            reason = "Only memory settings of the kernel (vm.*) belong here."
            yield Problem(
                "THOR-POWER-SYSCTL", f"power_sysctl[{key!r}]", value, reason, "Set others in a file of your own."
            )
        elif isinstance(value, bool) or not re.fullmatch(r"[\d\s]+", str(value)):
            reason = "A memory setting of the kernel is a number."
            yield Problem("THOR-POWER-SYSCTL", f"power_sysctl[{key!r}]", value, reason, "Write it as a number.")


def _sysctl_step(present: Mapping[str, Any], settings: Mapping[str, Any], skipped: list[str]) -> str:
    if not settings:
        return "none" if present["file"] is None else "remove"
    if not present["writable"]:
        skipped.append(
            f"Set {', '.join(sorted(settings))}: no setting of the kernel can be written here (a container?)."
        )
        return "none"
    text = sysctl_text(settings)
    settled = present["file"] == text and present["values"] == parse_sysctl(text)
    return "none" if settled else "write"
