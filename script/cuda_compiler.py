# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which CUDA compiler fits an environment's CUDA headers, for script/lock.

Engines compile kernels on the device. The headers of nvidia-cuda-cccl stop a compiler of another minor version than that of
nvidia-cuda-runtime's headers: "CUDA compiler and CUDA toolkit headers are incompatible" (cuda/std/__cccl/cuda_toolkit.h, read in
13.3.5.0.6). Engines require the compiler without an upper limit, so left alone a lock gets the newest one (seen: nvcc 13.5.37 beside the
runtime 13.0.96 of PyTorch 2.14, with which nothing compiles; with 13.0.88 it does).
"""

from __future__ import annotations

from collections.abc import Mapping

RUNTIME = "nvidia-cuda-runtime"
COMPILER = ("nvidia-cuda-cccl", "nvidia-cuda-crt", "nvidia-cuda-nvcc", "nvidia-nvvm")


def minor(version: str) -> str:
    """The minor version, such as 13.0 of 13.0.96."""
    return ".".join(version.split(".")[:2])


def misfits(versions: Mapping[str, str]) -> list[str]:
    """The packages, as ``name==version``, whose minor version is not that of the runtime in ``versions`` (``{name: version}``)."""
    if RUNTIME not in versions:
        return []
    wanted = minor(versions[RUNTIME])
    return [f"{name}=={versions[name]}" for name in COMPILER if minor(versions.get(name, wanted)) != wanted]


def constraints(runtime: str) -> list[str]:
    """What makes a resolver choose the compiler of the ``runtime`` version, and keep that runtime."""
    return [f"{name}=={minor(runtime)}.*" for name in (RUNTIME, *COMPILER)]


def note(versions: Mapping[str, str]) -> str | None:
    """What the top of a lock says about it; None if the lock has no compiler."""
    there = [name for name in COMPILER if name in versions]
    if RUNTIME not in versions or not there:
        return None
    return f"Held to {minor(versions[RUNTIME])}, the version of {RUNTIME}: {', '.join(there)}."
