# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which services of a host playbooks/restart.yml restarts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, nearest
from ansible_collections.jetson.thor.plugins.module_utils.services import deployed
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Kind, Share, Step

ROLE = "restart"


def share(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], names: Sequence[str]) -> Share:
    """The services with these names, or all of them. What is not on the host cannot be restarted."""
    known = [service["name"] for service in services]
    wanted = [service for service in services if not names or service["name"] in names]
    problems = [
        Problem(
            "THOR-SERVICE-UNKNOWN",
            "thor_service",
            name,
            f"This host serves {', '.join(known) or 'nothing'}.",
            nearest(name, known) if known else "Leave the host out of the run (-l).",
        )
        for name in names
        if name not in known
    ]
    problems += [deployed.absent(service) for service in wanted if service["unit"] not in host.get("units", {})]
    steps = tuple(Step(Kind.RESTART, ROLE, service["name"], "restart.yml was run") for service in wanted)
    keys = [(service["name"], service["unit"], bool(service.get("on_demand"))) for service in wanted]
    section = {"services": [{"name": name, "unit": unit, "on_demand": demand} for name, unit, demand in keys]}
    return Share(ROLE, () if problems else steps, section, tuple(problems))
