# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which native engines must be built on a host, and why. Pure: preflight, the plan and the roles all ask :func:`due`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.builds.inputs import inputs

# A build tree, its sources and the compiler cache. llama.cpp with CUDA was measured at about 2 GiB; the rest is margin.
BUILD_BYTES = 6 * 1024**3
# What a build uses; git only where the sources come from a repository.
TOOLS = ("compiler", "cmake", "ninja", "ccache", "git")
# What people call an input whose key is not the word already.
_WORDS = {"cuda": "CUDA", "machine": "architecture"}


@dataclass(frozen=True)
class Recipe:
    """How the engines of one role are built, as far as it is the same for all versions and hosts."""

    targets: tuple[str, ...]
    options: Mapping[str, Any]
    # Compiler seconds of a cold build, with CUDA and without. Sources: the GPU checks (16 cores of x86-64, one architecture)
    # and tests/benchmarks/build.py.
    cpu_seconds: Mapping[bool, int]
    version_options: tuple[str, ...] = ()
    version_text: str | None = None  # what the program prints of its version; None: the version itself


# Both are built on ggml. It links NCCL where the build host has it; that is for several GPUs, and a device has one and no NCCL.
_GGML = {"GGML_NATIVE": True, "GGML_CUDA_NCCL": False}
RECIPES = {
    "llama_cpp": Recipe(
        targets=("llama-server", "llama-bench"),  # what serves, and what measures it
        options={
            **_GGML,
            "LLAMA_BUILD_NUMBER": 0,
            "LLAMA_BUILD_EXAMPLES": False,
            "LLAMA_BUILD_TESTS": False,
            # Nothing is downloaded: neither the web page during the build nor models at run time.
            "LLAMA_BUILD_UI": False,
            "LLAMA_USE_PREBUILT_UI": False,
            "LLAMA_OPENSSL": False,
            "LLAMA_TOOLS_INSTALL": False,
        },
        cpu_seconds={True: 3733, False: 980},
        # The source comes without its history, so the build is told its commit instead of asking git.
        version_options=("LLAMA_BUILD_COMMIT",),
    ),
    "whisper_cpp": Recipe(
        targets=("whisper-server",),
        options={**_GGML, "WHISPER_BUILD_TESTS": False},
        cpu_seconds={True: 3350, False: 210},
        version_text="",  # it does not print its version
    ),
}


@dataclass(frozen=True)
class BuildSettings:
    """What a person may choose about the builds of one role."""

    cuda: bool = True
    architectures: str = "110-real"
    cmake_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Build:
    """One build that is due on a host."""

    role: str
    engine: str
    version: str
    source: Mapping[str, Any]
    options: Mapping[str, Any]
    version_options: tuple[str, ...]
    version_text: str | None
    targets: tuple[str, ...]
    cuda: bool
    architectures: str
    argvs: Mapping[str, Sequence[str]]  # the services' arguments, which the new program must accept
    reasons: tuple[str, ...] = ()
    bytes: int = BUILD_BYTES
    seconds: int | None = None  # with a cold compiler cache; None: not known

    def arguments(self) -> dict[str, Any]:
        """What the role cmake_build takes: all but what only a person reads."""
        about = {"role", "reasons", "bytes", "seconds"}
        given = {key: value for key, value in vars(self).items() if key not in about and value is not None}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}


def due(
    services: Iterable[Mapping[str, Any]], host: Mapping[str, Any], chosen: Mapping[str, BuildSettings]
) -> list[Build]:
    """The builds that services need and ``host`` (thor_host) does not have as they should be, one for each version."""
    users: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for service in services:
        # A service without a version was refused as such.
        if service["role"] in RECIPES and service["version"] is not None:
            users.setdefault((service["role"], service["engine"], service["version"]), []).append(service)
    wanted = [_build(sharing, chosen.get(role, BuildSettings()), host) for (role, *_version), sharing in users.items()]
    return [build for build in wanted if build.reasons]


def missing_tools(builds: Sequence[Build], toolchain: Mapping[str, Any]) -> tuple[str, ...]:
    """The names in ``TOOLS`` that these builds need and ``toolchain`` (of thor_host) lacks."""
    if not builds:
        return ()
    needless = () if any(build.source.get("git") for build in builds) else ("git",)
    return tuple(name for name in TOOLS if name not in needless and not toolchain.get(name))


def _build(services: Sequence[Mapping[str, Any]], chosen: BuildSettings, host: Mapping[str, Any]) -> Build:
    """The build that these services share, with the reasons why it is due, if any."""
    service = services[0]
    recipe = RECIPES[service["role"]]
    arguments: dict[str, Any] = {
        **{key: service[key] for key in ("role", "engine", "version", "source")},
        "options": {**recipe.options, "GGML_CUDA": chosen.cuda, **chosen.cmake_options},
        "version_options": recipe.version_options,
        "version_text": recipe.version_text,
        "targets": recipe.targets,
        "cuda": chosen.cuda,
        "architectures": chosen.architectures,
        "argvs": {one["name"]: one["argv"][1:] for one in services},
    }
    made = host["builds"].get(service["engine"], {}).get(service["version"])
    reasons = _reasons(inputs(arguments, host["toolchain"], host["architecture"]), made)
    cpus = host.get("cpus")
    return Build(
        **arguments, reasons=reasons, seconds=math.ceil(recipe.cpu_seconds[chosen.cuda] / cpus) if cpus else None
    )


def _reasons(wanted: Mapping[str, Any], made: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Why a build is due: it is not there, or what goes into it has changed."""
    if made is None:
        return ("not built yet",)
    before = made.get("inputs") or {}
    changed = [
        _change(f"option {name}", (before.get("options") or {}).get(name), wanted["options"].get(name))
        for name in sorted({*(before.get("options") or {}), *wanted["options"]})
        if (before.get("options") or {}).get(name) != wanted["options"].get(name)
    ]
    changed += [
        _change(_WORDS.get(key, key), before.get(key), wanted[key])
        for key in wanted
        if key != "options" and before.get(key) != wanted[key]
    ]
    return tuple(changed)


def _change(name: str, before: Any, after: Any) -> str:
    return f"{name}: {'none' if before is None else before} -> {'none' if after is None else after}"
