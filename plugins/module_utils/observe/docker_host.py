# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Docker and the NVIDIA Container Toolkit on a host: what is (``observe``), and what is to do (``steps``, ``problems``; pure)."""

from __future__ import annotations

import contextlib
import gzip
import os
import platform
import re
import shutil
import subprocess
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import daemon_json, docker_api, files, records
from ansible_collections.jetson.thor.plugins.module_utils.docker_api import ARCHITECTURES, CONTAINERD_ROOT
from ansible_collections.jetson.thor.plugins.module_utils.observe import packages
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

DAEMON_JSON = Path("/etc/docker/daemon.json")
# What a module has written and dockerd has not taken over yet: a run that was cut in between is finished by the next one.
PENDING = Path("/var/lib/thor/docker-pending.json")
# The state at the last renewal of the CDI description.
CDI_RECORD = Path("/var/lib/thor/cdi.json")
DROP_IN = Path("/etc/systemd/system/docker.service.d/jetson-thor.conf")
DPKG_UPDATES = Path("/var/lib/dpkg/updates")
PROC = Path("/proc")
BOOT = Path("/boot")
DATA_ROOT = "/var/lib/docker"

TOOLKIT = packages.TOOLKIT
# Facts: "Fix mode detection on Thor-based systems" came with 1.17.7, nvidia-cdi-refresh.service with 1.18.
TOOLKIT_MINIMUM = (1, 17, 7)
CDI_SINCE = (1, 18)
NVIDIA_RUNTIME = {"nvidia": {"path": "nvidia-container-runtime", "args": []}}
CDI_UNIT = "nvidia-cdi-refresh.service"
NO_RAW = "DOCKER_INSECURE_NO_IPTABLES_RAW"

_PACKAGES = ("docker*", "containerd*", "runc", "podman-docker", "gpg", "nvidia-container*", "libnvidia-container*")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin:/snap/bin"
_SECONDS = 5


# --- What is ---


def observe(root: Path | None) -> dict[str, Any]:
    """The keys that this adds to ``thor_host``. Only reads.

    dockerd is asked where its unit is active, and only there: with socket activation, whoever opens the socket of a dockerd
    that does not run starts it.
    """
    installed, held = _packages()
    content, error = read_daemon_json()
    units = _units()
    ctk = shutil.which("nvidia-ctk", path=_PATH)
    return {
        "docker": _docker(units.get("docker.service", {})),
        "container_packages": installed,
        "held_packages": held,
        "dpkg_interrupted": _dpkg_interrupted(),
        "daemon_json": daemon_json.redact(content),
        "daemon_json_error": error,
        "container_toolkit": _version(_run(ctk, "--version")) if ctk else None,
        "cdi": {
            "unit": units.get(CDI_UNIT, {}).get("LoadState") == "loaded",
            "renewed": _record(CDI_RECORD),
        },
        "raw_table": _raw_table(root),
        **packages.observe(),
        **({} if _good_toolkit(installed) else packages.observe_toolkit()),
    }


def disk_paths(observed: Mapping[str, Any]) -> list[str]:
    """Where images lie, or will: Docker's data root and, with the containerd image store, containerd's root."""
    docker = observed.get("docker") or {}
    paths = [docker.get("data_root") or (observed.get("daemon_json") or {}).get("data-root") or DATA_ROOT]
    if docker.get("containerd_store"):
        paths.append(CONTAINERD_ROOT)
    return [path for path in paths if isinstance(path, str) and path.startswith("/")]


def read_daemon_json() -> tuple[dict[str, Any] | None, str | None]:
    """The content of daemon.json (None where there is none) and what is wrong with it."""
    try:
        content, error = daemon_json.parse(DAEMON_JSON.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError) as problem:
        return None, f"line 1, column 1: the file cannot be read: {problem}"
    return (None if error else content), error


