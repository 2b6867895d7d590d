# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Docker and the NVIDIA Container Toolkit as they are on a host. What to do about them is decided on the controller."""

from __future__ import annotations

import contextlib
import gzip
import os
import platform
import re
import shutil
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import (
    commands,
    daemon_json,
    docker_api,
    files,
    records,
    systemd,
)
from ansible_collections.jetson.thor.plugins.module_utils.docker_api import CONTAINERD_ROOT
from ansible_collections.jetson.thor.plugins.module_utils.observe import packages, toolkit

# What the module has written and dockerd has not loaded yet: the next run completes an interrupted one.
PENDING = Path("/var/lib/thor/docker-pending.json")
# The state at the last renewal of the CDI description.
CDI_RECORD = Path("/var/lib/thor/cdi.json")
DROP_IN = Path("/etc/systemd/system/docker.service.d/jetson-thor.conf")
DPKG_UPDATES = Path("/var/lib/dpkg/updates")
PROC = Path("/proc")
BOOT = Path("/boot")
DATA_ROOT = "/var/lib/docker"

_PACKAGES = ("docker*", "containerd*", "runc", "podman-docker", "gpg", "nvidia-container*", "libnvidia-container*")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin:/snap/bin"
_SECONDS = 5


def observe(root: Path | None) -> dict[str, Any]:
    """The keys that this adds to ``thor_host``. Only reads.

    Queries dockerd only if its unit is active: with socket activation, opening the socket of a stopped dockerd starts it.
    """
    installed, held = _packages()
    content, error = read_daemon_json()
    units = systemd.observe(
        ["docker.service", toolkit.CDI_UNIT], "LoadState", "ActiveState", "UnitFileState", "MainPID"
    )
    ctk = shutil.which("nvidia-ctk", path=_PATH)
    return {
        "docker": _docker(units.get("docker.service", {})),
        "container_packages": installed,
        "held_packages": held,
        "dpkg_interrupted": _dpkg_interrupted(),
        "daemon_json": daemon_json.redact(content),
        "daemon_json_error": error,
        "container_toolkit": _version(commands.output(ctk, "--version", seconds=_SECONDS)) if ctk else None,
        "cdi": {
            "unit": units.get(toolkit.CDI_UNIT, {}).get("LoadState") == "loaded",
            "renewed": _record(CDI_RECORD),
        },
        "raw_table": _raw_table(root),
        **packages.observe(),
        **({} if toolkit.is_installed(installed) else toolkit.observe_jetpack()),
    }


def disk_paths(observed: Mapping[str, Any]) -> list[str]:
    """Where images are stored, or will be: Docker's data root and, with the containerd image store, containerd's root."""
    docker = observed.get("docker") or {}
    paths = [docker.get("data_root") or (observed.get("daemon_json") or {}).get("data-root") or DATA_ROOT]
    if docker.get("containerd_store"):
        paths.append(CONTAINERD_ROOT)
    return [path for path in paths if isinstance(path, str) and path.startswith("/")]


def read_daemon_json() -> tuple[dict[str, Any] | None, str | None]:
    """The content of daemon.json (None if it does not exist) and what is wrong with it."""
    try:
        content, error = daemon_json.parse(daemon_json.PATH.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError) as problem:
        return None, f"line 1, column 1: the file cannot be read: {problem}"
    return (None if error else content), error


def _packages() -> tuple[dict[str, str], list[str]]:
    fields = "-f=${db:Status-Abbrev}|${Package}|${Version}\n"
    return parse_packages(commands.output("dpkg-query", "-W", fields, *_PACKAGES, seconds=_SECONDS))


def parse_packages(text: str) -> tuple[dict[str, str], list[str]]:
    """Installed packages with their versions, and those on hold, from lines such as ``hi |runc|1.3.0``.

    The first letter is the desired state (h: hold), the second the actual one (i: installed; half-installed does not count).
    """
    found: dict[str, str] = {}
    held = []
    for line in text.splitlines():
        status, _bar, rest = line.partition("|")
        name, _bar, version = rest.partition("|")
        if status[1:2] == "i":
            found[name] = version
        if status[:1] == "h":
            held.append(name)
    return found, sorted(held)


def _dpkg_interrupted() -> bool:
    """Whether dpkg was interrupted: its journal is not empty, and apt refuses to work."""
    try:
        return any(path.name.isdigit() for path in DPKG_UPDATES.iterdir())
    except OSError:
        return False


def _docker(unit: Mapping[str, str]) -> dict[str, Any] | None:
    client, daemon = shutil.which("docker", path=_PATH), shutil.which("dockerd", path=_PATH)
    if client is None and daemon is None:
        return None
    running = unit.get("ActiveState") == "active"
    pid = unit.get("MainPID", "0")
    found: dict[str, Any] = {
        "client": client,
        "daemon": daemon,
        "foreign": _foreign(client),
        "running": running,
        "enabled": unit.get("UnitFileState") == "enabled",
        "environment": environment(pid) if running else {},
        "drop_in": files.read(None, str(DROP_IN)),
        "pending": pending(pid).get("action"),
    }
    return {**found, **describe(*_ask(running))}


