# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What has to be done on a host: ``thor_services`` compared with ``thor_host``, once, for everybody. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import preflight, shares
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.builds import RECIPES
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import Settings
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Plan, Share

# A host that has nothing yet: what is planned for where nobody has looked.
BARE: dict[str, Any] = {
    "builds": {},
    "models": {},
    "images": {},
    "programs": {},
    "toolchain": {"compiler": None, "cuda": None},
    "architecture": None,
}


def plan(
    name: str,
    services: Sequence[Mapping[str, Any]],
    host: Mapping[str, Any] | None,
    settings: Settings,
    found: Sequence[Problem] = (),
) -> Plan:
    """The plan of the host ``name``. ``host`` is None where it was not observed, ``found`` is what resolve has refused."""
    problems = [*found, *preflight.unsaid(_problems(services, host, settings), found)]
    observed = host is not None
    if problems:
        return Plan(name, observed, problems=tuple(problems))
    parts = _shares(services, host or BARE, settings)
    problems = [problem for share in parts for problem in share.problems]
    return Plan(name, observed, () if problems else tuple(parts), tuple(problems))


def _problems(
    services: Sequence[Mapping[str, Any]], host: Mapping[str, Any] | None, settings: Settings
) -> list[Problem]:
    if host is not None:
        return preflight.judge(services, host, settings)
    return preflight.over_memory(
        services, settings.device_memory_gib, settings.memory_reserve_gib, "thor_device_memory_gib"
    )


def _shares(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], settings: Settings) -> list[Share]:
    """The shares of the roles, in the order in which they run."""
    return [
        shares.of_power(host, settings),
        shares.of_containers(services, host, settings),
        *(shares.of_builds(services, host, settings, role) for role in RECIPES),
        shares.of_images(services, host, settings),
        shares.of_models(services, host, settings),
    ]
