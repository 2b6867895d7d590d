# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a switch needs to know of a host: hashes, modes and owners of our files, and the state of our units. Only reads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.module_utils.services import drop_ins, previous
from ansible_collections.jetson.thor.plugins.module_utils.services.compare import (
    SUPPORT_UNITS,
    Difference,
    FileState,
    ModelState,
    Observation,
    Wanted,
)
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import CONFIGS, UNITS, Disk, paths_of
from ansible_collections.jetson.thor.plugins.module_utils.services.systemctl import Systemctl
from ansible_collections.jetson.thor.plugins.module_utils.services.transaction import Transaction

# Where this collection writes for services; a test holds that no support file lies elsewhere.
OURS = (f"{UNITS}/thor*", f"{CONFIGS}/*.json", "etc/tmpfiles.d/thor.conf", "opt/thor/supervisor/**/*")


def observe(disk: Disk, systemctl: Systemctl, wanted: Wanted | None = None) -> Observation:
    """Look at everything of ours, and at what is ``wanted`` besides."""
    wanted = wanted or Wanted([], [], [])
    paths = dict.fromkeys([*_our_paths(disk), *_paths(wanted)])
    units = list(
        dict.fromkeys(
            [
                *SUPPORT_UNITS,
                *service_units(disk),
                *wanted.units,
                *(unit for one in wanted.services for unit in one.units),
            ]
        )
    )
    states = systemctl.states(units)
    drift = {
        unit: [
            text
            for path in dict.fromkeys([*state.drop_ins, *disk.drop_ins(unit)])
            if (text := drop_ins.drift(unit, path, disk.read(path)))
        ]
        for unit, state in states.items()
    }
    return Observation(
        files={path: state for path in paths if (state := _file(disk.path(path)))},
        units=states,
        services=disk.ours(),
        drift={unit: texts for unit, texts in drift.items() if texts},
        pending=Transaction.pending(disk, systemctl) is not None,
        owner=f"{os.geteuid()}:{os.getegid()}",
        models=_models(disk, wanted),
    )


def _models(disk: Disk, wanted: Wanted) -> dict[str, ModelState]:
    paths = dict.fromkeys([*disk.trees.paths(), *(tree.path for tree in wanted.models)])
    before = previous.models(disk) if paths else {}
    return {
        path: ModelState(disk.trees.current(path), sorted(disk.trees.waiting(path)), before.get(path)) for path in paths
    }


def diffs(wanted: Wanted, difference: Difference, disk: Disk) -> list[dict[str, str]]:
    """What Ansible shows with ``--diff``."""
    after = {item.path: item.content for item in difference.files if item in wanted.files}
    for name in difference.removed:
        after |= {paths_of(name)[0]: "", **{f"/{UNITS}/{unit}": "" for unit in disk.definition(name).parts}}
    for service in wanted.services:
        if service.name in difference.switched:
            after |= {item.path: item.content for item in service.files() if disk.read(item.path) != item.content}
            present = disk.definition(service.name).parts
            after |= {f"/{UNITS}/{unit}": "" for unit in present if unit not in service.parts}
    return [
        {"before_header": path, "after_header": path, "before": disk.read(path) or "", "after": text}
        for path, text in after.items()
    ]


def _paths(wanted: Wanted) -> Iterable[str]:
    yield from (item.path for item in wanted.files)
    yield from (item.path for service in wanted.services for item in service.files())


def _our_paths(disk: Disk) -> Iterable[str]:
    for pattern in OURS:
        for path in sorted(disk.root.glob(pattern)):
            if "__pycache__" not in path.parts and not path.is_dir():
                yield f"/{path.relative_to(disk.root)}"


def service_units(disk: Disk) -> list[str]:
    """The units of services and the sockets of some, whoever wrote them."""
    # systemctl refuses all units where one of them is a template (thor-drop-caches@.service).
    found = [path.name for kind in ("service", "socket") for path in disk.path(f"/{UNITS}").glob(f"thor-*.{kind}")]
    return sorted(name for name in found if "@" not in name)


def _file(path: Path) -> FileState | None:
    found = files.content(path)
    if found is None:
        return None
    status = path.lstat()
    return FileState(hashlib.sha256(found).hexdigest(), f"{status.st_mode:o}", f"{status.st_uid}:{status.st_gid}")
