# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The services of a host as the plan that a person reads."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.services.gpu_evidence import asked_text
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.preflight import over_memory
from ansible_collections.jetson.thor.plugins.plugin_utils.report.text_table import text_table

DOCUMENTATION = r"""
name: plan_text
short_description: The services of a host as the plan that a person reads
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - What would be served, built, pulled and fetched, with which command, and what that needs of memory and disk.
  - A service whose own options keep a part of its model off the GPU is named.
positional: device_memory_gib, memory_reserve_gib
options:
  _input:
    description: The fact C(thor_services).
    type: list
    elements: dict
    required: true
  device_memory_gib:
    description: Memory of the device in GiB.
    type: float
    required: true
  memory_reserve_gib:
    description: Memory in GiB that is kept for the system.
    type: float
    required: true
"""

EXAMPLES = r"""
- name: Show the plan
  ansible.builtin.debug:
    msg: "{{ ansible_facts['thor_services'] | jetson.thor.plan_text(122, 8) }}"
"""

RETURN = r"""
_value:
  description: The plan, line by line - Ansible's own format of results shows the line breaks of one text as C(\n).
  type: list
  elements: str
"""

SERVICES = {
    "name": "service",
    "profile": "profile",
    "served_name": "asked as",
    "address": "address",
    "port": "port",
    "api_path": "path",
    "thinking": "thinking",
    "memory_gib": "GiB",
    "state": "status",
}
ENGINES = {"what": "engine", "version": "version", "gigabytes": "GB", "pin": "pin", "how": "how"}
ARTIFACTS = {"what": "model or file", "gigabytes": "GB", "exact": "exact", "pin": "pin", "path": "path"}


def plan_text(services: Sequence[Mapping[str, Any]], device_memory_gib: float, memory_reserve_gib: float) -> list[str]:
    """Three tables, the commands, and the sums with the verdict."""
    if not services:
        return ["Nothing is served here: thor_profiles is empty."]
    rows = [{**service, "state": service["status"]["state"]} for service in services]
    engines = {
        (service["engine"], service["version"]): {
            "what": service["engine"],
            "version": service["version"],
            "gigabytes": (service.get("image_bytes") or 0) / 1e9 or None,
            "pin": _pin(service),
            "how": _how(service),
        }
        for service in services
    }
    images = {service["image"]: service.get("image_bytes") or 0 for service in services if service["image"]}
    artifacts = {one["key"]: one for service in services for one in (service["model"], *service["files"])}
    size = sum(one["bytes"] for one in artifacts.values()) / 1e9
    return [
        *text_table(rows, SERVICES).splitlines(),
        "",
        *text_table(list(engines.values()), ENGINES).splitlines(),
        "",
        *text_table([_artifact(one) for one in artifacts.values()], ARTIFACTS).splitlines(),
        "",
        *(f"{service['name']} runs: {shlex.join(service['argv'])}" for service in services),
        *(f"{service['name']}: {text}" for service in services if (text := asked_text(service.get("gpu")))),
        "",
        f"disk: {size:.1f} GB of models and files"
        + (f", about {sum(images.values()) / 1e9:.0f} GB of images" if images else ""),
        _memory(services, float(device_memory_gib), float(memory_reserve_gib)),
    ]


def _memory(services: Sequence[Mapping[str, Any]], device: float, reserve: float) -> str:
    budgets = [f"{service['memory_gib']:g}" for service in services]
    wanted = sum(service["memory_gib"] for service in services)
    left = device - reserve - wanted
    verdict = "too much" if over_memory(services, device, reserve) else "still free"
    return (
        f"memory: {' + '.join(budgets)}{f' = {wanted:g}' if len(budgets) > 1 else ''} GiB of services and {reserve:g} GiB kept for the "
        f"system, of {device:g} GiB: {round(abs(left), 3):g} GiB {verdict}"
    )


def _how(service: Mapping[str, Any]) -> str:
    source = service["source"] or {}
    if service["packages"]:
        how = f"Python packages {service['packages']['requirement']}"
    elif service["image"]:
        how = f"image {service['image']}"
    else:
        how = f"build from {source.get('archive') or source.get('git')}"
    return how if service["role"] else f"{how} (no role yet: it can be planned, not served)"


def _pin(service: Mapping[str, Any]) -> str:
    """Whether the bytes of the engine are known beforehand."""
    if service["packages"]:
        return "hashes"
    if service["image"]:
        return "digest" if service.get("image_digest") else "none: first pull"
    return "checksum" if "archive" in (service["source"] or {}) else "commit"


def _artifact(one: Mapping[str, Any]) -> dict[str, Any]:
    pinned = one.get("sha256") or one.get("checksum")
    return {
        "what": one.get("id") or one["url"],
        "gigabytes": one["bytes"] / 1e9,
        "exact": not one["estimated"],
        "pin": "checksum" if pinned else f"none: {one.get('revision') or 'first use'}",
        "path": one["path"],
    }


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names to functions."""
        return {"plan_text": plan_text}
