# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Services that start with their first request and stop when they are idle (``on_demand``), and groups that take turns (``exclusive``)."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import LOOPBACK, OnDemand, Service

UNITS = {"s": 1, "m": 60, "h": 3600}
LONGEST = 7 * 86400
# Between the port of a service and the one that its engine listens on.
PORT_DISTANCE = 10000
# What the further units of a service that starts on demand are called: thor-NAME-proxy.service.
PARTS = ("proxy", "exclusive")


def seconds(idle: int | str) -> int:
    """The idle time in seconds: 900, "900", "15m" and "900s" are the same."""
    written = str(idle)
    return int(written.rstrip("smh")) * UNITS.get(written[-1], 1)


def on_demand_of(draft: Draft) -> OnDemand | None:
    """When the service stops, and where its engine listens meanwhile; None of a service that always runs."""
    said = draft.setting("on_demand")
    if not said:
        return None
    return OnDemand(idle_seconds=seconds(said["idle"]), engine_port=said.get("port", draft.port + PORT_DISTANCE))


def exclusive_of(draft: Draft) -> str | None:
    """The group with which the service takes turns; None where it has none, or always runs."""
    group: str | None = draft.setting("exclusive")
    return group if on_demand_of(draft) else None


def listens_on(draft: Draft) -> tuple[str, int]:
    """The address and port that the engine is started with: its clients reach one that starts on demand through systemd."""
    found = on_demand_of(draft)
    return (LOOPBACK, found.engine_port) if found else (draft.address, draft.port)


def problems(draft: Draft) -> list[Problem]:
    """What is wrong with these keys of one service."""
    found = on_demand_of(draft)
    if found is None:
        return _exclusive_alone(draft)
    return [*_idle(draft, found), *_engine_port(draft, found), *_by_option(draft)]


def _exclusive_alone(draft: Draft) -> list[Problem]:
    group = draft.setting("exclusive")
    if not group or "on_demand" in draft.unclear:
        return []
    reason = "Only services that start on demand can take turns, and this one always runs."
    remedy = "Add on_demand: {idle: 15m}, or remove exclusive."
    return [Problem("THOR-EXCLUSIVE-ALWAYS", draft.where("exclusive"), group, reason, remedy)]


def _idle(draft: Draft, found: OnDemand) -> list[Problem]:
    if found.idle_seconds <= LONGEST:
        return []
    reason = f"It is {found.idle_seconds} seconds, and at most {LONGEST} (7 days) are allowed."
    remedy = "Choose a shorter time, or remove on_demand: then the service always runs."
    return [Problem("THOR-VALUE-INVALID", draft.where("on_demand", "idle"), None, reason, remedy)]


def _engine_port(draft: Draft, found: OnDemand) -> list[Problem]:
    if "port" in draft.unclear or not 1024 <= draft.port <= 65535:
        return []  # that is a problem of its own
    where, remedy = f"{draft.where('on_demand')}.port", "Choose another one: on_demand: {idle: 15m, port: 18123}."
    if not 1024 <= found.engine_port <= 65535:
        reason = "The engine listens on this port, and services have only 1024 to 65535."
        if "port" not in draft.setting("on_demand"):
            reason = f"The engine would listen on the service's port plus {PORT_DISTANCE}, and services have only 1024 to 65535."
    elif found.engine_port == draft.port:
        reason = "Clients reach the service on this port, so its engine needs another one."
    else:
        return []
    return [Problem("THOR-ON-DEMAND-PORT", where, found.engine_port, reason, remedy)]


def _by_option(draft: Draft) -> list[Problem]:
    """The engine's own options for address and port would keep it off the internal ones."""
    reason = (
        "The engine of a service that starts on demand listens on an internal port, which this option would override."
    )
    return [
        Problem(
            "THOR-ON-DEMAND-PORT",
            draft.where("options", option),
            said,
            reason,
            f"Write {key}: {said} beside on_demand instead.",
        )
        for key, option in draft.engine["listen"].items()
        if (said := draft.said_by_option(key)) is not None
    ]


def reserved_name_problems(services: Sequence[Service]) -> list[Problem]:
    """Names of services whose unit would be one of the gateway's, of the metrics', or one that belongs to another service."""
    owners = {"gateway": "the gateway", "metrics": "the metrics"}
    for service in services:
        owners |= {f"{service.name}-{part}": f"the service {service.name}" for part in PARTS}
    return [
        Problem(
            "THOR-NAME-RESERVED",
            "thor_profiles[].name",
            service.name,
            f"The unit {service.unit} is one of {owners[service.name]}.",
            "Give this service another name: {profile: ..., name: ...}.",
        )
        for service in services
        if service.name in owners
    ]
