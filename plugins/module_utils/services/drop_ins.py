# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Drop-ins: files of somebody else that change a unit of ours, and are part of what runs.

They are systemd's own way for a person to change a unit, so they are never removed here. What only bounds or orders a service
is theirs to decide. What changes the command, the account, the environment or the walls around it makes another service of
it than the inventory says, and nothing is switched on top of that.
"""

from __future__ import annotations

import re
import socket

CODE = "THOR-UNIT-DRIFT"
# Resources and their limits (systemd.resource-control(5), systemd.exec(5)), order, restarts, and words.
HARMLESS = re.compile(
    r"(CPU|Memory|IO|Tasks|Startup|NUMA|Limit|Log|Syslog|Restart|StartLimit|Timeout|OOM)\w*|Nice|Slice|Delegate\w*"
    r"|After|Before|Wants|Requires\w*|Description|Documentation|WantedBy"
)
# Of all units, and so of a distribution.
GLOBAL = re.compile(r"/(service|socket|target)\.d/")


def drift(unit: str, path: str, text: str | None) -> str | None:
    """What is wrong with a drop-in of a unit, as a sentence with code and way out; None where it is a person's own affair."""
    if GLOBAL.search(path) or text is None:
        return None
    lines = re.sub(r"\\\n", " ", text).splitlines()
    keys = [line.split("=", 1)[0].strip() for line in lines if "=" in line and not line.lstrip().startswith(("#", ";"))]
    changed = sorted({key for key in keys if not HARMLESS.fullmatch(key)})
    if not changed:
        return None
    return (
        f"{CODE}: {socket.gethostname()}: {unit}: {path} = {', '.join(changed)}: this drop-in makes another service of it than the "
        f"inventory says. Nothing was changed. Remove it (rm {path}; systemctl daemon-reload), say what you need with the options "
        "and the environment of the profile, and run site.yml."
    )
