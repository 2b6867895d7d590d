# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How a switch failed, in words: the reason from the service's journal, and the failure of one that was interrupted."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed

JOURNAL_LINES = 30  # shown
BROKEN = "THOR-SWITCH-BROKEN"

# What systemd says of every failure, whatever the reason is.
_VERDICT = re.compile(
    r"^(Starting |Failed to start |\S+\.service: (Main process exited|Failed with result|Scheduled restart))"
)
_EXCEPTION = re.compile(r"(?:^|[\s.])[A-Z]\w*(?:Error|Exception): \S")
# thor-serve: the supervisor of version 0.1, which a rollback may start again.
_CODE = re.compile(r"\b(?:supervisor|thor-serve): (THOR-[A-Z]+(?:-[A-Z]+)*): (.+)$")


def unit_names(services: Sequence[str]) -> str:
    """The units of these services, as a list in a sentence."""
    return ", ".join(f"thor-{name}.service" for name in services)


def reason_of(journal: Sequence[str]) -> tuple[str | None, str]:
    """The code and the reason that the supervisor wrote last; None and systemd's last words where it wrote none."""
    for line in reversed(journal):
        if found := _CODE.search(line):
            return found[1], found[2]
    telling = [line.strip() for line in journal if line.strip() and not _VERDICT.search(line)]
    return None, telling[-1] if telling else "its journal says nothing"


def journal_text(unit: str, journal: Sequence[str]) -> list[str]:
    """The last lines of a unit's journal, to be shown, and the first exception of a Python engine where they do not hold it."""
    last = journal[-JOURNAL_LINES:]
    first = next((line for line in journal if _EXCEPTION.search(line)), None)
    exception = (
        [] if first is None or first in last else ["The first exception in its journal:", f"    {first.strip()}"]
    )
    return [*exception, f"The last lines of journalctl -u {unit}:", *(f"    {line}" for line in last)]


def broken(error: Exception, now: str) -> JobFailed:
    """The failure of a switch that was interrupted; ``now`` says what became of what it had begun."""
    return JobFailed(
        f"{BROKEN}: {socket.gethostname()}: the switch was interrupted: {type(error).__name__}: {error}. {now} "
        "Fix that on the host (a full or read-only disk?), then run the play again.",
        changed=True,
    )
