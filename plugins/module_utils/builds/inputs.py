# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes into a build, and the fingerprint that stands for it. Pure; controller and device compute the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

# Every build is optimized, and is one file that needs nothing from the build tree.
FIXED_OPTIONS = {"CMAKE_BUILD_TYPE": "Release", "BUILD_SHARED_LIBS": "OFF"}


def cmake_value(value: Any) -> str:
    """A YAML value as CMake writes it: booleans are ON and OFF, lists have semicolons."""
    if isinstance(value, bool):
        return "ON" if value else "OFF"
    if isinstance(value, list):
        return ";".join(cmake_value(one) for one in value)
    return str(value)


def inputs(build: Mapping[str, Any], toolchain: Mapping[str, str | None], machine: str) -> dict[str, Any]:
    """Everything that the result of a build depends on.

    ``build`` has the arguments of the module cmake_build, ``toolchain`` is ``thor_host.toolchain`` and ``machine`` is
    ``thor_host.architecture``. What the source is counts; where it comes from does not.
    """
    source = build["source"]
    options = {name: cmake_value(value) for name, value in build["options"].items()}
    options |= dict.fromkeys(build["version_options"], build["version"]) | FIXED_OPTIONS
    if build["cuda"]:
        options["CMAKE_CUDA_ARCHITECTURES"] = cmake_value(build["architectures"])
    return {
        "engine": build["engine"],
        "version": build["version"],
        "source": source.get("commit") or f"sha256:{source.get('sha256')}",
        "options": options,
        "targets": sorted(build["targets"]),
        "programs": list(build.get("programs") or (f"bin/{target}" for target in build["targets"])),
        "cuda": toolchain["cuda"] if build["cuda"] else None,
        "compiler": toolchain["compiler"],
        "machine": machine,
    }


def fingerprint(wanted: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits that identify the inputs."""
    return hashlib.sha256(json.dumps(wanted, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:12]


def cuda_missing(engines: str) -> Problem:
    """The problem to report when engines are to be compiled for the GPU and there is no CUDA compiler."""
    reason = f"{engines} cannot be compiled for the GPU: there is no nvcc in /usr/local/cuda/bin or on PATH."
    remedy = "Install the package cuda-toolkit (or nvidia-jetpack): sudo apt-get install cuda-toolkit."
    return Problem("THOR-CUDA-MISSING", "thor_host.toolchain.nvcc", None, reason, remedy)
