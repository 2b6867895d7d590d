# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How long the proof of Thor's code takes for a whole Python environment on two cores: the first time, and the second.

Without a folder it installs the lock of vLLM 0.33.0 for aarch64 (9 GB) with script/cuda_code. Prints JSON; the target: at most 60 seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import cuda_code, cuobjdump

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "roles/catalog/files/packages/vllm-0.33.0-cp312-aarch64.txt"
TOOLS = ROOT / ".cache" / "cuda_code"
LIMIT = 60.0  # seconds
CORES = 2
SLOWEST = 5


def timed(folder: Path, program: Path, state: Path) -> tuple[dict[str, Any], float, float]:
    """One proof; its record, its seconds and the CPU seconds of it and of cuobjdump."""
    begin, cpu = time.monotonic(), cpu_seconds()
    record = cuda_code.prove(folder, None, state, program)
    return record, round(time.monotonic() - begin, 1), round(cpu_seconds() - cpu, 1)


def cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def slowest(folder: Path, program: Path) -> list[dict[str, Any]]:
    """The libraries that take longest, each read alone."""
    rows: list[dict[str, Any]] = []
    for path in sorted(cuda_code.candidates(folder), key=lambda one: -one.stat().st_size)[: 2 * SLOWEST]:
        begin = time.monotonic()
        code = cuobjdump.read(program, path)
        rows.append(
            {
                "path": path.relative_to(folder).as_posix(),
                "megabytes": round(path.stat().st_size / 1e6),
                "objects": sum(code.machine_code.values()) + sum(code.ptx.values()),
                "seconds": round(time.monotonic() - begin, 1),
            }
        )
    return sorted(rows, key=lambda row: row["seconds"], reverse=True)[:SLOWEST]


def measure(folder: Path, program: Path) -> dict[str, Any]:
    """All figures of one environment."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as state:
        record, first, first_cpu = timed(folder, program, Path(state))
        again, second, _cpu = timed(folder, program, Path(state))
    return {
        "libraries": len(record["libraries"]),
        "runs": len(record["runs"]),
        "lacks": len(record["lacks"]),
        "cores": CORES,
        "load_average_before": round(load, 1),
        "seconds": first,
        "cpu_seconds": first_cpu,
        "seconds_cached": second,
        "same_result": again["libraries"] == record["libraries"],
        "slowest": slowest(folder, program),
        "limit": LIMIT,
    }


def main() -> int:
    """Measure and print; the exit status is 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--cuobjdump", type=Path, default=TOOLS / "nvidia" / "cu13" / "bin" / "cuobjdump")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        if arguments.folder is None:
            subprocess.run([sys.executable, ROOT / "script" / "cuda_code", "--into", scratch, LOCK], check=True)
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
        result = measure(folder, arguments.cuobjdump)
    print(json.dumps(result, indent=1))
    return 0 if result["seconds"] <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
