# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What it costs to install vLLM as a Python environment from its lock: bytes, seconds, space, and what a kill costs.

The real job runs, with the real index of this machine's pip configuration. On another platform than the lock's, uv is told which one
to install for; the environment then has the right files and cannot run. Nothing is kept. Prints JSON. Needs about 30 GB of disk
for a while and fetches the packages twice (vLLM 0.33.0: 2 x 4.4 GB).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import jobs
from ansible_collections.jetson.thor.plugins.module_utils.environments import (
    finished,
    inputs,
    install,
    job,
    lock,
    progress,
)
from ansible_collections.jetson.thor.plugins.module_utils.observe import environments

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "roles/catalog/files/packages/vllm-0.33.0-cp312-aarch64.txt"


def uv_home(folder: Path, uv: str, wanted: lock.Lock) -> Path:
    """A home for this machine's uv, which installs for the lock's platform."""
    programs = folder / "uv/bin"
    programs.mkdir(parents=True)
    native = wanted.tag == inputs.tag(platform.python_version(), platform.machine())
    target = f"--python-version {wanted.python} --python-platform {wanted.machine}-manylinux_{wanted.glibc.replace('.', '_')}"
    (programs / "uv").write_text(
        f'#!/bin/sh\n[ "$1 $2" = "pip install" ] || exec {uv} "$@"\nshift 2\nexec {uv} pip install {"" if native else target} "$@"\n'
    )
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for path in programs.iterdir():
        path.chmod(0o755)
    (folder / "uv/uv.txt").write_text("")
    return folder / "uv"


def run(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The job, to its end."""
    with (folder / "log").open("a") as log, contextlib.redirect_stdout(log):
        return job.run_job(spec, jobs.Reporter(folder))


def _child(spec: dict[str, Any], folder: Path) -> None:
    os.setpgrp()
    run(spec, folder)


def killed(spec: dict[str, Any], folder: Path, wanted: lock.Lock, seconds: float, count: int) -> dict[str, Any]:
    """Kill the job at random moments, then let it finish. ``seconds``: how long it takes; the runs together take about as long."""
    chance = random.Random(11)
    tree = job.tree_of(spec)
    work = Path(spec["state"], "uv", f"{spec['engine']}-{tree.name}")
    kept = []
    begun = time.monotonic()
    for _kill in range(count):
        process = multiprocessing.get_context("fork").Process(target=_child, args=(spec, folder))
        process.start()
        process.join(chance.uniform(0, 2 * seconds / count))
        if not process.is_alive():
            break
        os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()
        if tree.exists():
            sys.exit("a killed job has left an environment under its final name")
        kept.append(len(progress.complete(work / install.CACHE, wanted)))
    result = run(spec, folder)
    return {
        "killed": len(kept),
        "packages_kept_after_each": kept,
        "seconds_in_all": round(time.monotonic() - begun, 1),
        "bytes_fetched_by_the_last": result["bytes_fetched"],
        "complete": intact(tree, wanted),
    }


def intact(tree: Path, wanted: lock.Lock) -> bool:
    """Whether the environment is what its record and its lock say."""
    record = finished.read(tree)
    return record is not None and finished.damage(tree, record) is None and record["packages"] == wanted.versions


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lock", type=Path, default=LOCK)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    arguments = parser.parse_args()
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        sys.exit("uv is not installed: requirements/dev.txt has it")
    text = arguments.lock.read_text(encoding="utf-8")
    wanted = lock.parse(text)
    folder = Path(tempfile.mkdtemp(prefix="thor-environment-", dir=arguments.folder))
    try:
        spec = {
            "engine": wanted.name,
            "version": wanted.version,
            "lock": text,
            "uv": "",
            "argvs": {},
            "wanted": {},
            "parser": None,
            "cuda_code": None,
            "pip_arguments": "",
            "prune": False,
            "keep": [],
            "attempts": 5,
            "environment": {},
            "python": sys.executable,
            "python_version": platform.python_version(),
            "tag": wanted.tag,
            "prefix": str(folder / "engines"),
            "state": str(folder / "state"),
            "uv_home": str(uv_home(folder, uv, wanted)),
        }
        first = run(spec, folder)
        begun = time.monotonic()
        seen = environments.environments(Path(spec["prefix"]))
        observed = time.monotonic() - begun
        again = run(spec, folder)
        shutil.rmtree(spec["prefix"])
        figures = {
            "lock": arguments.lock.name,
            "packages": first["packages"],
            "bytes_fetched": first["bytes_fetched"],
            "bytes_on_disk": first["bytes"],
            "seconds": first["seconds"],
            "second_run": {"bytes_fetched": again["bytes_fetched"], "changed": again["changed"]},
            "observation_seconds": round(observed, 3),
            "intact": not seen[wanted.name][wanted.version]["damaged"],
            "kills": killed(spec, folder, wanted, first["seconds"], arguments.kills),
            "cpus": len(os.sched_getaffinity(0)),
            "load": os.getloadavg()[0],
        }
        json.dump(figures, sys.stdout, indent=1)
        print()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