def _run(*command: str) -> str:
    """What a program prints; what it says beside that and how it ends does not matter here."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _packages() -> tuple[dict[str, str], list[str]]:
    return parse_packages(_run("dpkg-query", "-W", "-f=${db:Status-Abbrev}|${Package}|${Version}\n", *_PACKAGES))


def parse_packages(text: str) -> tuple[dict[str, str], list[str]]:
    """Installed packages with their versions, and those on hold, from lines such as ``hi |runc|1.3.0``.

    The first letter is what is wanted (h: hold), the second what is (i: installed; half-installed ones are not).
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
    """Whether dpkg was cut short: its journal is not empty. apt refuses to work then."""
    try:
        return any(path.name.isdigit() for path in DPKG_UPDATES.iterdir())
    except OSError:
        return False


def _units() -> dict[str, dict[str, str]]:
    properties = "Id,LoadState,ActiveState,UnitFileState,MainPID"
    text = _run("systemctl", "show", f"--property={properties}", "--", "docker.service", CDI_UNIT)
    blocks = [dict(re.findall(r"^(\w+)=(.*)$", block, re.MULTILINE)) for block in text.strip().split("\n\n")]
    return {block["Id"]: block for block in blocks if "Id" in block}


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
    """``GET /info`` and the running containers; empty where dockerd does not run or does not answer."""
    if not running:
        return {}, []
    daemon = docker_api.Docker(timeout=_SECONDS)
    try:
        return daemon.get("/info"), daemon.get("/containers/json")
    except docker_api.DockerError:
        return {}, []


