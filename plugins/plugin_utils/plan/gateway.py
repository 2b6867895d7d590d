# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The gateway's share of a plan, and what has to be refused before it is set up. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import network_errors
from ansible_collections.jetson.thor.plugins.module_utils.observe.gateway import PACKAGES
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, closest, nearest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import adapters
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import certificates
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.routes import NODE_EXPORTER_PORT
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.wanted import Wanted, digest
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Kind, Share, Step

ROLE = "gateway"
# What libnginx-mod-http-lua and its dependency libnginx-mod-http-ndk put into /etc/nginx/modules-enabled.
MODULES = ("10-mod-http-ndk.conf", "50-mod-http-lua.conf")
Services = Sequence[Mapping[str, Any]]


def share(services: Services, host: Mapping[str, Any], wanted: Wanted | None) -> Share:
    """What has to be done for the gateway of a host."""
    there: Mapping[str, Any] = host.get("gateway") or {}
    if wanted is None:
        steps = [Step(Kind.REMOVE, ROLE, "gateway", "thor_gateway is not set")] if there.get("files") else []
        return Share(ROLE, tuple(steps), {"state": "absent", "packages": []})
    missing = list(there.get("missing", PACKAGES))
    changed = _changed(services, there, wanted)
    steps = [Step(Kind.INSTALL, ROLE, name, "the gateway is made of it") for name in missing]
    if wanted.renewal:
        steps.append(Step(Kind.WRITE, ROLE, f"certificate of {wanted.gateway.names[0]}", wanted.renewal))
    if changed:
        steps.append(Step(Kind.WRITE, ROLE, f"{len(changed)} gateway files", ", ".join(_short(changed))))
    unit = host.get("units", {}).get("thor-gateway.service") or {}
    if not (unit.get("active") == "active" and unit.get("enabled")):
        steps.append(Step(Kind.START, ROLE, "gateway", "not running, or not enabled" if there.get("files") else "new"))
    section = {
        "state": "present",
        "packages": missing,
        "nginx": bool(there.get("nginx")),
        "disable_modules": _unwanted_modules(there),
    }
    return Share(ROLE, tuple(steps), section, notes=(*wanted.notes, *_elsewhere(services, wanted)))


def _unwanted_modules(there: Mapping[str, Any]) -> list[str]:
    """Modules that the packages enable: an nginx that was there before does not get to load those that only the gateway needs."""
    enabled = there.get("enabled_modules", ())
    return [name for name in MODULES if name not in enabled] if there.get("nginx") else []


def _changed(services: Services, there: Mapping[str, Any], wanted: Wanted) -> list[str]:
    """Paths of files that the device does not have like this."""
    found = there.get("files", {})
    return [
        one.path
        for one in wanted.files(services)
        if found.get(one.path) != {"digest": digest(wanted.digest_key, one.content), "mode": one.mode}
    ]


def _short(paths: Sequence[str]) -> list[str]:
    """The first names of some files."""
    names = [path.rpartition("/")[2] for path in paths]
    return names if len(names) <= 3 else [*names[:3], "..."]


def problems(
    services: Services, host: Mapping[str, Any] | None, wanted: Wanted | None, complete: bool = True
) -> list[Problem]:
    """What stands in the way of the gateway. ``host`` is None if it was not observed.

    Services that are not ``complete`` have problems of their own: that a key names one that is missing may be their consequence.
    """
    if wanted is None:
        return []
    found = [*wanted.problems, *_names(services), *_own_ports(services, wanted)]
    if not (wanted.gateway.clients or wanted.problems):
        reason = "There is no key, so the gateway would refuse everybody."
        remedy = (
            "Write thor_gateway_keys: {NAME: {key: ..., models: all}}, or leave thor_gateway out (docs/gateway.md)."
        )
        found.append(Problem("THOR-GATEWAY-KEYS-NONE", "thor_gateway_keys", None, reason, remedy))
    found += _rights(services, wanted) if complete else []
    if host is not None:
        found += [*_port(host, wanted), *_clock(host, wanted), *_packages(host)]
    return found


def _names(services: Services) -> Iterator[Problem]:
    """Names that more than one service has: a request names a model and nothing else."""
    owners: dict[str, str] = {}
    for service in services:
        names = {
            service["served_name"]: "served_name",
            **{one["name"]: "loras" for one in service.get("loras") or ()},
        }
        for name, key in names.items():
            other = owners.setdefault(name, service["name"])
            if other != service["name"]:
                reason = f"{other} serves a model of this name, too, so the gateway could not tell which one a request means."
                where = f"thor_services[{service['name']!r}].{key}"
                remedy = "Give one of them another served_name, or leave thor_gateway out."
                yield Problem("THOR-GATEWAY-NAME-TWICE", where, name, reason, remedy)


