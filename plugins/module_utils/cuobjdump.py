# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's cuobjdump: where it is, and what it lists for one file."""

from __future__ import annotations

import collections
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils.commands import output

# PyPI's nvidia-cuda-cuobjdump in the environment of our tools; then the CUDA toolkit's own.
PLACES = (
    "/opt/thor/venv/uv/lib/python3*/site-packages/nvidia/cu13/bin/cuobjdump",
    "/usr/local/cuda/bin/cuobjdump",
)
# libtorch_cuda takes 5 s on an idle core and 22 s on a busy one.
SECONDS = 600.0
# "ELF file    1: _C.abi3.1.sm_110a.cubin", "PTX file   15: _C.abi3.15.sm_80.ptx" (13.0 and 13.5)
_LINE = re.compile(r"^(ELF|PTX) file +\d+: .*\.(sm_\d+[af]?)\.(?:cubin|ptx)$")
_NONE = "does not contain device code"


class CuobjdumpError(Exception):
    """cuobjdump is missing, or failed; the text says why, and what it printed."""


@dataclass(frozen=True)
class Code:
    """The CUDA code of one file: architectures (``sm_110``, ``sm_90a``) and how many objects are for each.

    cuobjdump lists machine code for ``sm_110f`` as ``sm_110``: for a GPU of that very number the two make no difference.
    """

    machine_code: dict[str, int]
    ptx: dict[str, int]


def find(beside: Path | None = None) -> Path | None:
    """The program, or None. ``beside`` is an nvcc whose toolkit is looked at first."""
    own = [beside.parent / "cuobjdump"] if beside else []
    # glob takes a relative pattern: all places are below /.
    found = (path for place in PLACES for path in sorted(Path("/").glob(place.lstrip("/"))))
    return next((path for path in (*own, *found) if path.is_file()), None)


def version(program: Path) -> str:
    """Its version, such as ``13.5.37``; empty if it does not say."""
    _make_executable(program)
    told = re.search(r"\bV(\d+(?:\.\d+)+)", output(str(program), "--version"))
    return told[1] if told else ""


def read(program: Path, path: Path) -> Code:
    """What a file holds. Of code that is linked by device (-rdc) it lists the linked form, which is the one that runs.

    Raises CuobjdumpError.
    """
    try:
        done = subprocess.run(
            [program, "-lelf", "-lptx", path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CuobjdumpError(f"{program} could not read {path}: {error}") from error
    if done.returncode != 0 and _NONE not in done.stdout + done.stderr:
        words = (done.stderr.strip() or done.stdout.strip())[-500:]
        raise CuobjdumpError(f"{program} could not read {path} (exit status {done.returncode}): {words}")
    return parse(done.stdout.splitlines())


def parse(lines: Iterable[str]) -> Code:
    """What cuobjdump printed for ``-lelf -lptx``, counted."""
    found = {"ELF": collections.Counter[str](), "PTX": collections.Counter[str]()}
    for line in lines:
        if match := _LINE.match(line):
            found[match[1]][match[2]] += 1
    return Code(dict(sorted(found["ELF"].items())), dict(sorted(found["PTX"].items())))


def _make_executable(program: Path) -> None:
    """Set the mode that PyPI's wheel does not set."""
    mode = program.stat().st_mode
    if not mode & 0o100:
        program.chmod(mode | 0o555)
