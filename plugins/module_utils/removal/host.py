# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Everything of ours off a host and nothing else; what stays is said. Interrupted anywhere, the next run goes on."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import install_record, jobs
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed, Problem
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from ansible_collections.jetson.thor.plugins.module_utils.removal.docker import Containers
from ansible_collections.jetson.thor.plugins.module_utils.removal.folders import Account, Folders
from ansible_collections.jetson.thor.plugins.module_utils.removal.models import Models
from ansible_collections.jetson.thor.plugins.module_utils.removal.packages import Packages
from ansible_collections.jetson.thor.plugins.module_utils.removal.recorded import Recorded
from ansible_collections.jetson.thor.plugins.module_utils.removal.settings import Settings
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host, Step
from ansible_collections.jetson.thor.plugins.module_utils.removal.units import Units

ROOT = Path("/")


def steps(host: Host, params: Mapping[str, Any]) -> list[Step]:
    """The steps in their order: settings need our units, images our records, and the records go last."""
    return [
        Settings(host),
        Units(host),
        Containers(host),
        Models(host, params["models"]),
        Recorded(host),
        Packages(host, params["packages"]),
        Account(host),
        Folders(host),
    ]


def run(params: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """The result of the module. Raises Failed THOR-REMOVE-BUSY."""
    busy = jobs.running()
    if busy and not check:
        raise Failed(_busy(busy))
    host = Host(ROOT, install_record.read())
    removed: list[Removable] = []
    kept: list[Kept] = []
    for step in steps(host, params):
        found = list(step.find())
        items = [one for one in found if isinstance(one, Removable)]
        stays = [one for one in found if isinstance(one, Kept)]
        stays += [] if check else list(step.remove(items))
        names = {(one.kind, one.name) for one in stays}
        removed += [one for one in items if (one.kind, one.name) not in names]
        kept += stays
    gone = "".join(f"{one.kind} {path}\n" for one in removed for path in one.paths or (one.name,))
    return {
        "changed": bool(removed),
        "removed": [one.facts() for one in removed],
        "kept": [one.facts() for one in dict.fromkeys(kept)],
        "bytes": sum(one.bytes for one in removed),
        "diff": {"before_header": "of the collection", "after_header": "after remove", "before": gone, "after": ""},
    }


def _busy(names: list[str]) -> Problem:
    units = ", ".join(jobs.unit_of(name) for name in names)
    reason = f"{socket.gethostname()}: a run is under way. Nothing was removed."
    remedy = f"Wait for it (sudo journalctl -fu {jobs.unit_of(names[0])}), or end it: sudo systemctl stop {units.replace(',', '')}"
    return Problem("THOR-REMOVE-BUSY", "job", units, reason, remedy)
