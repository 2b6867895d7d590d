# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which Python environments a host needs, why, and what stands in the way. Pure: preflight, the plan and the role ask :func:`due`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.environments import checks, index
from ansible_collections.jetson.thor.plugins.module_utils.environments.inputs import fingerprint
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import package_locks
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.kinds import PACKAGES, ROLES
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.ways import PLATFORM, UNPACKED
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import asked_options

ROLE = ROLES[PACKAGES]
# What some Debian packages bring, in words: what is observed on a host is that, not the package.
_CONTENT = {"g++": "a C++ compiler", "python3-dev": "Python's header files", "python3-venv": "virtual environments"}


@dataclass(frozen=True)
class EnvironmentSettings:
    """What a person may choose about Python environments."""

    prove_cuda_code: bool = True  # whether the libraries must hold code that the GPU runs
    install_packages: bool = True  # whether the role may install Debian packages
    pip_arguments: str = ""  # where packages come from


@dataclass(frozen=True)
class Environment:
    """One Python environment that has to be installed on a host, or whose CUDA code or options have to be checked there."""

    engine: str
    version: str
    lock: str  # a path on the controller
    argvs: Mapping[str, Sequence[str]]  # the services' arguments, which the engine must accept
    wanted: Mapping[
        str, Sequence[str]
    ]  # architectures of their models, of which it must have one, where no list has them
    parser: str | None  # whose parser is asked for the options; None: a list of them is stored
    cuda_code: Mapping[str, Any] | None  # None: nothing has to be proven
    keep: tuple[str, ...]  # the versions of the engine that services need
    reasons: tuple[str, ...] = ()
    is_installed: bool = False  # whether only its CUDA code or its options have to be checked
    packages: int = 0
    bytes: int = 0  # to fetch

    @property
    def disk_bytes(self) -> int:
        """About the space that it takes."""
        return 0 if self.is_installed else round(self.bytes * UNPACKED)

    def arguments(self) -> dict[str, Any]:
        """What the role takes: all but what only a person reads."""
        about = {"reasons", "is_installed", "packages", "bytes"}
        given = {key: value for key, value in vars(self).items() if key not in about and value is not None}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}


def due(
    services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], chosen: EnvironmentSettings
) -> list[Environment]:
    """The environments that services need and ``host`` (thor_host) does not have as they should be, one for each version.

    One without a lock for this host is left out: :func:`problems` reports it.
    """
    users = _users(services)
    kept: dict[str, list[str]] = {}
    for engine, version in users:
        kept.setdefault(engine, []).append(version)
    wanted = (_environment(sharing, host, chosen, kept[engine]) for (engine, _version), sharing in users.items())
    return [one for one in wanted if one and one.reasons]


def lacking(services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], chosen: EnvironmentSettings) -> list[str]:
    """The Debian packages that are needed to install environments, and by the engines in them, and that the host lacks.

    A package that nothing observed speaks of is installed together with an environment.
    """
    python = host.get("python") or {}
    there = {
        "g++": host["toolchain"]["compiler"],
        "python3-dev": python.get("headers"),
        "python3-venv": python.get("venv"),
    }
    installing = any(not one.is_installed for one in due(services, host, chosen))
    named = {name for service in _of_role(services) for name in service["packages"]["apt"]}
    named |= {"python3-venv"} if installing else set()
    return sorted(name for name in named if not there.get(name, not installing))


def problems(
    services: Sequence[Mapping[str, Any]], host: Mapping[str, Any], chosen: EnvironmentSettings
) -> list[Problem]:
    """What prevents the environments: no lock for this host's Python or machine, nothing to compile with, arguments for pip alone."""
    found = wrong_arguments(services, chosen)
    found += [problem for sharing in _users(services).values() for problem in _unlocked(sharing[0], host)]
    has_python = host["python"]["tag"] is not None
    missing = [] if chosen.install_packages or not has_python else lacking(services, host, chosen)
    if missing:
        engines = sorted({service["engine"] for service in _of_role(services)})
        reason = (
            f"This host lacks {' and '.join(_CONTENT.get(name, name) for name in missing)}. {' and '.join(engines)} "
            f"{'need' if len(engines) > 1 else 'needs'} that, to be installed or to compile kernels while serving."
        )
        remedy = (
            f"Install what is missing (sudo apt-get install {' '.join(missing)}), or let the role do it "
            "(python_engine_install_packages: true)."
        )
        found.append(Problem("THOR-COMPILER-MISSING", "python_engine_install_packages", False, reason, remedy))
    return found


def wrong_arguments(services: Iterable[Mapping[str, Any]], chosen: EnvironmentSettings) -> list[Problem]:
    """Arguments that only pip knows: environments are made by uv. No host has to be observed for that.

    Another type was reported when the variables' types were checked; a number counts as a text there, as it does for Ansible.
    """
    given: Any = chosen.pip_arguments
    if not isinstance(given, (str, int, float)) or not _of_role(services):
        return []
    wrong = index.problem(str(given))
    return [wrong] if wrong else []


