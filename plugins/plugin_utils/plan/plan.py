# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What has to be done on a host: ``thor_services`` compared with ``thor_host``, in one place. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import DEVICE_MEMORY_GIB
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import (
    environments,
    gateway,
    memory,
    metrics,
    preflight,
    proxy,
    restart,
    shares,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import Settings
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Plan, Share

# A host that has nothing yet; the plan without an observation is for such a host.
BARE: dict[str, Any] = {
    "builds": {},
    "models": {},
    "images": {},
    "programs": {},
    "toolchain": {"compiler": None, "cuda": None},
    "architecture": None,
    "environments": {},
}


def plan(
    name: str,
    services: Sequence[Mapping[str, Any]],
    host: Mapping[str, Any] | None,
    settings: Settings,
    found: Sequence[Problem] = (),
    roles: Sequence[str] | None = None,
) -> Plan:
    """The plan of the host ``name``. ``host`` is None if it was not observed; ``found`` are the problems that resolve found.

    ``roles`` limits it to a part, for the playbooks of parts; what is refused stays the same.
    """
    settings = _trusted(settings, found)
    problems = [*found, *preflight.unsaid(_problems(services, host, settings, complete=not found), found)]
    if problems:
        return Plan(name, host is not None, problems=tuple(problems))
    return _plan(name, host is not None, _shares(services, host or BARE, settings, roles))


def plan_anew(
    name: str, services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], settings: Settings, roles: Sequence[str]
) -> Plan:
    """A new plan for some roles only, after something has changed on the host."""
    return _plan(name, True, _shares(services, host, settings, roles))


def _trusted(settings: Settings, found: Sequence[Problem]) -> Settings:
    """Without the settings of roles that have invalid variables: what follows from those is not a problem of its own."""
    if any(problem.variable.startswith("power_") for problem in found):
        settings = replace(settings, power=None)
    if any(problem.variable.startswith("container_runtime_") for problem in found):
        settings = replace(settings, container_runtime={})
    if any(problem.variable.startswith(("thor_gateway", "gateway_")) for problem in found):
        settings = replace(settings, gateway=None)
    if any(problem.variable.startswith("thor_proxy") for problem in found):
        settings = replace(settings, proxy={})
    if any(problem.variable.endswith("_device_memory_gib") for problem in found):
        settings = replace(settings, device_memory_gib=DEVICE_MEMORY_GIB)
    return settings


def _plan(name: str, observed: bool, parts: Sequence[Share]) -> Plan:
    problems = tuple(problem for share in parts for problem in share.problems)
    return Plan(name, observed, () if problems else tuple(parts), problems)


def _problems(
    services: Sequence[Mapping[str, Any]], host: Mapping[str, Any] | None, settings: Settings, complete: bool
) -> list[Problem]:
    of_gateway = gateway.problems(services, host, settings.gateway, complete)
    if host is not None:
        return [*preflight.judge(services, host, settings), *of_gateway]
    return [
        *of_gateway,
        *environments.wrong_arguments(services, settings.environments),
        *memory.over(services, settings.device_memory_gib, settings.memory_reserve_gib, "thor_device_memory_gib"),
    ]


def _shares(
    services: Sequence[Mapping[str, Any]],
    host: Mapping[str, Any],
    settings: Settings,
    roles: Sequence[str] | None = None,
) -> list[Share]:
    """The shares of these roles, in the order in which they run. Without ``roles``: of all that bring a host to what it should be."""
    found: list[Share] = []

    def done(role: str) -> Share | None:
        return next((share for share in found if share.concern == role), None)

    planned: dict[str, Callable[[], Share]] = {
        "proxy": lambda: proxy.share(host, settings.proxy),
        "power": lambda: shares.of_power(host, settings),
        "container_runtime": lambda: shares.of_containers(services, host, settings),
        "llama_cpp": lambda: shares.of_builds(services, host, settings, "llama_cpp"),
        "whisper_cpp": lambda: shares.of_builds(services, host, settings, "whisper_cpp"),
        "python_engine": lambda: shares.of_environments(services, host, settings),
        "engine_image": lambda: shares.of_images(services, host, settings, done("container_runtime")),
        "model_store": lambda: shares.of_models(services, host, settings),
        "serving": lambda: shares.of_serving(services, host, settings, found),
        "gateway": lambda: gateway.share(services, host, settings.gateway),
        "metrics": lambda: metrics.share(services, host, settings.metrics),
    }
    if roles is not None:
        planned["restart"] = lambda: restart.share(services, host, settings.restart)
    for role, share in planned.items():
        if roles is None or role in roles:
            found.append(share())
    return found
