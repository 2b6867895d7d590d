# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the role metrics puts on a host, and whether it has anything to do there. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import records
from ansible_collections.jetson.thor.plugins.module_utils.observe import metrics as observed
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import UNITS, File
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import role_variables
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.schema import SWITCH
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.routes import NODE_EXPORTER_PORT
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Kind, Share, Step
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import support_files

ROLE = "metrics"
ROOT = Path(__file__).resolve().parents[3]
# What the program on the device imports of the device's code; a test runs it with these files alone.
SHARED = (
    *("commands.py", "files.py", "problems.py", "records.py", "systemd.py"),
    *(f"observe/{name}.py" for name in ("nvidia_smi", "power", "sensors")),
    *(f"metrics/{name}.py" for name in ("certificate", "device", "exposition", "services", "textfile")),
)


@dataclass(frozen=True)
class MetricsSettings:
    """What people set of the role."""

    enabled: bool = False
    bench_floor: float = 0.9
    facts_root: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> MetricsSettings:
        """From the variables of the role, as people wrote them."""
        enabled = role_variables.coerce(given["enabled"], SWITCH) is True  # anything else than a switch is refused
        return cls(**{**given, "enabled": enabled})


def share(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], settings: MetricsSettings) -> Share:
    """The share of the role: a host that is not to be measured, and is not, has none."""
    there = host.get("metrics")
    if there is None:  # not observed
        due = [Step(Kind.INSTALL, ROLE, "metrics", "thor_metrics is true")] if settings.enabled else []
        return Share(ROLE, tuple(due))
    if not settings.enabled:
        due = [Step(Kind.REMOVE, ROLE, "metrics", "thor_metrics is false")] if there["files"] else []
        return Share(ROLE, tuple(due), {"state": "absent", "install": False, "exporter": False})
    foreign = foreign_exporter(host)
    differing = [one.path for one in files(services, host, settings) if _sum(one) != there["files"].get(one.path)]
    stale = sorted(set(there["files"]) - {one.path for one in files(services, host, settings)})
    install = not foreign and not there["installed"]
    steps = [
        (install, Step(Kind.INSTALL, ROLE, "node exporter", "not installed")),
        (bool(differing or stale), Step(Kind.WRITE, ROLE, "metrics", _named([*differing, *stale]))),
        (not there["timer"], Step(Kind.START, ROLE, observed.TIMER, "not running, or not enabled")),
        (
            not foreign and not install and not there["exporter"],
            Step(Kind.START, ROLE, observed.PACKAGE, "not running, or not enabled"),
        ),
    ]
    section = {"state": "present", "install": install, "exporter": not foreign}
    return Share(ROLE, tuple(step for due, step in steps if due), section, (), tuple(_notes(foreign, there)))


def foreign_exporter(host: Mapping[str, Any]) -> str | None:
    """Somebody else's node exporter, or whatever else has its port; None if the exporter is ours to install and to run."""
    there = host["metrics"]
    if observed.DROP_IN in there["files"]:
        return None
    if there["installed"]:
        return observed.PACKAGE
    holders = [one for one in host.get("listening") or () if one["port"] == NODE_EXPORTER_PORT]
    return next((str(one["unit"] or one["process"] or f"port {NODE_EXPORTER_PORT}") for one in holders), None)


def _notes(foreign: str | None, there: Mapping[str, Any]) -> list[str]:
    if foreign is None:
        return []
    if there["textfiles"]:
        return [f"Node exporter: {foreign} was there before and stays as it is; it shows our metrics, too."]
    return [
        f"Node exporter: {foreign} has port {NODE_EXPORTER_PORT} and stays as it is. To see our metrics as well, start it with "
        f"--collector.textfile.directory={observed.TEXTFILES}."
    ]


def _named(paths: Sequence[str]) -> str:
    return ", ".join(paths) if len(paths) < 4 else f"{len(paths)} files"


def _sum(item: File) -> str:
    return hashlib.sha256(item.content.encode()).hexdigest()


def files(
    services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], settings: MetricsSettings
) -> tuple[File, ...]:
    """All files of ours on a host that is measured; none otherwise. ``host`` is ``thor_host``."""
    if not settings.enabled:
        return ()
    foreign = foreign_exporter(host)
    folder = observed.DISTRIBUTION_TEXTFILES if foreign and host["metrics"]["textfiles"] else observed.TEXTFILES
    configuration = {
        "textfile": f"{folder}/{observed.NAME}",
        "facts_root": settings.facts_root,
        "services": [
            {
                "name": one["name"],
                "unit": one["unit"],
                "on_demand": one.get("on_demand") is not None,
                "floor_share": settings.bench_floor,
            }
            for one in services
        ],
    }
    ours = (
        ()
        if foreign
        else (File(observed.DROP_IN, support_files.text(ROOT / "roles" / ROLE / "files" / "jetson-thor.conf")),)
    )
    return (*_program(), File(observed.CONFIGURATION, records.text(configuration)), *ours)


@cache
def _program() -> tuple[File, ...]:
    """The program, its unit and its timer: the same on every host."""
    sources = ROOT / "roles" / ROLE / "files"
    return (
        *support_files.device_program(observed.PROGRAM, sources, SHARED),
        *(File(f"/{UNITS}/{name}", support_files.text(sources / name)) for name in (observed.UNIT, observed.TIMER)),
    )