def tag_of(host: Mapping[str, Any], locks: Iterable[str] = ()) -> str | None:
    """The platform of a host, such as ``cp312-aarch64``; None if it has no Python that could run an engine.

    One that was not observed is taken for a Thor, or for what there are ``locks`` for.
    """
    if "python" not in host:
        return next(iter(sorted(locks, key=lambda tag: tag != PLATFORM)), None)
    tag = host["python"]["tag"]
    return f"{tag}-{host['architecture']}" if tag else None


def _of_role(services: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    # A service without a version, or with one that the catalog lacks, was refused as such.
    return [service for service in services if service["role"] == ROLE and service["version"] and service["packages"]]


def _users(services: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """The services of each engine and version, which share an environment."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for service in _of_role(services):
        found.setdefault((service["engine"], service["version"]), []).append(service)
    return found


def _environment(
    sharing: Sequence[Mapping[str, Any]], host: Mapping[str, Any], chosen: EnvironmentSettings, keep: Sequence[str]
) -> Environment | None:
    """The environment that these services share, with the reasons why it is due, if any."""
    service = sharing[0]
    locks = service["packages"]["locks"]
    tag = tag_of(host, locks)
    lock = locks.get(tag)
    if tag is None or lock is None:
        return None
    cuda_code = service["packages"]["cuda_code"] if chosen.prove_cuda_code else None
    made = host["environments"].get(service["engine"], {}).get(service["version"])
    built = fingerprint(lock["sha256"], tag)
    reasons = _reasons(made, built, tag)
    is_installed = not reasons
    if is_installed and not checks.is_proven(made["cuda_code"] if made else None, cuda_code):
        reasons = ("it is not known whether it holds code for this GPU",)
    argvs = {one["name"]: one["argv"][1:] for one in sharing}
    wanted = {one["name"]: list(one["unlisted"]) for one in sharing}
    parser = next((one["parser"] for one in sharing if one["parser"]), None)
    if is_installed and (why := asked_options.due(service["engine"], built, parser, argvs, wanted, host)):
        reasons = (*reasons, why)
    return Environment(
        engine=service["engine"],
        version=service["version"],
        lock=lock["path"],
        argvs=argvs,
        wanted=wanted,
        parser=parser,
        cuda_code=cuda_code,
        keep=tuple(keep),
        reasons=reasons,
        is_installed=is_installed,
        packages=lock["packages"],
        bytes=lock["bytes"],
    )


def _reasons(made: Mapping[str, Any] | None, wanted: str, tag: str) -> tuple[str, ...]:
    """Why an environment has to be installed: it is not there, not this one, or not as it was installed."""
    if made is None:
        return ("not installed yet",)
    if made["damaged"]:
        return (f"damaged on disk: {made['damaged']}",)
    if made["fingerprint"] == wanted:
        return ()
    before, after = _minor(made["python"]), _python(tag)
    return ("its lock has changed",) if before == after else (f"Python: {before} -> {after}",)


def _unlocked(service: Mapping[str, Any], host: Mapping[str, Any]) -> Iterable[Problem]:
    """The engine has no lock for this host, so nobody knows what would be installed."""
    locks, requirement = service["packages"]["locks"], service["packages"]["requirement"]
    tag = tag_of(host, locks)
    if tag in locks or not locks:  # without any lock it was refused as such
        return
    engine = f"{service['engine']} {service['version']}"
    known = f"There are locks for {', '.join(sorted(map(_platform, locks)))}."
    if tag is None:
        reason = f"This host has no Python, and {engine} is a set of Python packages. {known}"
        yield Problem(
            "THOR-PYTHON-VERSION", "thor_host.python", None, reason, "Install it (sudo apt-get install python3)."
        )
        return
    machine = host["architecture"]
    # A lock for another platform says what has to be added to the engine's own requirements, or left out.
    made = next((one.get("command") or "" for one in locks.values()), "")
    command = package_locks.command(requirement, made, python=_python(tag), machine=machine)
    remedy = f"Make one ({command}), or choose another version of {service['engine']}."
    if any(other.endswith(f"-{machine}") for other in locks):
        version = host["python"]["version"]
        reason = f"{engine} has no lock for the Python of this host, {version}. {known}"
        yield Problem("THOR-PYTHON-VERSION", "thor_host.python", version, reason, remedy)
    else:
        reason = f"{engine} has no lock for {_platform(tag)}. {known}"
        where = f"thor_services[{service['name']!r}].version"
        yield Problem("THOR-LOCK-MISSING", where, service["version"], reason, remedy)


def _platform(tag: str) -> str:
    """A tag in words: ``Python 3.12 on aarch64``."""
    return f"Python {_python(tag)} on {tag.partition('-')[2]}"


def _python(tag: str) -> str:
    """The version in a tag: 3.12 of ``cp312-aarch64``."""
    digits = tag.partition("-")[0].removeprefix("cp")
    return f"{digits[:1]}.{digits[1:]}"


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
