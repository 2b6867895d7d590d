# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The status of all hosts as text: one table, and below it how hosts differ from their inventory. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.certificate import SOON_DAYS
from ansible_collections.jetson.thor.plugins.plugin_utils.report.text_table import text_table
from ansible_collections.jetson.thor.plugins.plugin_utils.status import words

COLUMNS = {
    "host": "host",
    "service": "service",
    "state": "state",
    "for": "for",
    "serves": "serves",
    "pin": "pin",
    "memory": "memory",
    "verify": "verify",
    "bench": "bench",
    "note": "note",
}
PIN_SHOWN = 12


def lines(hosts: Sequence[Mapping[str, Any]], now: float) -> list[str]:
    """The table of these hosts, in their order, then their differences; ``now``: seconds since 1970."""
    if not hosts:
        return []
    rows = [row for host in hosts for row in _rows(host, now)]
    below = [line for host in hosts for line in _below(host)]
    return [*text_table(rows, COLUMNS).splitlines(), *(["", *below] if below else [])]


def _rows(host: Mapping[str, Any], now: float) -> Iterator[dict[str, Any]]:
    name = host["host"]
    if host["state"] != "up":
        yield {"host": name, "state": host["state"], "note": host["reason"]}
        return
    yield {
        "host": name,
        "state": "up",
        "for": words.span(host["uptime_s"]),
        "serves": _system(host),
        "memory": _memory(host["memory"]),
        "note": "; ".join(_notes(host)),
    }
    for service in host["services"]:
        yield {"host": name, **_service(service, now)}
    if host["gateway"]:
        yield {"host": name, **_gateway(host["gateway"])}
    if host["metrics"]:
        metrics = host["metrics"]
        yield {"host": name, "service": "metrics", "state": metrics["state"], "for": words.span(metrics["for_s"])}


def _system(host: Mapping[str, Any]) -> str:
    release = [f"JetPack {host['jetpack']}" if host["jetpack"] else "", f"L4T {host['l4t']}" if host["l4t"] else ""]
    return ", ".join(filter(None, release)) or host["os"]


def _memory(memory: Mapping[str, Any]) -> str:
    total, available = memory["total"], memory["available"]
    return f"{(total - available) / 2**30:.0f} of {total / 2**30:.0f} GiB" if total and available is not None else ""


def _notes(host: Mapping[str, Any]) -> Iterator[str]:
    if host["power_mode"]:
        yield host["power_mode"]
    if host["temperature"]["celsius"] is not None:
        yield f"{host['temperature']['celsius']:.0f} °C"
    if host["slowed_by"]:
        yield "throttled"
    if models := host["disks"].get("/models"):
        yield f"/models {models['free_bytes'] / 1e9:.0f} of {models['total_bytes'] / 1e9:.0f} GB free"
    drift = host["drift"]
    if drift["problems"]:
        yield "a run would refuse"
    elif drift["in_step"]:
        yield "as in the inventory"
    else:
        yield f"differs: {_count(len(drift['steps']) + len(drift['by_hand']))}"


def _count(number: int) -> str:
    return f"{number} point" if number == 1 else f"{number} points"


def _service(service: Mapping[str, Any], now: float) -> dict[str, Any]:
    wanted = service["wanted"]
    return {
        "service": service["name"],
        "state": service["state"],
        "for": words.span(service["for_s"]),
        "serves": service["serves"],
        "pin": _short((wanted or {}).get("pin")),
        "memory": words.gib(service["memory_bytes"]),
        "verify": _verify(service["verify"], now),
        "bench": _bench(service["bench"], now),
        "note": "; ".join(_service_notes(service)),
    }


def _short(pin: str | None) -> str:
    if not pin:
        return ""
    kind, colon, value = pin.rpartition(":")
    return f"{kind}{colon}{value[:PIN_SHOWN]}"


def _service_notes(service: Mapping[str, Any]) -> Iterator[str]:
    if service["wanted"] is None:
        yield "not in the inventory"
    else:
        yield f"port {service['wanted']['port']}"
    if service["on_demand"]:
        yield "on demand"
    if service["cuda_code"]:
        yield service["cuda_code"].partition(";")[0]  # the file has all of it
    if service["restarts"]:
        yield f"restarted {service['restarts']} times" if service["restarts"] > 1 else "restarted once"
    if service["state"] in ("starting", "restarting", "failed") and service["message"]:
        yield service["message"]


def _verify(found: Mapping[str, Any] | None, now: float) -> str:
    if not found:
        return ""
    wrong = f" {', '.join(found['wrong'])}" if found["wrong"] else ""
    return f"{found['state']}{wrong}, {words.ago(_seconds(found['at']), now)}"


def _bench(found: Mapping[str, Any] | None, now: float) -> str:
    if not found:
        return ""
    load = min(
        found["loads"], key=lambda one: int(one["concurrency"]), default={"decode_tokens_per_s": {"median": None}}
    )
    rate = load["decode_tokens_per_s"]["median"]
    figure = f"{rate:.1f} tok/s" if rate is not None else found["state"]
    return f"{figure}, {words.ago(_seconds(found['at']), now)}"


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _gateway(gateway: Mapping[str, Any]) -> dict[str, Any]:
    certificate = gateway["certificate"] or {"fault": "there is no certificate"}
    notes = [f"port {', '.join(map(str, gateway['ports']))}" if gateway["ports"] else "no port is open"]
    if "fault" in certificate:
        notes.append(f"certificate: {certificate['fault']}")
    elif certificate["days"] < 0:
        notes.append(f"the certificate has ended on {certificate['ends'][:10]}")
    else:
        soon = ", soon" if certificate["days"] < SOON_DAYS else ""
        notes.append(f"certificate until {certificate['ends'][:10]} ({certificate['days']} days{soon})")
    return {
        "service": "gateway",
        "state": gateway["state"],
        "for": words.span(gateway["for_s"]),
        "memory": words.gib(gateway["memory_bytes"]),
        "note": "; ".join(notes),
    }


def _below(host: Mapping[str, Any]) -> Iterable[str]:
    """What differs, a line each."""
    drift = host.get("drift") or {"steps": [], "by_hand": [], "problems": []}
    name = host["host"]
    yield from (f"{name}: site.yml would {step}" for step in drift["steps"])
    yield from (f"{name}: by hand: {text}" for text in drift["by_hand"])
    yield from (f"{name}: site.yml would refuse: {text}" for text in drift["problems"])
    yield from (f"{name}: slowed down: {text}" for text in host.get("slowed_by") or ())
