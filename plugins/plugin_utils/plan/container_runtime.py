# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What has to be done so that a host runs containers with the GPU, and what stands in the way. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import daemon_json, proxy
from ansible_collections.jetson.thor.plugins.module_utils.docker_api import ARCHITECTURES
from ansible_collections.jetson.thor.plugins.module_utils.observe import docker_host, packages, toolkit
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

NVIDIA_RUNTIME = {"nvidia": {"path": "nvidia-container-runtime", "args": []}}


def steps(
    host: Mapping[str, Any], services: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What the role container_runtime has to do on a host.

    ``settings``: ``docker_source`` (distribution or docker-ce), ``docker_packages`` (a list for each source),
    ``toolkit_version``, ``daemon_options``, ``default_runtime`` and ``data_root`` (empty: leave as is), and
    ``no_iptables_raw`` (auto, always or never), ``proxy`` (whether there is one).

    Returns ``needed`` (whether any service runs in a container; if not, only this and empty ``problems``), ``problems`` (texts
    with codes), ``dpkg`` (finish an interrupted dpkg run), ``gpg`` (install it), ``docker`` and ``toolkit`` (packages to
    install), ``docker_repository`` and ``toolkit_repository`` (add their source), ``configure``, ``environment`` (for the
    module docker_daemon; its options may hold passwords and are not part of this), ``enable``, ``cdi`` (renew the CDI
    description), ``cdi_record``, ``architecture``, ``any`` (whether there is anything to do), ``unproven`` (why the NVIDIA
    runtime is not known to work).
    """
    needed = _containers(services)
    found = problems(services, host, settings)
    if not needed or found:
        return {"needed": bool(needed), "problems": [one.text() for one in found], "any": False}
    docker, absent = host["docker"], _lacks_docker(host)
    version = toolkit_version(host, settings)
    installed = toolkit.is_installed(host["container_packages"])
    wanted = [] if installed else [f"{name}={version}" for name in toolkit.PACKAGES]
    # JetPack's version comes from JetPack's source: another repository would only offer other versions.
    by_jetpack = version == (host.get("jetpack_toolkit") or {}).get("version")
    available = set(wanted) <= set(host.get("toolkit_available") or [])
    options = daemon_options(settings)
    wanted_environment = _environment(host, settings)
    decided: dict[str, Any] = {
        "dpkg": host["dpkg_interrupted"],
        "docker": settings["docker_packages"][settings["docker_source"]] if absent else [],
        "docker_repository": absent and settings["docker_source"] == "docker-ce",
        "toolkit": wanted,
        "toolkit_repository": bool(wanted) and not (by_jetpack and available),
        "configure": absent or _unconfigured(host, options, wanted_environment, bool(settings.get("proxy"))),
        "enable": absent or not docker["enabled"],
        "cdi": _cdi(host, version, installed),
    }
    repositories = decided["docker_repository"] or decided["toolkit_repository"]
    decided["gpg"] = repositories and "gpg" not in host["container_packages"]
    return {
        "needed": True,
        "problems": [],
        "any": any(decided.values()),
        **decided,
        "environment": wanted_environment,
        "cdi_record": {"l4t": host["l4t"], "toolkit": version},
        "architecture": ARCHITECTURES.get(host["architecture"], host["architecture"]),
        "unproven": [one.text() for one in unproven(host, settings)],
    }


def _lacks_docker(host: Mapping[str, Any]) -> bool:
    docker = host["docker"]
    return docker is None or docker["daemon"] is None or docker["client"] is None


def toolkit_version(host: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """The toolkit version that a host has or should get. A suitable installed version stays, whoever installed it.

    Otherwise JetPack's metapackage decides: it depends on exactly one version, and apt would remove the metapackage for any
    other. Next comes the version of those of the four packages that are installed, and last the variable.
    """
    installed = host["container_packages"]
    present = {installed[name] for name in toolkit.PACKAGES if name in installed}
    if toolkit.is_installed(installed):
        return str(installed[toolkit.PACKAGES[0]])
    jetpack = host.get("jetpack_toolkit") or {}
    if toolkit.is_suitable(jetpack.get("version", "")):
        return str(jetpack["version"])
    if len(present) == 1 and toolkit.is_suitable(one := next(iter(present))):
        return str(one)
    return str(settings["toolkit_version"])


def unproven(host: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterable[Problem]:
    """Why the NVIDIA runtime is not known to work."""
    docker = host["docker"] or {}
    if "nvidia" not in docker.get("runtimes", []):
        runtimes = docker.get("runtimes")
        known = f"It has {', '.join(runtimes)}." if runtimes else "dockerd is not running or does not answer."
        remedy = "Read its journal on the host: sudo journalctl -u docker."
        reason = f"The runtime nvidia is not registered with the running dockerd. {known}"
        yield Problem("THOR-RUNTIME-MISSING", "thor_host.docker.runtimes", docker.get("runtimes"), reason, remedy)
    # The second package contains nvidia-ctk.
    answer = host["container_toolkit"]
    version = host["container_packages"].get(toolkit.PACKAGES[1]) or toolkit_version(host, settings)
    if answer is None or toolkit.number(answer) != toolkit.number(version):
        reason = (
            f"nvidia-ctk --version should answer {version} but does not. Another nvidia-ctk may come first on the PATH."
        )
        remedy = "Check on the host: which -a nvidia-ctk."
        yield Problem("THOR-RUNTIME-MISSING", "thor_host.container_toolkit", answer, reason, remedy)


def _containers(services: Iterable[Mapping[str, Any]]) -> list[str]:
    return [service["name"] for service in services if service["kind"] == "image"]


def daemon_options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What daemon.json has to contain in addition to what it contains already."""
    own: dict[str, Any] = {"runtimes": NVIDIA_RUNTIME}
    for key, name in (("default-runtime", "default_runtime"), ("data-root", "data_root")):
        if settings.get(name):
            own[key] = settings[name]
    return daemon_json.merge(own, settings.get("daemon_options") or {})


def _environment(host: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, str] | None:
    """What our drop-in of docker.service has to set; None leaves it as it is.

    ``auto`` acts only if the table is known to be missing and this Docker uses it: versions before 28 do not, and the
    variable removes part of Docker 28's protection of published ports.
    """
    mode, docker = settings["no_iptables_raw"], host["docker"]
    version = (docker or {}).get("version")
    if mode == "never":
        return {}
    wants = version is None or int(version.split(".")[0]) >= 28
    return {daemon_json.NO_RAW: "1"} if mode == "always" or (host["raw_table"] is False and wants) else None


def _unconfigured(
    host: Mapping[str, Any],
    options: Mapping[str, Any],
    wanted_environment: Mapping[str, str] | None,
    through_proxy: bool,
) -> bool:
    docker, current = host["docker"], host["daemon_json"] or {}
    # The observation contains no passwords.
    shown = daemon_json.redact(options)
    merged = daemon_json.merge(current, shown)
    return bool(
        not docker["running"]
        or docker["pending"]
        or host["daemon_json"] is None
        or merged != current
        or daemon_json.lacking(shown, merged, docker["effective"])
        or (wanted_environment is not None and not daemon_json.environment_settled(wanted_environment, docker))
        or _other_proxy(host, through_proxy)
    )


def _other_proxy(host: Mapping[str, Any], wanted: bool) -> bool:
    """Whether dockerd does not have the proxy of the site, or has one that is no longer wanted. A person's own stays."""
    named = str(proxy.DOCKER) in (host["docker"]["drop_in"] or "")
    return not (named and host["proxy"]["docker"]) if wanted else named


def host_after(host: Mapping[str, Any], decided: Mapping[str, Any], settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The host as the role engine_image finds it after these steps: with another toolkit, or with a Docker that has no images."""
    if not decided.get("any"):
        return host
    after = dict(host)
    if decided["toolkit"]:
        after["container_packages"] = {
            **host["container_packages"],
            **dict.fromkeys(toolkit.PACKAGES, decided["cdi_record"]["toolkit"]),
        }
    if decided["docker"] or (decided["configure"] and _data_root_changes(host, settings)):
        after["images"] = {name: {**image, "present": False} for name, image in (host.get("images") or {}).items()}
    return after


def _data_root_changes(host: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether Docker will look for its images elsewhere. With the containerd image store they are not in its data root."""
    if (host["docker"] or {}).get("containerd_store"):
        return False
    wanted = daemon_json.merge(host["daemon_json"] or {}, daemon_json.redact(daemon_options(settings))).get("data-root")
    return bool(wanted) and wanted != docker_host.disk_paths(host)[0]


def _cdi(host: Mapping[str, Any], version: str, installed: bool) -> bool:
    """Whether the CDI description was made for another L4T or toolkit. Its unit comes with the toolkit."""
    known = host["cdi"]["renewed"] or {}
    stale = known.get("l4t") != host["l4t"] or known.get("toolkit") != version
    return stale and (host["cdi"]["unit"] or (not installed and (toolkit.number(version) or (0,)) >= toolkit.CDI_SINCE))


def problems(
    services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], settings: Mapping[str, Any]
) -> list[Problem]:
    """What keeps containers from running on this host and only a person can fix.

    Settings as in :func:`steps`; missing ones are not checked.
    """
    if not _containers(services):
        return []
    return [*_toolkit_problems(host, settings), *_docker_problems(host), *_file_problems(host, settings)]


def _toolkit_problems(host: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterable[Problem]:
    minimum = ".".join(map(str, toolkit.MINIMUM))
    why = (
        f"A Thor needs the NVIDIA Container Toolkit {minimum} or later: with older ones containers do not see the GPU."
    )
    wanted = str(settings.get("toolkit_version") or "")
    number = toolkit.number(wanted)
    if wanted and number is None:
        reason = "This is not a version of the package, such as 1.18.1-1."
        remedy = f"Write it as apt-cache madison {toolkit.PACKAGES[0]} shows it."
        yield Problem("THOR-VALUE-INVALID", "container_runtime_toolkit_version", wanted, reason, remedy)
    elif number is not None and number < toolkit.MINIMUM:
        remedy = (
            f"Choose {minimum} or later, or remove the variable to get the version that the collection was tested with."
        )
        yield Problem("THOR-TOOLKIT-OLD", "container_runtime_toolkit_version", wanted, why, remedy)
    held = {
        name: host["container_packages"][name]
        for name in toolkit.PACKAGES
        if name in host["held_packages"]
        and name in host["container_packages"]
        and (toolkit.number(host["container_packages"][name]) or toolkit.MINIMUM) < toolkit.MINIMUM
    }
    if held:
        reason = f"{why} These packages are on hold."
        remedy = f"On the host: sudo apt-mark unhold {' '.join(held)}"
        yield Problem("THOR-TOOLKIT-OLD", "thor_host.held_packages", held, reason, remedy)


def _docker_problems(host: Mapping[str, Any]) -> Iterable[Problem]:
    if host.get("docker_installer") and not host.get("package_work") and _lacks_docker(host):
        reason = (
            "JetPack's nvidia-container installs Docker with this unit at the next boot. It first removes every other Docker, "
            "with all running containers."
        )
        remedy = (
            f"Run it now, then run the play again: sudo systemctl start {packages.INSTALLER}. Or disable it: "
            f"sudo systemctl disable {packages.INSTALLER}."
        )
        yield Problem("THOR-DOCKER-INSTALLER", packages.INSTALLER, "enabled", reason, remedy)
    foreign = (host["docker"] or {}).get("foreign")
    if foreign:
        reason = (
            f"The program docker is {foreign} on this host: the NVIDIA runtime cannot be registered with it, and this role "
            "does not remove other software."
        )
        remedy = "Remove it if it is not needed (sudo snap remove docker, or sudo apt-get remove podman-docker)."
        yield Problem("THOR-DOCKER-FOREIGN", "thor_host.docker.client", host["docker"]["client"], reason, remedy)


def _file_problems(host: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterable[Problem]:
    if host["daemon_json_error"]:
        yield daemon_json.file_problem(host["daemon_json_error"])
        return
    try:
        daemon_json.merge(host["daemon_json"] or {}, daemon_json.redact(daemon_options(settings)))
    except daemon_json.Conflict as error:
        yield daemon_json.conflict_problem(str(error))
