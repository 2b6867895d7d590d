# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What services need before they can be verified or measured: their units, and root."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

UNITS = Path("/etc/systemd/system")


def missing(service: Mapping[str, Any], units: Path = UNITS) -> Problem | None:
    """The problem of a service that is not deployed on this host; None if it is."""
    return None if (units / service["unit"]).exists() else absent(service)


def absent(service: Mapping[str, Any]) -> Problem:
    """The problem of a service whose unit is not on this host."""
    reason = f"The service is not deployed: {service['unit']} is not on this host."
    return Problem("THOR-NOT-DEPLOYED", f"thor_services[{service['name']}]", None, reason, "Run site.yml first.")


def all_missing(services: Sequence[Mapping[str, Any]], units: Path = UNITS) -> list[Problem]:
    """The same for several services."""
    return [problem for service in services if (problem := missing(service, units))]


def is_root() -> bool:
    """Whether this process may see and change everything on the host."""
    return os.geteuid() == 0


def no_root() -> Problem:
    """The problem of a process that is not root."""
    reason = "The play does not run as root on the host, and only root can see who owns the ports and what Docker runs."
    remedy = (
        "Leave become: true of the playbook in force (no ansible_become: false), with a user who may use sudo; add -K where sudo "
        "asks for a password."
    )
    return Problem("THOR-ROOT-MISSING", "ansible_become", None, reason, remedy)
