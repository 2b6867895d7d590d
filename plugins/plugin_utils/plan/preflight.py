# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a host can serve what the inventory asks for: ``thor_services`` against ``thor_host``, before the first change. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import network_errors
from ansible_collections.jetson.thor.plugins.module_utils.builds import finished
from ansible_collections.jetson.thor.plugins.module_utils.builds.inputs import cuda_missing
from ansible_collections.jetson.thor.plugins.module_utils.observe import docker_host
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.module_utils.services import deployed
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import model_code
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import LOOPBACK
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import (
    asked_options,
    builds,
    environments,
    images,
    local_models,
    memory,
    models,
    own_fetches,
    shares,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.builds import BuildSettings
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import Settings

GIB = 1024**3
# Certificates are usually backdated by an hour, so a clock may be that far behind.
CLOCK_SECONDS = 3600


def judge(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], settings: Settings) -> list[Problem]:
    """Everything on this host that would make the play fail later."""
    of_services = [*_roles(services), *models.merge(services)[1]]
    # Whatever else is missing on such a host, or cannot be read, is a consequence.
    unfit = next(iter(_device(host, settings)), None)
    if unfit or host.get("root") is False:
        return [unfit or deployed.no_root(), *of_services]
    return [
        *of_services,
        *_account(services, host),
        *_gpu(services, host, settings),
        *_clock(services, host, settings),
        *_mounts(services, host),
        *local_models.problems(services, host),
        *model_code.problems(services, host),
        *own_fetches.problems(services),
        *_toolchain(services, host, settings),
        *_programs(services, host, settings),
        *environments.problems(services, host, settings.environments),
        *_flags(services, host),
        *asked_options.problems(services, host),
        *shares.of_power(host, settings).problems,
        *shares.of_containers(services, host, settings).problems,
        *_memory(services, host, settings),
        *_disk(services, host, settings),
        *_ports(services, host),
    ]


def unsaid(judged: Iterable[Problem], said: Sequence[Problem]) -> list[Problem]:
    """Leaves out what has been reported: unknown options of the built program, a lock that is missing because it is invalid."""
    known = {
        match[1]
        for problem in said
        if problem.code == "THOR-FLAG-UNKNOWN" and (match := re.search(r"options\['(.+)'\]$", problem.variable))
    }
    unlocked = (
        {"THOR-LOCK-MISSING", "THOR-PYTHON-VERSION"} if any(one.code == "THOR-LOCK-INVALID" for one in said) else set()
    )
    return [
        one
        for one in judged
        if one.code not in unlocked and (one.code != "THOR-FLAG-UNKNOWN" or str(one.value).lstrip("-") not in known)
    ]


def _device(host: Mapping[str, Any], settings: Settings) -> Iterable[Problem]:
    if not host["device"]["thor"]:
        reason = "/proc/device-tree/compatible does not contain nvidia,tegra264, so this is not a Jetson Thor."
        remedy = "Remove the host from the inventory, or correct its ansible_host."
        yield Problem("THOR-DEVICE-UNSUPPORTED", "thor_host.device.model", host["device"]["model"], reason, remedy)
    name = f"{host['os']['id']} {host['os']['version_id']}"
    if name not in settings.supported_os:
        reason = f"This operating system is not supported; JetPack 7 is {' or '.join(settings.supported_os)}."
        yield Problem("THOR-OS-UNSUPPORTED", "thor_host.os", name, reason, "Flash the device with JetPack 7.")
    if host["l4t"] is None or _number(host["l4t"]) < _number(settings.minimum_l4t):
        reason = f"L4T {settings.minimum_l4t} (JetPack 7) or later is required; /etc/nv_tegra_release is missing or shows another version."
        yield Problem("THOR-L4T-UNSUPPORTED", "thor_host.l4t", host["l4t"], reason, "Flash the device with JetPack 7.")
    if host["systemd"] is None:
        reason = "systemd is not the init system of this host, and every service is a systemd unit."
        yield Problem("THOR-SYSTEMD-MISSING", "thor_host.systemd", None, reason, "Boot the host with systemd.")


def _roles(services: Sequence[Mapping[str, Any]]) -> Iterable[Problem]:
    for service in services:
        if not service["role"]:
            reason = f"No role provides the engine {service['engine']} yet; the profile can be planned but not served."
            remedy = "Remove the service from thor_profiles, or choose a profile of another engine."
            yield Problem(
                "THOR-ROLE-MISSING", f"thor_services[{service['name']!r}].engine", service["engine"], reason, remedy
            )


