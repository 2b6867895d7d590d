# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Each role's share of a plan: its steps with reasons and sizes, and the section that the role acts on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.environments import index
from ansible_collections.jetson.thor.plugins.module_utils.models.hubs import HUBS
from ansible_collections.jetson.thor.plugins.module_utils.observe.power import SYSCTL_FILE
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import ModelTree
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import (
    builds,
    container_runtime,
    environments,
    images,
    local_models,
    models,
    power,
    serving,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import Settings
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Kind, Share, Step

Services = Sequence[Mapping[str, Any]]
Host = Mapping[str, Any]


def of_power(host: Host, settings: Settings) -> Share:
    """Power mode, clocks, and what else uses memory."""
    if settings.power is None or host.get("power") is None:
        return Share("power")
    wanted, decided = settings.power, power.steps(host["power"], settings.power)
    mode = (host["power"]["mode"] or {}).get("name")
    steps = [
        (decided.mode, Kind.CONFIGURE, f"power mode {wanted['mode']}", f"the current mode is {mode or 'unknown'}"),
        (decided.clocks == "install", Kind.CONFIGURE, "clocks", "not locked at their maximum"),
        (decided.clocks == "remove", Kind.REMOVE, "clock lock", "power_lock_clocks is false"),
        (decided.headless, Kind.CONFIGURE, "boot without desktop", "power_headless is true"),
        (decided.stop_display_manager, Kind.CONFIGURE, "display manager", "power_stop_display_manager is true"),
        (decided.disable_zram, Kind.CONFIGURE, "zram", "power_disable_zram is true"),
        (decided.sysctl == "write", Kind.WRITE, SYSCTL_FILE, "differs from power_sysctl"),
        (decided.sysctl == "remove", Kind.REMOVE, SYSCTL_FILE, "power_sysctl is empty"),
    ]
    section = {key: value for key, value in vars(decided).items() if key not in ("problems", "skipped")}
    return Share("power", _due("power", steps), section, decided.problems, decided.skipped)


def of_containers(services: Services, host: Host, settings: Settings) -> Share:
    """Docker and the NVIDIA Container Toolkit."""
    role, wanted = "container_runtime", settings.container_runtime
    if "docker" not in host:
        return Share(role)
    found = container_runtime.problems(services, host, wanted)
    if found or "docker_source" not in wanted:
        return Share(role, problems=tuple(found))
    decided = container_runtime.steps(host, services, wanted)
    if not decided["needed"]:
        return Share(role, section=decided)
    if not decided["any"]:
        return Share(role, (), decided, tuple(container_runtime.unproven(host, wanted)))
    steps = [
        (decided["dpkg"], Kind.CONFIGURE, "interrupted packages", "dpkg was interrupted"),
        (decided["gpg"], Kind.INSTALL, "gpg", "needed to read the keys of package sources"),
        (decided["docker"], Kind.INSTALL, "Docker", "not installed"),
        (decided["toolkit"], Kind.INSTALL, "NVIDIA Container Toolkit", "missing, or too old for a Thor"),
        (decided["configure"], Kind.CONFIGURE, "Docker", "dockerd is not running with the configured settings"),
        (decided["enable"], Kind.CONFIGURE, "start of Docker at boot", "docker.service is not enabled"),
        (decided["cdi"], Kind.WRITE, "CDI description", "was generated for another L4T or toolkit"),
    ]
    return Share(role, _due(role, steps), decided)


def of_builds(services: Services, host: Host, settings: Settings, role: str) -> Share:
    """Engines that a role builds from source, and the programs that it installs for them."""
    due = [build for build in builds.due(services, host, settings.builds) if build.role == role]
    mine = [service for service in services if service["role"] == role]
    programs = sorted({name for service in mine for name in service["programs"] if not host["programs"].get(name)})
    programs = programs if role in settings.installs_programs else []
    steps = [Step(Kind.INSTALL, role, name, "an engine starts it") for name in programs]
    steps += [
        Step(Kind.BUILD, role, f"{one.engine} {one.version}", "; ".join(one.reasons), one.bytes, one.seconds)
        for one in due
    ]
    section = {
        "programs": programs,
        "tools": list(builds.missing_tools(due, host["toolchain"])),
        "builds": [one.arguments() for one in due],
    }
    return Share(role, tuple(steps), section)


def of_environments(services: Services, host: Host, settings: Settings) -> Share:
    """Engines that are installed as Python packages, and the Debian packages that they need."""
    role, chosen = environments.ROLE, settings.environments
    due = environments.due(services, host, chosen)
    apt = environments.lacking(services, host, chosen) if chosen.install_packages else []
    steps = [Step(Kind.INSTALL, role, name, "engines made of Python packages need it") for name in apt]
    for one in due:
        name, reason = f"{one.engine} {one.version}", "; ".join(one.reasons)
        kind, size = (Kind.CHECK, None) if one.is_installed else (Kind.INSTALL, one.bytes)
        steps.append(Step(kind, role, name, reason, size))
    section = {
        "apt": apt,
        "environments": [one.arguments() for one in due],
        "source": index.source(chosen.pip_arguments),
    }
    return Share(role, tuple(steps), section)


def of_images(services: Services, host: Host, settings: Settings, containers: Share | None = None) -> Share:
    """Container images: pulled, checked for the GPU, extended, removed. ``containers``: what container_runtime does first."""
    role = "engine_image"
    if containers:
        host = container_runtime.host_after(host, containers.section, settings.container_runtime)
    work = images.work(services, host, settings.require_gpu, settings.prune_images)
    sizes = {image["reference"]: image["bytes"] for image in work["images"]}
    steps = (
        Step(kind, role, subject, reason, sizes.get(subject) if kind == Kind.PULL else None)
        for kind, subject, reason in work["todo"]
    )
    return Share(role, tuple(steps), {"images": work["images"], "any": bool(work["todo"])})


def of_models(services: Services, host: Host, settings: Settings) -> Share:
    """Models and files that services need on disk, and the client that fetches models from the hub."""
    role = "model_store"
    due = models.missing(services, host["models"], settings.verify_checksums, settings.update_models)
    by_source = {
        source: [one.artifact for one in due if one.artifact["source"] == source] for source in ("hub", "url", "local")
    }
    there = host.get("hub_clients", {})
    asked = {one["hub"] for artifact in by_source["hub"] for one in artifact["sources"]}
    clients = [hub for hub, version in settings.hub_clients.items() if hub in asked and there.get(hub) != version]
    steps = [
        Step(Kind.INSTALL, role, f"{HUBS[hub].package} {settings.hub_clients[hub]}", "needed to fetch models")
        for hub in clients
    ]
    for one in due:
        kind = Kind.CHECK if one.bytes == 0 or one.artifact["source"] == "local" else Kind.FETCH
        steps.append(Step(kind, role, one.artifact["key"], one.reason, one.bytes or None))
    section = {
        "clients": clients,
        "models": by_source["hub"],
        "files": [{**one, "max_bytes": models.most_bytes(one)} for one in by_source["url"]],
        "local": by_source["local"],
        "update_models": settings.update_models,
    }
    return Share(role, tuple(steps), section)


def of_serving(services: Services, host: Host, settings: Settings, before: Sequence[Share]) -> Share:
    """The services themselves. ``before``: what other roles do first, which may renew an engine, or stop a service."""
    role = "serving"
    names = [service["name"] for service in services]
    if "units" not in host:  # not observed
        return Share(role, tuple(Step(Kind.START, role, name, "new") for name in names))
    if settings.serving is None or "serving" not in host:
        return Share(role)
    waiting = models.exchanges(services, host["models"], settings.update_models)
    work = serving.work([Service.from_facts(service) for service in services], host, settings.serving, waiting)
    found, there = work.difference, host["serving"]["services"]
    steps_before = [step for share in before for step in share.steps]
    renewed = [one["name"] for one in services if any(_renews_engine(step, one, host) for step in steps_before)]
    remade = [
        one["name"] for one in services if local_models.changed(one, host["models"]) and one["name"] not in renewed
    ]
    stopped, moving = _stopped(services, settings, before), _moving(services, host, settings)
    steps = [
        (found.pending, Kind.CONFIGURE, "interrupted switch", "must be rolled back"),
        (work.account, Kind.CONFIGURE, "account thor", "services share its group"),
        (work.unused_secrets, Kind.REMOVE, "unused secrets", "no service needs them"),
        *((True, Kind.WRITE, f"secrets of {name}", "new or changed") for name in work.secrets),
        *((True, Kind.REMOVE, name, "not in thor_profiles") for name in found.removed),
        (found.files, Kind.WRITE, f"{len(found.files)} support files", ", ".join(one.path for one in found.files)),
        *((True, Kind.START, unit, "is not running correctly") for unit in found.units),
    ]
    for name in names:
        if name in found.switched or name in renewed or name in remade or moving.get(name):
            new_model = name in remade or moving.get(name) or any(_uses(services, name, tree) for tree in found.models)
            reasons = {bool(new_model): "its model changes", name in renewed: "its engine changes"}
            reason = reasons.get(True, "its definition has changed")
            steps.append((True, *((Kind.SWITCH, name, reason) if name in there else (Kind.START, name, "new"))))
        elif name in found.started:
            steps.append((True, Kind.START, name, "not running, or not enabled"))
        elif name in stopped:
            steps.append((True, Kind.START, name, stopped[name]))
        elif name in moving:
            steps.append((True, Kind.CHECK, name, "restarts if the branch of its model has moved"))
    steps += [
        (True, Kind.REMOVE, f"old files of {path}", "neither a service nor a rollback needs them")
        for path in found.pruned
    ]
    steps += [(True, Kind.CHECK, text, "not managed by this collection; remove it yourself") for text in found.drift]
    section = {
        **found.result(),
        "renewed": [*renewed, *remade],
        "moving": [name for name in names if moving.get(name) and name in there],
    }
    return Share(role, _due(role, steps), section)


def _moving(services: Services, host: Host, settings: Settings) -> dict[str, bool]:
    """The services whose models are fetched in place of others: True, or False where that is known only after looking."""
    places: dict[str, bool] = {}
    for one in models.missing(services, host["models"], update=settings.update_models):
        if one.replaces or (one.reason == models.LOOKED_UP):
            places[one.artifact["path"]] = one.replaces
    found: dict[str, bool] = {}
    for service in services:
        for artifact in (service["model"], *service["files"]):
            if artifact["source"] == "hub" and artifact["path"] in places:
                found[service["name"]] = found.get(service["name"], False) or places[artifact["path"]]
    return found


def _uses(services: Services, name: str, tree: ModelTree) -> bool:
    """Whether a service uses the model of a tree."""
    [service] = [one for one in services if one["name"] == name]
    return any(artifact["path"] == tree.path for artifact in (service["model"], *service["files"]))


def _stopped(services: Services, settings: Settings, before: Sequence[Share]) -> dict[str, str]:
    """The services that other roles may stop, with the reason. They start again by themselves; the role serving waits for them."""
    sections = {share.concern: share.section for share in before}
    power_section, containers = sections.get("power", {}), sections.get("container_runtime", {})
    found = {}
    # Only the device knows whether a mode needs a reboot.
    if power_section.get("mode") and (settings.power or {}).get("reboot"):
        found = {service["name"]: "may be stopped by a reboot" for service in services}
    if containers.get("configure") and settings.container_runtime.get("allow_restart"):
        in_containers = [service["name"] for service in services if service["kind"] == "image"]
        found = {**dict.fromkeys(in_containers, "may be stopped by a restart of Docker"), **found}
    return found


def _renews_engine(step: Step, service: Mapping[str, Any], host: Host) -> bool:
    """Whether this step changes the engine of a service, at its old path or at a new one."""
    if step.kind not in (Kind.BUILD, Kind.PULL, Kind.INSTALL):
        return False
    image = service["image"]
    if step.kind == Kind.PULL and not service["python_packages"]:
        # The digest on record is pulled again: a container that runs has that content. (A derived image would get another id.)
        digest = ((host.get("images") or {}).get(image) or {}).get("digest")
        if digest and service["image_digest"] in (None, digest):
            return False
    return step.subject in (image, f"Python packages in {image}", f"{service['engine']} {service['version']}")


def _due(role: str, steps: Sequence[tuple[Any, Kind, str, str]]) -> tuple[Step, ...]:
    """The steps whose first item is true."""
    return tuple(Step(kind, role, subject, reason) for due, kind, subject, reason in steps if due)
