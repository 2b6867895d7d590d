# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The supervisor of version 0.1, a single script: removed as soon as nothing can start it any more."""

from __future__ import annotations

import contextlib
import shutil

from ansible_collections.jetson.thor.plugins.module_utils.services import previous
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import Disk

SCRIPT = "/opt/thor/bin/thor-serve"
LIBRARY = "/opt/thor/lib"


def remove(disk: Disk) -> None:
    """Remove it unless a unit of a service starts it, or one that a rollback would bring back."""
    units = [disk.definition(name).unit for name in disk.ours()] + [one["unit"] for one in previous.services(disk)]
    if any(SCRIPT in (unit or "") for unit in units):
        return
    shutil.rmtree(disk.path(LIBRARY), ignore_errors=True)
    with contextlib.suppress(OSError):  # it harms nobody where it stays
        disk.remove(SCRIPT)
        disk.path(SCRIPT).parent.rmdir()
