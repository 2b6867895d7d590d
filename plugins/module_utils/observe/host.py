# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Observe a host: the fact ``thor_host``, in one go.

``facts_root`` is a folder whose files replace the device's own where they exist: a container cannot have a /proc/device-tree
of its own.
"""

from __future__ import annotations

import csv
import os
import platform
import pwd
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import commands, files, kept_flags, proxy
from ansible_collections.jetson.thor.plugins.module_utils.builds import finished
from ansible_collections.jetson.thor.plugins.module_utils.images import record
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from ansible_collections.jetson.thor.plugins.module_utils.models import local
from ansible_collections.jetson.thor.plugins.module_utils.models.hubs import HUBS
from ansible_collections.jetson.thor.plugins.module_utils.observe import (
    clock,
    docker_host,
    environments,
    gateway,
    metrics,
    models,
    mounts,
    power,
    sockets,
    throttling,
    toolchain,
)
from ansible_collections.jetson.thor.plugins.module_utils.services import deployed, observation
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import Disk
from ansible_collections.jetson.thor.plugins.module_utils.services.secret_files import SecretFiles
from ansible_collections.jetson.thor.plugins.module_utils.services.systemctl import State, Systemctl

ENGINES = kept_flags.ENGINES
MODELS = models.MODELS
# Programs that engines start.
PROGRAMS = ("ffmpeg",)
# A Thor's module is tegra264; JetPack 7.2 (L4T 39) also runs on Orin, so L4T alone does not identify a Thor.
THOR_COMPATIBLE = "nvidia,tegra264"
# L4T to JetPack, as published up to November 2026.
JETPACKS = {"38.2": "7.0", "38.4": "7.1", "39.2": "7.2"}


def observe(
    facts_root: str = "",
    secrets_key: str = "",
    secrets: Mapping[str, str] | None = None,
    keep: bool = False,
    local_models: Sequence[Mapping[str, Any]] = (),
    gateway_key: str = "",
    proxies: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Everything that plan and roles want to know about this host.

    ``secrets``: see SecretFiles.observe. ``proxies``: see proxy.observe. ``gateway_key``: see observe/gateway.py.
    ``local_models``: see models/local.py. ``keep``: write down what models say of themselves; otherwise nothing is written.
    """
    root = Path(facts_root) if facts_root else None
    disks = {path: _disk(Path(path)) for path in ("/models", "/opt/thor", "/var/lib/thor")}
    disks["/models"]["staged_bytes"] = _staged_bytes()
    docker = docker_host.observe(root)
    serving = observation.observe(Disk(), _Systemctl())
    disks |= {path: _disk(Path(path)) for path in docker_host.disk_paths(docker)}
    return {
        "root": deployed.is_root(),
        "unmounted": mounts.missing(disks, root),
        "mig": throttling.mig(),
        "device": _device(root),
        "l4t": (l4t := _l4t(root)),
        "jetpack": _jetpack(l4t),
        "architecture": platform.machine(),
        "os": _os(root),
        "systemd": _systemd(),
        "cpus": os.cpu_count() or 1,
        "memory": _memory(root),
        "toolchain": toolchain.observe(),
        "programs": {
            name: next((str(path) for path in toolchain.on_path(name) if path.exists()), None) for name in PROGRAMS
        },
        "disks": disks,
        "builds": _builds(),
        "environments": environments.environments(ENGINES),
        "python": environments.python(),
        "flags": kept_flags.observe(record.digests(record.read_record())),
        "local_faults": local.observe(local_models),
        "models": models.observe(MODELS, keep),
        "units": _units(serving.units),
        "serving": serving.facts(),
        "secrets": SecretFiles().observe(secrets_key, secrets or {}),
        "gateway": gateway.observe(gateway_key),
        "proxy": proxy.observe(secrets_key, proxies or {}, docker_host.dockerd_variables() if proxies else []),
        "account": _account("thor"),
        "listening": sockets.listening((docker["docker"] or {}).get("containers") or []),
        "device_nodes": _device_nodes(root),
        "groups": _groups(),
        "person_thor": _is_person("thor"),
        "hub_clients": {name: hub.client_version() for name, hub in HUBS.items()},
        **docker,
        **record.observe(),
        **power.observe(root),
        **metrics.observe(),
        "clock": clock.observe(),
    }


def identity(root: Path | None) -> dict[str, str | None]:
    """What a device is, for the record of a measurement."""
    l4t = _l4t(root)
    return {
        "model": _device(root)["model"],
        "l4t": l4t,
        "jetpack": _jetpack(l4t),
        "cuda": toolchain.observe()["cuda"],
        "architecture": platform.machine(),
    }


def _device(root: Path | None) -> dict[str, Any]:
    model = files.read(root, "/proc/device-tree/model")
    compatible = [one for one in (files.read(root, "/proc/device-tree/compatible") or "").split("\0") if one.strip()]
    return {
        "model": model.rstrip("\0\n") if model else None,
        "compatible": compatible,
        "thor": THOR_COMPATIBLE in compatible,
    }


