# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The status of one host as plain data, an entry of the status file (docs/operations.md explains its keys). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import model_origin
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import gpu_code
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Plan
from ansible_collections.jetson.thor.plugins.plugin_utils.status import words
from ansible_collections.jetson.thor.plugins.plugin_utils.status.drift import drift

# An additional key does not change it; removing a key or changing its meaning does.
SCHEMA = 1
GATEWAY, METRICS = "thor-gateway.service", "thor-metrics.timer"
UNREACHABLE = "unreachable: "


def unread(name: str, reason: str) -> dict[str, Any]:
    """A host of which nothing is known but why."""
    state = "down" if reason.startswith(UNREACHABLE) else "unreadable"
    return {"host": name, "state": state, "reason": reason, "services": []}


def host_status(
    name: str, services: Sequence[Mapping[str, Any]], plan: Plan, host: Mapping[str, Any], status: Mapping[str, Any]
) -> dict[str, Any]:
    """A host that was read: ``host`` and ``status`` are what the module host_status returned, ``services`` are ``thor_services``."""
    hottest = max(status["temperatures"].items(), key=lambda zone: zone[1], default=(None, None))
    return {
        "host": name,
        "state": "up",
        "reason": "",
        "at": words.moment(status["at"]),
        "uptime_s": status["uptime_s"],
        "device": host["device"]["model"],
        "l4t": host["l4t"],
        "jetpack": host["jetpack"],
        "os": host["os"]["name"],
        "memory": status["memory"],
        "disks": {path: _space(disk) for path, disk in host["disks"].items()},
        "power_mode": ((host.get("power") or {}).get("mode") or {}).get("name"),
        "temperature": {"zone": hottest[0], "celsius": hottest[1]},
        "slowed_by": [*status["hot"], *status["throttled"]],
        "services": [_service(one, services, host, status) for one in _names(services, host)],
        "gateway": _gateway(host, status),
        "metrics": _unit(METRICS, status),
        "last": {key: words.moment((status["last"][key] or {}).get("at")) for key in ("verify", "bench")},
        "drift": drift(plan, host, status),
    }


def _space(disk: Mapping[str, Any]) -> dict[str, Any]:
    return {key: disk[key] for key in ("free_bytes", "total_bytes")}


def _names(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any]) -> list[str]:
    """The services of the inventory in its order, then those that are only on the host."""
    return list(dict.fromkeys([*(one["name"] for one in services), *host["serving"]["services"]]))


def _service(
    name: str, services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], status: Mapping[str, Any]
) -> dict[str, Any]:
    unit = f"thor-{name}.service"
    there = status["units"].get(unit)
    wanted = next((one for one in services if one["name"] == name), None)
    socket = status["units"].get(f"thor-{name}.socket")
    is_woken = socket is not None and socket["active"] == "active"
    last = {key: _last(status["last"][key], name) for key in ("verify", "bench")}
    return {
        "name": name,
        "unit": unit,
        "state": words.state(there, is_woken),
        "since": words.moment(status["at"] - there["for_s"]) if there and there["for_s"] is not None else None,
        "for_s": there["for_s"] if there else None,
        "enabled": bool(there and there["enabled"] == "enabled"),
        "on_demand": bool(wanted and wanted["on_demand"]) if wanted else socket is not None,
        "restarts": there["restarts"] if there else None,
        "message": there["status"] if there else None,
        "serves": _serves(name, host["units"].get(unit)),
        "memory_bytes": there["memory_bytes"] if there else None,
        "wanted": _wanted(wanted) if wanted else None,
        "cuda_code": gpu_code.of(wanted, host) if wanted else None,
        **last,
    }


def _serves(name: str, unit: Mapping[str, Any] | None) -> str | None:
    """What the unit on the host serves, by its description: model, engine and version."""
    return unit["serves"].removeprefix(f"{name}, ") if unit else None


def _wanted(service: Mapping[str, Any]) -> dict[str, Any]:
    """What the inventory says: versions, and by what each is pinned."""
    model = service["model"]
    return {
        "engine": service["engine"],
        "version": service["version"],
        "engine_version": service["engine_version"],
        "kind": service["kind"],
        "pin": pin(service),
        "model": model_origin.identity(model) or model["key"],
        "revision": model_origin.revision(model),
        "api": service["api"],
        "port": service["port"],
        "memory_gib": service["memory_gib"],
    }


def pin(service: Mapping[str, Any]) -> str | None:
    """By what the engine is pinned: a digest, a commit, a checksum, the digest of a lock; None if it is not."""
    if service["kind"] == "image":
        found: str | None = service["image_digest"]
        return found
    if service["kind"] == "build":
        source = service["source"] or {}
        return source.get("commit") or (f"sha256:{source['sha256']}" if source.get("sha256") else None)
    locks = sorted(lock["sha256"] for lock in (service["packages"] or {"locks": {}})["locks"].values())
    return f"sha256:{locks[0]}" if len(locks) == 1 else None


def _last(record: Mapping[str, Any] | None, name: str) -> dict[str, Any] | None:
    """What the last verify or bench found of a service; None if it had no part in it."""
    found = next((one for one in (record or {}).get("results", ()) if one["name"] == name), None)
    if record is None or found is None:
        return None
    return {"at": words.moment(record["at"]), **{key: value for key, value in found.items() if key != "name"}}


def _unit(name: str, status: Mapping[str, Any]) -> dict[str, Any] | None:
    there = status["units"].get(name)
    if there is None:
        return None
    since = None if there["for_s"] is None else words.moment(status["at"] - there["for_s"])
    return {"unit": name, "state": words.state(there), "since": since, "for_s": there["for_s"]}


def _gateway(host: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any] | None:
    """The gateway's unit, the port that it listens on, and its certificate; None where there is none."""
    unit = _unit(GATEWAY, status)
    if unit is None:
        return None
    certificate = dict(status["certificate"]) if status["certificate"] else None
    if certificate and "ends" in certificate:
        certificate |= {key: words.moment(certificate[key]) for key in ("starts", "ends")}
    ports = {one["port"] for one in host["listening"] if one.get("unit") == GATEWAY}
    memory = status["units"][GATEWAY]["memory_bytes"]
    return {**unit, "ports": sorted(ports), "certificate": certificate, "memory_bytes": memory}