def _rights(services: Services, wanted: Wanted) -> Iterator[Problem]:
    """Keys that open nothing here because of a misspelled model, and adapters that no key can be limited to.

    A key whose models are all of other hosts is right in a fleet with one list of keys: _elsewhere tells of it.
    """
    known = _known(services)
    owners: dict[str, Mapping[str, Any]] = {}  # by adapters that requests may choose in other ways, too
    for service in services:
        loras = [one["name"] for one in service.get("loras") or ()]
        if not adapters.chosen_by_name(service["argv"]):
            owners |= dict.fromkeys(loras, service)
    whole = {service[key] for service in services for key in ("name", "served_name")}
    for client in wanted.gateway.clients:
        models = client.models or ()
        for index, model in enumerate(models):
            where = f"thor_gateway_keys[{client.name!r}].models[{index}]"
            owner = owners.get(model) if model not in whole else None
            if owner and owner["name"] not in models and owner["served_name"] not in models:
                reason = f"{model!r} is an adapter, and with this engine a request may choose another one in a field of its own."
                remedy = f"Give the key the whole service ({owner['name']}), or serve the adapter with vLLM."
                yield Problem("THOR-GATEWAY-KEY-MODEL", where, None, reason, remedy)
            if model not in known and _is_misspelled(model, known) and not set(known) & set(models):
                reason = f"No service of this host is called {model!r} or serves a model of that name."
                yield Problem("THOR-GATEWAY-KEY-MODEL", where, None, reason, nearest(model, dict.fromkeys(known)))


def _is_misspelled(model: str, known: Sequence[str]) -> bool:
    """Whether a name is probably a mistyped one of these. With other numbers it is another size or version: qwen3-8b, qwen3-4b."""
    near = closest(model, known)
    return near is not None and re.sub(r"\d+", "0", model) != re.sub(r"\d+", "0", near)


def _elsewhere(services: Services, wanted: Wanted) -> Iterator[str]:
    """Models of keys that this host does not have. That is usual where a fleet has one list of keys and hosts with other services."""
    known = _known(services)
    for client in wanted.gateway.clients:
        missing = [model for model in client.models or () if model not in known]
        if missing:
            yield f"thor_gateway_keys[{client.name!r}]: {', '.join(missing)}: no service of this host has this name."


def _known(services: Services) -> list[str]:
    """All names by which keys may name what this host serves."""
    found: list[str] = []
    for service in services:
        found += [service["name"], service["served_name"], *(one["name"] for one in service.get("loras") or ())]
    return found


def _own_ports(services: Services, wanted: Wanted) -> Iterator[Problem]:
    """What else of ours has the gateway's port, or will have it."""
    port = wanted.gateway.port
    others = [
        service["name"]
        for service in services
        if port in (service["port"], (service.get("on_demand") or {}).get("engine_port"))
    ]
    if wanted.gateway.metrics and port == NODE_EXPORTER_PORT:
        others.append("The node exporter of thor_metrics")
    for other in others:
        yield Problem(
            "THOR-GATEWAY-PORT-TAKEN", "thor_gateway.port", port, f"{other} has this port.", "Choose another."
        )


def _port(host: Mapping[str, Any], wanted: Wanted) -> Iterator[Problem]:
    """Another program that listens on the gateway's port. It stays."""
    port, address = wanted.gateway.port, wanted.gateway.address
    everywhere = ("0.0.0.0", "::", "0000:0000:0000:0000:0000:0000:0000:0000")
    others = {
        _owner(socket)
        for socket in host["listening"]
        if socket["port"] == port and socket["unit"] != "thor-gateway.service"
        if socket["address"] == address or address in everywhere or socket["address"] in everywhere
    }
    for other in sorted(others):
        reason = f"{other} already listens there, and it stays as it is."
        remedy = "Choose another port (thor_gateway: {port: 8443}), or stop that program."
        yield Problem("THOR-GATEWAY-PORT-TAKEN", "thor_gateway.port", port, reason, remedy)


def _owner(socket: Mapping[str, Any]) -> str:
    if socket["pid"] is None:
        return "something that belongs to no process of this host"
    unit = f", {socket['unit']}" if socket["unit"] else ""
    return f"{socket['process'] or 'a process'} (pid {socket['pid']}{unit})"


def _clock(host: Mapping[str, Any], wanted: Wanted) -> Iterator[Problem]:
    """A clock from before the certificate begins: the times of the access log and of limits would be wrong."""
    clock = host.get("clock") or {}
    if wanted.pair is None or clock.get("synchronized") or not clock.get("time"):
        return
    begins, _ends = certificates.validity(wanted.pair.certificate)
    now = datetime.fromtimestamp(clock["time"], UTC)
    if now < begins:
        reason = (
            f"The gateway's certificate is valid from {begins:%Y-%m-%d %H:%M} UTC on, and the clock of this host is before that and "
            "not synchronized."
        )
        value = now.isoformat(timespec="seconds")
        yield Problem("THOR-CLOCK-WRONG", "thor_host.clock", value, reason, network_errors.CLOCK_REMEDY)


def _packages(host: Mapping[str, Any]) -> Iterable[Problem]:
    for name in (host.get("gateway") or {}).get("unavailable", ()):
        reason = "The gateway needs this package, and the package sources of this host do not have it."
        remedy = (
            "Enable the distribution's component with it (Ubuntu: sudo add-apt-repository universe) and run apt-get update, or leave "
            "thor_gateway out."
        )
        yield Problem("THOR-GATEWAY-PACKAGE", "thor_host.gateway.unavailable", name, reason, remedy)
