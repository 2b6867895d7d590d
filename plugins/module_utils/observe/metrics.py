# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Observe what measures a host: our files, our timer, and the node exporter, which may be somebody else's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import commands, files, systemd

ROOT = Path("/")
PROGRAM = "/opt/thor/metrics"
CONFIGURATION = "/etc/thor/metrics.json"
TIMER, UNIT = "thor-metrics.timer", "thor-metrics.service"
PACKAGE = "prometheus-node-exporter"  # of Debian and Ubuntu, and its unit
EXPORTER = f"{PACKAGE}.service"
# It is written before the package is installed: the exporter never listens on other addresses, and is ours from then on.
DROP_IN = f"/etc/systemd/system/{EXPORTER}.d/jetson-thor.conf"
TEXTFILES = "/var/lib/thor/metrics"
# Where the distribution's exporter looks unless it is told otherwise (debian/patches of prometheus-node-exporter).
DISTRIBUTION_TEXTFILES = "/var/lib/prometheus/node-exporter"
NAME = "thor.prom"
OURS = (
    f"{PROGRAM}/**/*.py".lstrip("/"),
    CONFIGURATION.lstrip("/"),
    f"etc/systemd/system/{TIMER}",
    f"etc/systemd/system/{UNIT}",
    DROP_IN.lstrip("/"),
)


def observe() -> dict[str, Any]:
    """The key that this adds to ``thor_host``. Read-only.

    ``files``: the sha256 of each of our files; ``timer``, ``exporter``: whether they run and start at boot; ``installed``: whether the
    package of the exporter is there; ``textfiles``: whether the distribution's folder for the exporter is.
    """
    units = systemd.observe([TIMER, EXPORTER], "ActiveState", "UnitFileState")
    return {
        "metrics": {
            "files": {path: hashlib.sha256(content).hexdigest() for path, content in our_files().items()},
            "timer": runs(units.get(TIMER, {})),
            "exporter": runs(units.get(EXPORTER, {})),
            "installed": _is_installed(),
            "textfiles": (ROOT / DISTRIBUTION_TEXTFILES.lstrip("/")).is_dir(),
        }
    }


def our_files() -> dict[str, bytes]:
    """The files of ours that are there, by path."""
    paths = sorted(path for pattern in OURS for path in ROOT.glob(pattern))
    found = {f"/{path.relative_to(ROOT)}": files.content(path) for path in paths if path.is_file()}
    return {path: content for path, content in found.items() if content is not None}


def runs(unit: Mapping[str, str]) -> bool:
    """Whether a unit is active and starts at boot."""
    return unit.get("ActiveState") == "active" and unit.get("UnitFileState") == "enabled"


def _is_installed() -> bool:
    status = commands.output("dpkg-query", "-W", "-f=${db:Status-Abbrev}", PACKAGE, seconds=5)
    return status[1:2] == "i"
