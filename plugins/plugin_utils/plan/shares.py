# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The share of each role in the plan of a host: its steps with reasons and sizes, and the section that the role acts on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.observe.power import SYSCTL_FILE
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import builds, container_runtime, images, models, power
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import Settings
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Kind, Share, Step

Services = Sequence[Mapping[str, Any]]
Host = Mapping[str, Any]

_MODELS = "model_store"
_IMAGES = "engine_image"
_CONTAINERS = "container_runtime"


def of_power(host: Host, settings: Settings) -> Share:
    """Power mode, clocks and what takes memory besides the engines."""
    if settings.power is None or host.get("power") is None:
        return Share("power")
    wanted, decided = settings.power, power.steps(host["power"], settings.power)
    mode = (host["power"]["mode"] or {}).get("name")
    found = [
        (decided.mode, Kind.CONFIGURE, f"power mode {wanted['mode']}", f"it is {mode or 'not set'}"),
        (decided.clocks == "install", Kind.CONFIGURE, "clocks", "they are not locked at their maximum"),
        (decided.clocks == "remove", Kind.REMOVE, "clock lock", "power_lock_clocks is false"),
        (decided.headless, Kind.CONFIGURE, "boot without desktop", "power_headless is true"),
        (decided.stop_display_manager, Kind.CONFIGURE, "display manager", "power_stop_display_manager is true"),
        (decided.disable_zram, Kind.CONFIGURE, "zram", "power_disable_zram is true"),
        (decided.sysctl == "write", Kind.WRITE, SYSCTL_FILE, "it differs from power_sysctl"),
        (decided.sysctl == "remove", Kind.REMOVE, SYSCTL_FILE, "power_sysctl is empty"),
    ]
    return Share(
        "power",
        tuple(Step(kind, "power", subject, reason) for due, kind, subject, reason in found if due),
        {key: value for key, value in vars(decided).items() if key not in ("problems", "skipped")},
        decided.problems,
        decided.skipped,
    )


def of_containers(services: Services, host: Host, settings: Settings) -> Share:
    """Docker and the NVIDIA Container Toolkit."""
    if "docker_source" not in settings.container_runtime or "docker" not in host:
        return Share(_CONTAINERS)
    decided = container_runtime.steps(host, services, settings.container_runtime)
    if not decided["any"]:
        return Share(_CONTAINERS)
    found = [
        (decided["dpkg"], Kind.CONFIGURE, "interrupted packages", "dpkg was interrupted"),
        (decided["gpg"], Kind.INSTALL, "gpg", "it reads the keys of package sources"),
        (decided["docker"], Kind.INSTALL, "Docker", "it is not installed"),
        (decided["toolkit"], Kind.INSTALL, "NVIDIA Container Toolkit", "it is missing or too old for a Thor"),
        (decided["configure"], Kind.CONFIGURE, "Docker", "dockerd does not run with the wanted settings"),
        (decided["enable"], Kind.CONFIGURE, "start of Docker at boot", "docker.service is not enabled"),
        (decided["cdi"], Kind.WRITE, "CDI description", "it is of another L4T or toolkit"),
    ]
    steps = tuple(Step(kind, _CONTAINERS, subject, reason) for due, kind, subject, reason in found if due)
    return Share(_CONTAINERS, steps, decided)


def of_builds(services: Services, host: Host, settings: Settings, role: str) -> Share:
    """Engines that one role builds from source, and the programs that it installs for them."""
    due = [build for build in builds.due(services, host, settings.builds) if build.role == role]
    mine = [service for service in services if service["role"] == role]
    programs = sorted({name for service in mine for name in service["programs"] if not host["programs"].get(name)})
    programs = programs if settings.install_programs else []
    steps = [Step(Kind.INSTALL, role, name, "an engine starts it") for name in programs]
    steps += [
        Step(Kind.BUILD, role, f"{one.engine} {one.version}", "; ".join(one.reasons), one.bytes, one.seconds)
        for one in due
    ]
    return Share(role, tuple(steps), {"programs": programs, "builds": [one.arguments() for one in due]})


def of_images(services: Services, host: Host, settings: Settings) -> Share:
    """Container images: pulled, checked for the GPU, extended, removed."""
    work = images.work(services, host, settings.require_gpu, settings.prune_images)
    sizes = {image["reference"]: image["bytes"] for image in work["images"]}
    verbs = {"pull": (Kind.PULL, "it is not there"), "remove": (Kind.REMOVE, "no service needs it")}
    verbs |= {"check": (Kind.CHECK, "no container of it was seen to use the GPU")}
    verbs |= {"look": (Kind.CHECK, "services need Python packages in it")}
    steps = []
    for line in work["todo"]:
        verb, _space, subject = line.partition(" ")
        kind, reason = verbs[verb]
        subject = subject.removeprefix("for Python packages in ").removeprefix("the GPU in ")
        steps.append(Step(kind, _IMAGES, subject, reason, sizes.get(subject) if kind == Kind.PULL else None))
    return Share(_IMAGES, tuple(steps), {"images": work["images"]})


def of_models(services: Services, host: Host, settings: Settings) -> Share:
    """Models and files that the services need on disk, and the client that fetches them from the hub."""
    due = models.missing(services, host["models"], settings.verify_checksums)
    artifacts = [one.artifact for one in due]
    hub = [artifact for artifact in artifacts if artifact["source"] == "modelscope"]
    client = bool(hub) and settings.hub_client is not None and host.get("hub_client") != settings.hub_client
    steps = (
        [Step(Kind.INSTALL, _MODELS, f"modelscope-hub {settings.hub_client}", "it fetches models")] if client else []
    )
    for one in due:
        kind = Kind.FETCH if one.bytes else Kind.CHECK
        steps.append(Step(kind, _MODELS, one.artifact["key"], one.reason, one.bytes or None))
    section = {
        "client": client,
        "models": hub,
        "files": [artifact for artifact in artifacts if artifact["source"] == "url"],
    }
    return Share(_MODELS, tuple(steps), section)
