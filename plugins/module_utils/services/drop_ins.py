# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Drop-ins: files by which somebody else changes one of our units.

They are systemd's own way for a person to change a unit, so they are never removed here. A drop-in that only limits or orders a
service is that person's decision. One that changes the command, the account, the environment or the sandboxing makes a service that
no longer matches the inventory, and nothing is switched on top of that.
"""

from __future__ import annotations

import re
import socket

CODE = "THOR-UNIT-DRIFT"
# Resources and their limits (systemd.resource-control(5), systemd.exec(5)), order, restarts, and descriptions.
HARMLESS = re.compile(
    r"(CPU|Memory|IO|Tasks|Startup|NUMA|Limit|Log|Syslog|Restart|StartLimit|Timeout|OOM)\w*|Nice|Slice|Delegate\w*"
    r"|After|Before|Wants|Requires\w*|Description|Documentation|WantedBy"
)
# These change all units, so they come from a distribution.
GLOBAL = re.compile(r"/(service|socket|target)\.d/")


def drift(unit: str, path: str, text: str | None) -> str | None:
    """What is wrong with a unit's drop-in, as a message with code and way out; None if it is that person's own decision."""
    if GLOBAL.search(path) or text is None:
        return None
    lines = re.sub(r"\\\n", " ", text).splitlines()
    keys = [line.split("=", 1)[0].strip() for line in lines if "=" in line and not line.lstrip().startswith(("#", ";"))]
    changed = sorted({key for key in keys if not HARMLESS.fullmatch(key)})
    if not changed:
        return None
    return (
        f"{CODE}: {socket.gethostname()}: {unit}: {path} = {', '.join(changed)}: this drop-in changes the service, which no longer "
        f"matches the inventory. Nothing was changed. Remove it (rm {path}; systemctl daemon-reload), set what you need with the "
        "options and the environment of the profile, and run site.yml."
    )
