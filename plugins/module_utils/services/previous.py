# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The record of the services as they were before the last switch: what ``restore`` brings back."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import records
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import Disk, File, ModelTree

RECORD = "/var/lib/thor/before.json"
# ``complete``: the switch that wrote it has succeeded. ``models``: the trees (model_trees.py) of the directories that it exchanged.
SHAPE = {
    "services": [{"name": str, "unit": str, "config": str, "parts?": {str: str}}],
    "complete?": bool,
    "models?": {str: str},
}
NONE = "THOR-NOTHING-BEFORE"


def services(disk: Disk) -> list[dict[str, Any]]:
    """The services before the last switch, as the module takes them; raises JobFailed where nothing was switched yet."""
    record = records.read(disk.path(RECORD), SHAPE)
    if record is None:
        raise JobFailed(
            f"{NONE}: {socket.gethostname()}: {RECORD} is not there: nothing was switched on this host yet that could be "
            "taken back. Set what it should serve in thor_profiles, and run site.yml."
        )
    found: list[dict[str, Any]] = record["services"]
    return found


def models(disk: Disk) -> dict[str, str]:
    """The identity of the tree that each directory had before the last switch, of those that it exchanged."""
    record = records.read(disk.path(RECORD), SHAPE) or {}
    found: dict[str, str] = record.get("models", {})
    return found


def trees(disk: Disk) -> list[ModelTree]:
    """What ``restore`` brings back of the models, as far as it is still there."""
    return [
        ModelTree(path, identity)
        for path, identity in models(disk).items()
        if identity == disk.trees.current(path) or identity in disk.trees.waiting(path)
    ]


def begin(disk: Disk, restore: bool, exchanged: Iterable[str] = ()) -> None:
    """Record what serves now, and reserve the room for saying in the end that the switch has succeeded.

    ``exchanged``: the directories of models that the switch exchanges.
    """
    record: dict[str, Any] = records.read(disk.path(RECORD), SHAPE) or {}
    # During a restore, and after a switch that failed, it stays as it is: that is where all of this came from.
    if not restore and record.get("complete", True):
        record = {"services": _present(disk)}
    if not restore:
        # What an earlier, failed attempt has recorded is older.
        now = {path: identity for path in exchanged if (identity := disk.trees.current(path))}
        record = {**record, "models": {**now, **record.get("models", {})}}
    disk.write(File(RECORD, records.text({**record, "complete": False}), "0600"))
    disk.stage(File(RECORD, records.text({**record, "complete": True}), "0600"))


def complete(disk: Disk) -> None:
    """The switch has succeeded. Takes no room."""
    disk.place(RECORD)


def _present(disk: Disk) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in disk.ours():
        definition = disk.definition(name)
        if definition.unit is not None and definition.config is not None:
            parts = {"parts": dict(definition.parts)} if definition.parts else {}
            found.append({"name": name, "unit": definition.unit, "config": definition.config, **parts})
    return found
