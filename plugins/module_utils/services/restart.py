# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Restart services, one after the other, each with the definition that it has.

It runs under the name of the switch (jobs.py), so that the two never change services at the same time.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from ansible_collections.jetson.thor.plugins.module_utils.services.failure import journal_text, reason_of, unit_names
from ansible_collections.jetson.thor.plugins.module_utils.services.parts import proxy_of
from ansible_collections.jetson.thor.plugins.module_utils.services.switch import START_FAILED, Progress
from ansible_collections.jetson.thor.plugins.module_utils.services.systemctl import Systemctl

TARGET = "services.restart"


def run_job(spec: dict[str, Any], report: Progress) -> dict[str, Any]:
    """Restart ``services`` of ``spec``; return the module's result, or raise JobFailed."""
    return restart(spec["services"], Systemctl(), report)


def restart(services: Sequence[Mapping[str, Any]], systemctl: Systemctl, report: Progress) -> dict[str, Any]:
    """Restart each service (``name``, ``unit``, ``on_demand``) when the one before it has answered. Raises JobFailed at the first
    that does not. One that starts on demand is restarted, and held up for the idle time, by its door.
    """
    done: list[str] = []
    for number, service in enumerate(services):
        unit = service["unit"]
        report.progress(number, len(services), text=f"restarting {unit}")
        report.say(f"restart {unit}")
        since = time.time()
        door = proxy_of(service["name"]) if service.get("on_demand") else None
        tell = _teller(report, number, len(services), unit)
        if not (systemctl.start(door, True, tell, unit) if door else systemctl.start(unit, True, tell)):
            left = [one["name"] for one in services[number + 1 :]]
            raise _failed(unit, systemctl.journal(unit, since), done, left)
        done.append(service["name"])
    report.progress(len(services), len(services))
    return {"changed": bool(done), "restarted": done}


def _teller(report: Progress, number: int, total: int, unit: str) -> Any:
    return lambda status: report.progress(number, total, text=f"{unit}: {status}")


def _failed(unit: str, journal: list[str], done: Sequence[str], left: Sequence[str]) -> JobFailed:
    cause, reason = reason_of(journal)
    lines = [
        f"{START_FAILED}: {socket.gethostname()}: {unit} was restarted but has not answered: {f'{cause}: ' if cause else ''}{reason}",
        f"Systemd keeps trying to start it. Restarted before it: {unit_names(done) or 'none'}. "
        f"Left as they are: {unit_names(left) or 'none'}.",
        "Fix what the journal names, then run the play again.",
        *journal_text(unit, journal),
    ]
    return JobFailed(
        "\n".join(lines), code=START_FAILED, cause=cause, unit=unit, reason=reason, restarted=list(done), changed=True
    )