def _l4t(root: Path | None) -> str | None:
    """Version of Linux for Tegra: ``# R38 (release), REVISION: 2.0, ...`` is 38.2.0."""
    match = re.search(r"# R(\d+) \(release\), REVISION: ([\d.]+)", files.read(root, "/etc/nv_tegra_release") or "")
    return f"{match[1]}.{match[2]}" if match else None


def _jetpack(l4t: str | None) -> str | None:
    return JETPACKS.get(".".join(l4t.split(".")[:2])) if l4t else None


def _os(root: Path | None) -> dict[str, str]:
    pairs = re.findall(r'^(\w+)="?([^"\n]*)"?$', files.read(root, "/etc/os-release") or "", re.MULTILINE)
    values = dict(pairs)
    return {
        "id": values.get("ID", ""),
        "version_id": values.get("VERSION_ID", ""),
        "name": values.get("PRETTY_NAME", ""),
    }


def _systemd() -> int | None:
    """Version of systemd; None if it is not the running init."""
    if not Path("/run/systemd/system").is_dir():
        return None
    match = re.match(r"systemd (\d+)", commands.output("systemctl", "--version"))
    return int(match[1]) if match else None


def _memory(root: Path | None) -> dict[str, int | None]:
    values = files.meminfo(root)
    return {"total_bytes": values.get("MemTotal"), "available_bytes": values.get("MemAvailable")}


def _disk(path: Path) -> dict[str, int]:
    """Space on the file system that a path is, or will be, on. ``device`` is the same for paths that share one."""
    while not path.exists():
        path = path.parent
    usage = os.statvfs(path)
    return {
        "free_bytes": usage.f_bavail * usage.f_frsize,
        "total_bytes": usage.f_blocks * usage.f_frsize,
        "device": path.stat().st_dev,
    }


def _staged_bytes() -> int:
    """Bytes of interrupted downloads, which need neither be fetched nor find room again."""
    return sum(
        path.stat().st_blocks * 512
        for path in (MODELS / ".thor" / "staging").rglob("*")
        if path.is_file() and path.stat().st_nlink == 1
    )


def _builds() -> dict[str, dict[str, Any]]:
    """Complete builds: the trees that the links of the versions point to."""
    builds: dict[str, dict[str, Any]] = {}
    for link in ENGINES.glob("*/*"):
        tree = link.resolve()
        info = finished.read(tree) if link.is_symlink() else None
        if info:
            builds.setdefault(link.parent.name, {})[link.name] = {
                "path": str(tree),
                "fingerprint": info.get("fingerprint"),
                "inputs": info.get("inputs"),
                "options": info.get("options"),
                "cuda_code": info.get("cuda_code"),
            }
    return builds


class _Systemctl(Systemctl):
    """systemd, which has no units where it does not run."""

    def states(self, units: Sequence[str]) -> dict[str, State]:
        """The state of each unit."""
        try:
            return super().states(units)
        except (JobFailed, OSError):
            return {}


def units() -> dict[str, Any]:
    """The units of our services by name, with their states and what they serve."""
    return _units(_Systemctl().states(observation.service_units(Disk())))


def _units(states: Mapping[str, State]) -> dict[str, Any]:
    return {
        unit: {
            "serves": state.description.removeprefix("jetson.thor: "),
            "active": state.active,
            "sub": state.sub,
            "enabled": state.enabled == "enabled",
            "main_pid": state.main_pid,
        }
        for unit, state in states.items()
        if unit.startswith("thor-") and unit.endswith(".service")
    }


def _device_nodes(root: Path | None) -> list[str]:
    """Device nodes that CUDA opens: those of NVIDIA's list for containers that exist here, and the render nodes."""
    listed = files.read(root, "/etc/nvidia-container-runtime/host-files-for-container.d/devices.csv") or ""
    nodes = {row[1].strip() for row in csv.reader(listed.splitlines()) if len(row) > 1 and row[0].strip() == "dev"}
    nodes |= {str(path) for pattern in ("nvidia*", "nvmap", "dri/renderD*") for path in Path("/dev").glob(pattern)}
    return sorted(node for node in nodes if Path(node).is_char_device())


def _groups() -> list[str]:
    names = {line.split(":")[0] for line in (files.read(None, "/etc/group") or "").splitlines()}
    return sorted(names & {"render", "video"})


def _account(name: str) -> dict[str, str] | None:
    """An account as ansible.builtin.user would make it."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return None
    return {"comment": found.pw_gecos, "home": found.pw_dir, "shell": found.pw_shell}


def _is_person(name: str) -> bool:
    """Whether somebody can log in with an account."""
    try:
        shell = pwd.getpwnam(name).pw_shell
    except KeyError:
        return False
    return Path(shell).name not in {"nologin", "false"}
