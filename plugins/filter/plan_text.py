# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The services of a host as the plan that a person reads."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.model_origin import COMMIT
from ansible_collections.jetson.thor.plugins.module_utils.services.gpu_evidence import asked_text
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import model_code
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import GIB
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.ways import PLATFORM, UNPACKED
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import (
    asked_options,
    environments,
    gpu_code,
    memory,
    on_demand,
    own_fetches,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.report.text_table import text_table

DOCUMENTATION = r"""
name: plan_text
short_description: The services of a host as the plan that a person reads
version_added: 0.1.0
author:
  - jetson.thor contributors (@jetson-thor)
description:
  - What would be served, built, pulled and fetched, with which command, and what that needs of memory and disk.
  - Where an engine can be installed in several ways, how they compare.
  - A service whose own options keep a part of its model off the GPU is named.
  - What is known of the CUDA code of engines that are installed on the host is one line each.
positional: device_memory_gib, memory_reserve_gib, host, package_source
options:
  _input:
    description: The fact C(thor_services).
    type: list
    elements: dict
    required: true
  device_memory_gib:
    description: Memory in GiB that is assumed of a device whose own is not known.
    type: float
    required: true
  memory_reserve_gib:
    description: Memory in GiB that is kept for the system.
    type: float
    required: true
  host:
    description: The fact C(thor_host), if the host was observed.
    type: dict
    default: {}
  package_source:
    description: Where Python packages come from, in words.
    type: str
    default: the package index
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
WAYS = {
    "mark": "",
    "how": "installed as",
    "version": "version",
    "own": "engine's own",
    "fetch": "GB to fetch",
    "disk": "GB on disk",
    "origin": "from",
    "needs": "needs",
    "state": "status",
}
PACKAGE_INDEX = "the package index"
HOW = {"build": "build", "image": "image", "packages": "Python packages"}
ARTIFACTS = {"what": "model or file", "gigabytes": "GB", "exact": "exact", "pin": "pin", "path": "path"}


def plan_text(
    services: Sequence[Mapping[str, Any]],
    device_memory_gib: float,
    memory_reserve_gib: float,
    host: Mapping[str, Any] | None = None,
    package_source: str = PACKAGE_INDEX,
) -> list[str]:
    """Three tables, how ways to install an engine compare, the commands, and the sums with the verdict."""
    if not services:
        return ["Nothing is served here: thor_profiles is empty."]
    there = host or {}
    platform = environments.tag_of(there) or PLATFORM
    total = (there.get("memory") or {}).get("total_bytes")
    total_gib = total / GIB if total else float(device_memory_gib)
    rows = [{**service, "state": service["status"]["state"]} for service in services]
    engines = {
        (service["engine"], service["version"]): _engine(service, platform, package_source) for service in services
    }
    artifacts = {one["key"]: one for service in services for one in (service["model"], *service["files"])}
    return [
        *text_table(rows, SERVICES).splitlines(),
        "",
        *text_table(list(engines.values()), ENGINES).splitlines(),
        "",
        *_ways(services, package_source),
        *text_table([_artifact(one) for one in artifacts.values()], ARTIFACTS).splitlines(),
        "",
        *(f"{service['name']} runs: {shlex.join(service['argv'])}" for service in services),
        *(f"{service['name']}: {text}" for service in services if (text := asked_text(service.get("gpu")))),
        *(f"{service['name']}: {text}" for service in services if (text := _derived(service))),
        *(f"{service['name']}: {text}" for service in services if (text := _replaced(service))),
        *on_demand.lines(services),
        *model_code.lines(services, there),
        *own_fetches.lines(services),
        *gpu_code.lines(services, there),
        *(f"{service['name']}: {note}" for service in services if (note := asked_options.text(service))),
        "",
        _disk(services, list(artifacts.values()), platform),
        *memory.text(services, total_gib, float(memory_reserve_gib)),
    ]


def _derived(service: Mapping[str, Any]) -> str:
    """What nobody has written, with its value and where it was read; empty where somebody has written everything."""
    sampling = (service["about"] or {}).get("generation")
    values = {**service, "vision": bool(service["vision"]), "sampling": sampling}
    said = [f"{key} {json.dumps(values[key])} ({place})" for key, place in service["derived"].items()]
    return f"taken from its model: {', '.join(said)}" if said else ""


def _replaced(service: Mapping[str, Any]) -> str:
    """Options of earlier versions, each with what this one is given in its place; empty where there are none."""
    said = [f"{old} is {new}" for old, new in service["replaced"].items()]
    return f"in {service['engine']} {service['version']}, {', '.join(said)} today" if said else ""


def _engine(service: Mapping[str, Any], platform: str, package_source: str) -> dict[str, Any]:
    size = _lock(service, platform).get("bytes", 0) if service["packages"] else service.get("image_bytes") or 0
    return {
        "what": service["engine"],
        "version": service["version"],
        "gigabytes": size / 1e9 or None,
        "pin": _pin(service),
        "how": _how(service, platform, package_source),
    }


def _lock(service: Mapping[str, Any], platform: str) -> Mapping[str, Any]:
    """The lock that would be used on a device; on one without a lock of its own, any shows about the same."""
    locks: Mapping[str, Mapping[str, Any]] = service["packages"]["locks"]
    return locks.get(platform) or next(iter(locks.values()), {})


def _ways(services: Sequence[Mapping[str, Any]], package_source: str) -> list[str]:
    """How the ways to install an engine compare, where it has several: one table for services whose tables are the same."""
    tables: dict[tuple[str, str], list[str]] = {}
    for service in services:
        if service["ways"]:
            table = text_table([_way(service, way, package_source) for way in service["ways"]], WAYS)
            tables.setdefault((service["engine"], table), []).append(service["name"])
    return [
        line
        for (engine, table), names in tables.items()
        for line in (
            f"ways to install {engine} for {' and '.join(names)} (* is chosen; another version chooses another way):",
            *table.splitlines(),
            "",
        )
    ]


def _way(service: Mapping[str, Any], way: Mapping[str, Any], package_source: str) -> dict[str, Any]:
    size, disk = way.get("download_bytes"), way.get("disk_bytes")
    origin = way["origin"]
    if way["kind"] == "packages":
        origin = f"{way.get('packages') or 'an unknown number of'} packages of {package_source}"
    needs = {"build": "compilers", "image": "Docker", "packages": "no Docker"}[way["kind"]]
    return {
        "mark": "*" if way["kind"] == service["kind"] else " ",
        "how": HOW[way["kind"]],
        "version": way["version"],
        "own": way["engine_version"],
        "fetch": f"{'about ' if way['estimated'] else ''}{size / 1e9:.1f}" if size else None,
        "disk": f"about {disk / 1e9:.0f}" if disk else None,
        "origin": origin,
        "needs": needs,
        "state": way["state"],
    }


def _disk(services: Sequence[Mapping[str, Any]], artifacts: Sequence[Mapping[str, Any]], platform: str) -> str:
    images = {service["image"]: service.get("image_bytes") or 0 for service in services if service["image"]}
    trees = {
        (service["engine"], service["version"]): _lock(service, platform).get("bytes", 0) * UNPACKED
        for service in services
        if service["packages"]
    }
    sizes = [one["bytes"] for one in artifacts if one["source"] != "local"]
    known = [one for one in sizes if one is not None]
    unknown = len(sizes) - len(known)
    said = [f"{sum(known) / 1e9:.1f} GB of models and files"] if known or not unknown else []
    said += [f"{unknown} model{'s' if unknown > 1 else ''} of unknown size"] if unknown else []
    return (
        f"disk: {' and '.join(said)}"
        + (f", about {sum(images.values()) / 1e9:.0f} GB of images" if images else "")
        + (f", about {sum(trees.values()) / 1e9:.0f} GB of Python packages" if trees else "")
    )


def _how(service: Mapping[str, Any], platform: str, package_source: str) -> str:
    source = service["source"] or {}
    if service["packages"]:
        count = _lock(service, platform).get("packages")
        how = f"{count} Python packages of {package_source}, for {service['packages']['requirement']}"
    elif service["image"]:
        how = f"image {service['image']}"
    else:
        how = f"build from {source.get('archive') or source.get('git')}"
    return how


def _pin(service: Mapping[str, Any]) -> str:
    """Whether the bytes of the engine are known beforehand."""
    if service["packages"]:
        return "hashes"
    if service["image"]:
        if service.get("image_digest"):
            return "digest"
        return "recorded by others: first pull" if service.get("image_expected") else "none: first pull"
    return "checksum" if "archive" in (service["source"] or {}) else "commit"


def _pin_of(one: Mapping[str, Any]) -> str:
    """Whether the bytes of a model are known beforehand: by hash, by commit, or not."""
    if one.get("sha256") or one.get("checksum"):
        return "checksum"
    if one["source"] == "local":
        return "none: on the device"
    revisions = list(dict.fromkeys(source["revision"] for source in one.get("sources") or ()))
    moving = [revision for revision in revisions if not COMMIT.fullmatch(revision)]
    if revisions and not moving:
        return f"commit {' or '.join(revision[:12] for revision in revisions)}"
    return f"none: {' or '.join(moving) or 'first use'}"


def _artifact(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "what": " or ".join(source["id"] for source in one.get("sources") or ()) or one.get("url") or one["key"],
        "gigabytes": "unknown" if one["bytes"] is None else one["bytes"] / 1e9,
        "exact": one["bytes"] is not None and not one["estimated"],
        "pin": _pin_of(one),
        "path": one["path"],
    }


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names to functions."""
        return {"plan_text": plan_text}