def _account(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any]) -> Iterable[Problem]:
    if services and host.get("person_thor"):
        reason = (
            "Somebody logs in with the account thor, which the role serving would turn into an account without a login."
        )
        remedy = "Give that person another account (usermod --login NAME thor, groupmod --new-name NAME thor)."
        yield Problem("THOR-ACCOUNT-TAKEN", "thor_host.person_thor", True, reason, remedy)


def _gpu(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], settings: Settings) -> Iterable[Problem]:
    users = [service["name"] for service in services if _uses_gpu(service, settings)]
    if users and host.get("mig"):
        reason = f"The GPU is partitioned (MIG), so {', '.join(users)} would get one slice or none; budgets are for all of it."
        remedy = "On the host: sudo nvidia-smi -mig 0, and reboot if it asks for that."
        yield Problem("THOR-GPU-MIG", "thor_host.mig", True, reason, remedy)


def _clock(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], settings: Settings) -> Iterable[Problem]:
    """A wrong clock on a host that has to fetch something: no certificate would be valid."""
    clock = host.get("clock") or {}
    behind = clock.get("behind_s") or 0
    if clock.get("synchronized") or abs(behind) < CLOCK_SECONDS:
        return
    needs = [
        *sorted({fetch.artifact["key"] for fetch in models.missing(services, host["models"])}),
        *images.missing(services, host),
        *sorted({f"the sources of {build.engine}" for build in builds.due(services, host, settings.builds)}),
        *(f"the packages of {one.engine}" for one in _installed(services, host, settings)),
    ]
    if needs:
        now = datetime.fromtimestamp(clock["time"], UTC).isoformat(timespec="seconds")
        far = f"{abs(behind) / 86400:.1f} days" if abs(behind) >= 86400 else f"{abs(behind) / 3600:.1f} hours"
        reason = (
            f"The clock of this host is not synchronized, and it is {far} {'behind' if behind > 0 else 'ahead of'} the controller's. No "
            f"certificate would be valid, and {', '.join(needs[:3])}{' and more' if len(needs) > 3 else ''} could not be fetched."
        )
        yield Problem("THOR-CLOCK-WRONG", "thor_host.clock", now, reason, network_errors.CLOCK_REMEDY)


def _mounts(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any]) -> Iterable[Problem]:
    """A disk that is configured but not mounted: what is fetched would go to the disk below it, and later be hidden."""
    docker = set(docker_host.disk_paths(host)) if any(service["kind"] == "image" for service in services) else set()
    for path, place in sorted((host.get("unmounted") or {}).items()):
        if services and (path in docker or path not in docker_host.disk_paths(host)):
            reason = (
                f"{place} is configured, in /etc/fstab or a unit, but not mounted. What the play stores in {path} would go to the disk "
                "below it."
            )
            remedy = f"On the host: sudo mount {place} (systemctl status '*.mount' shows why it is not mounted), or remove the entry."
            yield Problem("THOR-MOUNT-MISSING", f"thor_host.disks[{path!r}]", None, reason, remedy)


def _uses_gpu(service: Mapping[str, Any], settings: Settings) -> bool:
    return settings.builds.get(service["role"], BuildSettings()).cuda


def _toolchain(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], settings: Settings) -> Iterable[Problem]:
    for_gpu = sorted({build.engine for build in builds.due(services, host, settings.builds) if build.cuda})
    if for_gpu and host["toolchain"]["nvcc"] is None:
        yield cuda_missing(" and ".join(for_gpu))


def _programs(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], settings: Settings) -> Iterable[Problem]:
    """Programs that an engine starts and that are neither installed nor installed by the role."""
    for service in services:
        for program in service["programs"]:
            if service["role"] in settings.installs_programs or host["programs"].get(program):
                continue
            reason = (
                f"{service['engine']} starts {program} with these options, and exits without an error if it is missing."
            )
            by_role = (
                ", let the role do it (whisper_cpp_install_ffmpeg: true)" if service["role"] == "whisper_cpp" else ""
            )
            remedy = f"Install it (sudo apt-get install {program}){by_role}, or remove the option."
            yield Problem(
                "THOR-PROGRAM-MISSING", f"thor_services[{service['name']!r}].programs", program, reason, remedy
            )


def _flags(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any]) -> Iterable[Problem]:
    """Arguments that the program on this host does not know; one that is not built yet is asked after the build."""
    for service in services:
        build = host["builds"].get(service["engine"], {}).get(service["version"])
        if build and build.get("options"):
            argvs = {service["name"]: service["argv"][1:]}
            yield from finished.check_argvs(argvs, build["options"], service["engine"], service["version"])