def _ask(running: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """``GET /info`` and the running containers; empty if dockerd does not run or does not answer."""
    if not running:
        return {}, []
    daemon = docker_api.Docker(timeout=_SECONDS)
    try:
        return daemon.get("/info"), daemon.get("/containers/json")
    except docker_api.DockerError:
        return {}, []


def describe(info: Mapping[str, Any], containers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The part of dockerd's own description that the plan needs."""
    effective = daemon_json.redact(daemon_json.effective(info)) if info else {}
    return {
        "version": info.get("ServerVersion"),
        "data_root": info.get("DockerRootDir"),
        "runtimes": sorted(info.get("Runtimes") or {}),
        "default_runtime": info.get("DefaultRuntime"),
        # moby: with containerd's image store the driver is one of containerd's snapshotters.
        "containerd_store": ["driver-type", "io.containerd.snapshotter.v1"] in (info.get("DriverStatus") or []),
        "containers": running_containers(containers),
        "effective": effective,
    }


def running_containers(containers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The answer to ``GET /containers/json``, abridged; ``service`` is our unit that the container belongs to."""
    return [
        {
            "id": one.get("Id"),
            "name": (one.get("Names") or ["?"])[0].lstrip("/"),
            "image": one.get("Image"),
            "service": (one.get("Labels") or {}).get("thor.service"),
        }
        for one in containers
    ]


def pending(pid: str) -> dict[str, Any]:
    """What the dockerd with this process id had yet to load when a run was interrupted; empty if nothing.

    A newer process has read the files when it started.
    """
    record = _record(PENDING) or {}
    return record if str(record.get("pid")) == pid else {}


def variables(pid: str) -> list[str]:
    """The environment of the running dockerd (``NAME=VALUE``). It may hold a proxy's password: no fact has it."""
    return (files.content(PROC / pid / "environ") or b"").decode(errors="replace").split("\0")


def dockerd_variables() -> list[str]:
    """The same for whoever does not know its process id."""
    return variables(systemd.observe(["docker.service"], "MainPID").get("docker.service", {}).get("MainPID", "0"))


def environment(pid: str) -> dict[str, str]:
    """Those variables of the running dockerd that we may set; the rest may hold a proxy's password."""
    pairs = (one.split("=", 1) for one in variables(pid) if "=" in one)
    return {key: value for key, value in pairs if key == daemon_json.NO_RAW}


def _foreign(client: str | None) -> str | None:
    """What the program ``docker`` is if it is not Docker's own, with a dockerd run by systemd."""
    if client is None:
        return None
    target = os.path.realpath(client)
    if client.startswith("/snap/") or target == "/usr/bin/snap":
        return "a snap"
    with contextlib.suppress(OSError):
        # podman-docker installs a short script.
        if Path(target).stat().st_size < 10_000 and b"podman" in Path(target).read_bytes():
            return "podman"
    return None


def _raw_table(root: Path | None) -> bool | None:
    """Whether the kernel has iptables' ``raw`` table; None if its configuration cannot be read."""
    release = platform.release()
    candidates = [*([root / "proc/config.gz"] if root else []), PROC / "config.gz", BOOT / f"config-{release}"]
    program = shutil.which("iptables", path=_PATH)
    nft = program is None or "nft" in os.path.basename(os.path.realpath(program))
    for path in candidates:
        content = files.content(path)
        if content is None:
            continue
        with contextlib.suppress(OSError, EOFError, zlib.error):
            text = gzip.decompress(content) if path.suffix == ".gz" else content
            return has_raw_table(text.decode(errors="replace"), nft)
    return None


def has_raw_table(config: str, nft: bool) -> bool:
    """Whether a kernel with this configuration has the table, for legacy iptables or (``nft``) for iptables over nftables.

    moby#49557: the kernels of Jetson Linux 36 are built without CONFIG_IP_NF_RAW, where Docker 28 cannot start a container
    on a bridge.
    """
    options = dict(re.findall(r"^(CONFIG_\w+)=([ym])$", config, re.MULTILINE))
    return "CONFIG_IP_NF_RAW" in options or (nft and {"CONFIG_NF_TABLES", "CONFIG_NFT_COMPAT"} <= set(options))


def _record(path: Path) -> dict[str, Any] | None:
    data = records.read(path, {})
    return None if data is None else {key: value for key, value in data.items() if key != "schema"}


def _version(text: str) -> str | None:
    match = re.search(r"version (\d+(?:\.\d+)+)", text)
    return match[1] if match else None
