# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Observe the compilers and build tools of a host."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import commands, cuobjdump


def observe() -> dict[str, str | None]:
    """The tools that a build would use; some of their versions are part of its fingerprint."""
    nvcc = next((str(path) for path in (Path("/usr/local/cuda/bin/nvcc"), *on_path("nvcc")) if path.exists()), None)
    gxx = commands.output("g++", "-dumpfullversion").strip()
    return {
        "compiler": f"g++ {gxx}" if gxx else None,
        "nvcc": nvcc,
        "cuda": _version(commands.output(nvcc, "--version"), r"release (\d+\.\d+)") if nvcc else None,
        "cmake": _version(commands.output("cmake", "--version")),
        "ninja": _version(commands.output("ninja", "--version")),
        "ccache": _version(commands.output("ccache", "--version")),
        "cuobjdump": str(program) if (program := cuobjdump.find()) else None,
        "git": _version(commands.output("git", "--version")),
    }


def on_path(program: str) -> Iterable[Path]:
    """Where a program may be, in the order of PATH."""
    return (Path(folder) / program for folder in os.environ.get("PATH", "").split(":") if folder)


def _version(text: str, pattern: str = r"(\d+(?:\.\d+)+)") -> str | None:
    match = re.search(pattern, text)
    return match[1] if match else None