def _memory(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], settings: Settings) -> Iterable[Problem]:
    if host["memory"]["total_bytes"] is None:
        reason = "/proc/meminfo does not show how much memory the host has, so no budget can be checked."
        yield Problem("THOR-MEMORY-OVER", "thor_host.memory", None, reason, "Check it on the host: cat /proc/meminfo.")
        return
    yield from memory.unknown(services)
    yield from memory.over(services, host["memory"]["total_bytes"] / GIB, settings.memory_reserve_gib)


def _disk(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], settings: Settings) -> Iterable[Problem]:
    wanted: dict[int, float] = {}
    names: dict[int, list[str]] = {}
    paths: dict[int, str] = {}

    def need(path: str, size: float, name: str) -> None:
        device = host["disks"][path]["device"]
        paths.setdefault(device, path)
        wanted[device] = wanted.get(device, 0) + size
        names.setdefault(device, []).append(f"{name} {size / 1e9:.1f} GB")

    for fetch in models.missing(services, host["models"]):
        if fetch.bytes is not None:  # otherwise the store compares, once it has the hub's listing
            need("/models", fetch.bytes, fetch.artifact["key"])
    if host["disks"]["/models"].get("staged_bytes") and wanted:
        device = host["disks"]["/models"]["device"]
        wanted[device] = max(0, wanted[device] - host["disks"]["/models"]["staged_bytes"])
    for path in docker_host.disk_paths(host)[-1:]:
        for image, image_bytes in images.missing(services, host).items():
            need(path, image_bytes, image)
    for build in builds.due(services, host, settings.builds):
        need("/var/lib/thor", build.bytes, f"the build of {build.engine}")
    for one in _installed(services, host, settings):
        # uv keeps what it has unpacked in /var/lib/thor until the end; on the same disk both are one.
        for path in {host["disks"][path]["device"]: path for path in ("/var/lib/thor", "/opt/thor")}.values():
            need(path, one.disk_bytes, f"the environment of {one.engine} {one.version}")
    for device, size in wanted.items():
        path = paths[device]
        free = host["disks"][path]["free_bytes"]
        short = size + settings.disk_reserve_gib * GIB - free
        if short > 0:
            reason = (
                f"{size / 1e9:.1f} GB are still needed ({', '.join(names[device])}) and {settings.disk_reserve_gib:g} GiB must stay "
                f"free, but only {free / 1e9:.1f} GB are free: {short / 1e9:.1f} GB too little."
            )
            remedy = "Free some space, or mount a larger disk there."
            yield Problem("THOR-DISK-FULL", f"thor_host.disks[{path!r}]", None, reason, remedy)


def _installed(
    services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], settings: Settings
) -> list[environments.Environment]:
    """The environments that are installed, which need a network and room."""
    return [one for one in environments.due(services, host, settings.environments) if not one.is_installed]


def _ports(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any]) -> Iterable[Problem]:
    # One of our units on a port is either this service or one that the switch replaces. Sockets are named only if they are ours.
    strangers = [
        socket
        for socket in host["listening"]
        if (socket["unit"] or "") not in host["units"] and not (socket["unit"] or "").endswith(".socket")
    ]
    for service, key, address, port in _listened_on(services):
        for socket in strangers:
            unit = socket["unit"] or ""
            if socket["port"] != port or not _overlap(address, socket["address"]):
                continue
            who = "something that belongs to no process of this host (the kernel, or another namespace)"
            if socket["pid"] is not None:
                who = f"{socket['process'] or 'a process'} (pid {socket['pid']}{', ' + unit if unit else ''})"
            reason = f"{who} already listens on {socket['address']}:{socket['port']}."
            remedy = f"Give {service['name']} another port, or stop that process."
            yield Problem("THOR-PORT-TAKEN", f"thor_services[{service['name']!r}].{key}", port, reason, remedy)


def _listened_on(services: Sequence[Mapping[str, Any]]) -> Iterable[tuple[Mapping[str, Any], str, str, int]]:
    """What the services listen on: each with the key that says so, address and port."""
    for service in services:
        yield service, "port", service["address"], service["port"]
        if service.get("on_demand"):
            yield service, "on_demand.port", LOOPBACK, service["on_demand"]["engine_port"]


def _overlap(wanted: str, taken: str) -> bool:
    everywhere = ("0.0.0.0", "::", "0000:0000:0000:0000:0000:0000:0000:0000")
    return wanted == taken or wanted in everywhere or taken in everywhere


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