def describe(info: Mapping[str, Any], containers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the roles want to know of what dockerd says of itself."""
    told = daemon_json.redact(daemon_json.effective(info)) if info else {}
    return {
        "version": info.get("ServerVersion"),
        "data_root": info.get("DockerRootDir"),
        "runtimes": sorted(info.get("Runtimes") or {}),
        "default_runtime": info.get("DefaultRuntime"),
        # Facts of moby: with containerd's image store the driver is one of containerd's snapshotters.
        "containerd_store": ["driver-type", "io.containerd.snapshotter.v1"] in (info.get("DriverStatus") or []),
        "containers": running_containers(containers),
        "effective": told,
    }


def running_containers(containers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The answer to ``GET /containers/json`` in short; ``service`` is the unit of ours that it belongs to."""
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
    """What the dockerd of this process id was to take over when the run was cut; empty where there is nothing.

    Another process has read the files at its start.
    """
    record = _record(PENDING) or {}
    return record if str(record.get("pid")) == pid else {}


def environment(pid: str) -> dict[str, str]:
    """Variables of the running dockerd that we may set; nothing else of its environment, which may hold a proxy's password."""
    text = (files.content(PROC / pid / "environ") or b"").decode(errors="replace")
    pairs = (one.split("=", 1) for one in text.split("\0") if "=" in one)
    return {key: value for key, value in pairs if key == NO_RAW}


def _foreign(client: str | None) -> str | None:
    """What the program ``docker`` is where it is not Docker's own with a dockerd that systemd runs."""
    if client is None:
        return None
    target = os.path.realpath(client)
    if client.startswith("/snap/") or target == "/usr/bin/snap":
        return "a snap"
    with contextlib.suppress(OSError):
        # podman-docker puts a short script there.
        if Path(target).stat().st_size < 10_000 and b"podman" in Path(target).read_bytes():
            return "podman"
    return None


def _raw_table(root: Path | None) -> bool | None:
    """Whether the kernel has iptables' table ``raw``; None where its configuration cannot be read."""
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
    """Whether a kernel of this configuration has the table, for the old iptables or (``nft``) for that over nftables.

    moby#49557: the kernels of Jetson Linux 36 are built without CONFIG_IP_NF_RAW, and Docker 28 starts no container on a
    bridge there.
    """
    options = dict(re.findall(r"^(CONFIG_\w+)=([ym])$", config, re.MULTILINE))
    return "CONFIG_IP_NF_RAW" in options or (nft and {"CONFIG_NF_TABLES", "CONFIG_NFT_COMPAT"} <= set(options))


def _record(path: Path) -> dict[str, Any] | None:
    data = records.read(path, {})
    return None if data is None else {key: value for key, value in data.items() if key != "schema"}


def _version(text: str) -> str | None:
    match = re.search(r"version (\d+(?:\.\d+)+)", text)
    return match[1] if match else None


# --- What is to do: pure ---


def steps(
    host: Mapping[str, Any], services: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What the role container_runtime has to do on a host.

    ``settings``: ``docker_source`` (distribution or docker-ce), ``docker_packages`` (a list for each of them),
    ``toolkit_version``, ``daemon_options``, ``default_runtime`` and ``data_root`` (empty: as they are), and
    ``no_iptables_raw`` (auto, always or never).

    Returns ``needed`` (whether a service runs in a container at all; nothing else is there where not), ``problems`` (texts
    with a code), ``dpkg`` (finish what dpkg was cut in), ``gpg`` (install it), ``docker`` and ``toolkit`` (packages to install),
    ``docker_repository`` and ``toolkit_repository`` (where they come from has to be added), ``configure``, ``options`` and
    ``environment`` (for the module docker_daemon), ``enable``, ``cdi`` (renew the CDI description), ``cdi_record``,
    ``architecture``, ``any`` (whether one of these is to be done), ``unproven`` (what an NVIDIA runtime that is registered and
    answers would not say).
    """
    needed = _containers(services)
    found = problems(services, host, settings)
    if not needed or found:
        return {"needed": bool(needed), "problems": [one.text() for one in found], "any": False}
    docker, absent = host["docker"], _lacks_docker(host)
    toolkit_there, version = _good_toolkit(host["container_packages"]), toolkit_version(host, settings)
    toolkit = [] if toolkit_there else [f"{name}={version}" for name in TOOLKIT]
    # What JetPack brings stays JetPack's: another repository would only offer other versions of it.
    by_jetpack = version == (host.get("jetpack_toolkit") or {}).get("version")
    available = set(toolkit) <= set(host.get("toolkit_available") or [])
    options = daemon_options(settings)
    wanted_environment = _environment(host, settings)
    decided: dict[str, Any] = {
        "dpkg": host["dpkg_interrupted"],
        "docker": settings["docker_packages"][settings["docker_source"]] if absent else [],
        "docker_repository": absent and settings["docker_source"] == "docker-ce",
        "toolkit": toolkit,
        "toolkit_repository": bool(toolkit) and not (by_jetpack and available),
        "configure": absent or _unconfigured(host, options, wanted_environment),
        "enable": absent or not docker["enabled"],
        "cdi": _cdi(host, version, toolkit_there),
    }
    repositories = decided["docker_repository"] or decided["toolkit_repository"]
    decided["gpg"] = repositories and "gpg" not in host["container_packages"]
    return {
        "needed": True,
        "problems": [],
        "any": any(decided.values()),
        **decided,
        "options": options,
        "environment": wanted_environment,
        "cdi_record": {"l4t": host["l4t"], "toolkit": version},
        "architecture": ARCHITECTURES.get(host["architecture"], host["architecture"]),
        "unproven": [one.text() for one in _unproven(host, settings)],
    }


def _lacks_docker(host: Mapping[str, Any]) -> bool:
    docker = host["docker"]
    return docker is None or docker["daemon"] is None or docker["client"] is None


def _good_toolkit(installed: Mapping[str, str]) -> bool:
    """Whether all four packages are there, in a version that knows a Thor."""
    return all(_good_enough(installed.get(name, "")) for name in TOOLKIT)


def _good_enough(version: str) -> bool:
    return (_number(version) or (0,)) >= TOOLKIT_MINIMUM


def toolkit_version(host: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """The version of the toolkit that a host has, or is to get: what is installed and good enough stays, whoever installed it.

    Where nothing is, JetPack's metapackage has its way: it depends on one exact version, and apt would remove the metapackage
    for another. Then what is there of the four in one version, and the variable at last.
    """
    installed = host["container_packages"]
    there = {installed[name] for name in TOOLKIT if name in installed}
    if _good_toolkit(installed):
        return str(installed[TOOLKIT[0]])
    jetpack = host.get("jetpack_toolkit") or {}
    if _good_enough(jetpack.get("version", "")):
        return str(jetpack["version"])
    if len(there) == 1 and _good_enough(one := next(iter(there))):
        return str(one)
    return str(settings["toolkit_version"])


def _unproven(host: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterable[Problem]:
    docker = host["docker"] or {}
    if "nvidia" not in docker.get("runtimes", []):
        there = (
            f"It has {', '.join(docker['runtimes'])}."
            if docker.get("runtimes")
            else "It does not run, or does not answer."
        )
        remedy = "Look at its journal on the host: sudo journalctl -u docker."
        reason = f"The runtime nvidia is not registered with the running dockerd. {there}"
        yield Problem("THOR-RUNTIME-MISSING", "thor_host.docker.runtimes", docker.get("runtimes"), reason, remedy)
    # nvidia-ctk is in the second of the packages.
    answer = host["container_toolkit"]
    version = host["container_packages"].get(TOOLKIT[1]) or toolkit_version(host, settings)
    if answer is None or _number(answer) != _number(version):
        reason = f"nvidia-ctk --version should answer {version}, and does not. Another one may come first on the PATH."
        remedy = "Look at it on the host: which -a nvidia-ctk."
        yield Problem("THOR-RUNTIME-MISSING", "thor_host.container_toolkit", answer, reason, remedy)


def _containers(services: Iterable[Mapping[str, Any]]) -> list[str]:
    return [service["name"] for service in services if service["kind"] == "container"]


def daemon_options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What daemon.json is to hold, besides what it holds."""
    own: dict[str, Any] = {"runtimes": NVIDIA_RUNTIME}
    for key, name in (("default-runtime", "default_runtime"), ("data-root", "data_root")):
        if settings.get(name):
            own[key] = settings[name]
    return daemon_json.merge(own, settings.get("daemon_options") or {})


def _environment(host: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, str] | None:
    """What our drop-in of docker.service is to set; None leaves it as it is.

    ``auto`` acts where the table is known to be missing and the engine is one that wants it: Docker before 28 never did, and
    the variable takes away a part of Docker 28's protection of published ports.
    """
    mode, docker = settings["no_iptables_raw"], host["docker"]
    version = (docker or {}).get("version")
    if mode == "never":
        return {}
    wants = version is None or int(version.split(".")[0]) >= 28
    return {NO_RAW: "1"} if mode == "always" or (host["raw_table"] is False and wants) else None


def _unconfigured(
    host: Mapping[str, Any], options: Mapping[str, Any], wanted_environment: Mapping[str, str] | None
) -> bool:
    docker, current = host["docker"], host["daemon_json"] or {}
    # Passwords are blanked in what was observed.
    shown = daemon_json.redact(options)
    merged = daemon_json.merge(current, shown)
    return bool(
        not docker["running"]
        or docker["pending"]
        or host["daemon_json"] is None
        or merged != current
        or daemon_json.lacking(shown, merged, docker["effective"])
        or (wanted_environment is not None and not environment_settled(wanted_environment, docker))
    )


def environment_settled(wanted: Mapping[str, str], docker: Mapping[str, Any]) -> bool:
    """Whether dockerd runs with the variables that are wanted, whoever set them, and no drop-in of ours is left over."""
    return set(wanted.items()) <= set(docker["environment"].items()) and (bool(wanted) or docker["drop_in"] is None)


def _cdi(host: Mapping[str, Any], version: str, toolkit_there: bool) -> bool:
    """Whether the CDI description is from another L4T or toolkit. The unit comes with the toolkit."""
    known = host["cdi"]["renewed"] or {}
    stale = known.get("l4t") != host["l4t"] or known.get("toolkit") != version
    return stale and (host["cdi"]["unit"] or (not toolkit_there and (_number(version) or (0,)) >= CDI_SINCE))


def problems(
    services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], settings: Mapping[str, Any]
) -> list[Problem]:
    """What keeps containers from running on this host and has to be put right by a person.

    Settings as in :func:`steps`; what is not there is not judged.
    """
    if not _containers(services):
        return []
    return [*_toolkit_problems(host, settings), *_docker_problems(host), *_file_problems(host, settings)]


def _toolkit_problems(host: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterable[Problem]:
    minimum = ".".join(map(str, TOOLKIT_MINIMUM))
    why = f"A Thor needs the NVIDIA Container Toolkit {minimum} or later; before, its containers do not see the GPU."
    wanted = str(settings.get("toolkit_version") or "")
    number = _number(wanted)
    if wanted and number is None:
        reason = "This is no version of the package, such as 1.18.1-1."
        remedy = f"Write it as apt-cache madison {TOOLKIT[0]} shows it."
        yield Problem("THOR-VALUE-INVALID", "container_runtime_toolkit_version", wanted, reason, remedy)
    elif number is not None and number < TOOLKIT_MINIMUM:
        remedy = (
            f"Choose {minimum} or later; without the variable it is the version that the collection was tested with."
        )
        yield Problem("THOR-TOOLKIT-OLD", "container_runtime_toolkit_version", wanted, why, remedy)
    kept = {
        name: host["container_packages"][name]
        for name in TOOLKIT
        if name in host["held_packages"]
        and name in host["container_packages"]
        and (_number(host["container_packages"][name]) or TOOLKIT_MINIMUM) < TOOLKIT_MINIMUM
    }
    if kept:
        reason = f"{why} Somebody has put these packages on hold."
        remedy = f"On the host: sudo apt-mark unhold {' '.join(kept)}"
        yield Problem("THOR-TOOLKIT-OLD", "thor_host.held_packages", kept, reason, remedy)


def _number(version: str) -> tuple[int, ...] | None:
    """``1.18.1-1`` as (1, 18, 1); None where it is no version."""
    match = re.fullmatch(r"(?:\d+:)?(\d+(?:\.\d+)+)(?:[~+-][\w.+~-]+)*", version)
    return tuple(int(part) for part in match[1].split(".")) if match else None


def _docker_problems(host: Mapping[str, Any]) -> Iterable[Problem]:
    if host.get("docker_installer") and not host.get("package_work") and _lacks_docker(host):
        reason = (
            "JetPack's nvidia-container has this unit install Docker at the next boot. It removes every other Docker first, "
            "with what runs in it."
        )
        remedy = (
            f"Let it do its work now, and run the play again: sudo systemctl start {packages.INSTALLER}. Or keep it from that: "
            f"sudo systemctl disable {packages.INSTALLER}."
        )
        yield Problem("THOR-DOCKER-INSTALLER", packages.INSTALLER, "enabled", reason, remedy)
    foreign = (host["docker"] or {}).get("foreign")
    if foreign:
        reason = (
            f"The program docker is {foreign} here: it does not run its containers under a dockerd that the NVIDIA "
            "runtime could be registered with, and this role removes nothing."
        )
        remedy = "Remove it if nobody needs it (sudo snap remove docker, or sudo apt-get remove podman-docker)."
        yield Problem("THOR-DOCKER-FOREIGN", "thor_host.docker.client", host["docker"]["client"], reason, remedy)


def _file_problems(host: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterable[Problem]:
    if host["daemon_json_error"]:
        yield file_problem(host["daemon_json_error"])
        return
    try:
        daemon_json.merge(host["daemon_json"] or {}, daemon_json.redact(daemon_options(settings)))
    except daemon_json.Conflict as error:
        yield conflict_problem(str(error))


def file_problem(error: str) -> Problem:
    """What to say of a daemon.json that is none."""
    reason = f"{error}. Docker does not start with such a file, and it is not overwritten."
    remedy = "Mend the line (sudo dockerd --validate checks the file), or move the file away."
    return Problem("THOR-DAEMON-JSON", "daemon.json", str(DAEMON_JSON), reason, remedy)


def conflict_problem(error: str) -> Problem:
    """What to say where the file and the variable do not fit into each other."""
    remedy = "Mend the file, or container_runtime_daemon_options."
    return Problem("THOR-DAEMON-JSON", "daemon.json", str(DAEMON_JSON), f"{error}.", remedy)
