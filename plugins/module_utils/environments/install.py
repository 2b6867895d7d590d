# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Install the packages of a lock into a new virtual environment with uv, again and again while that makes progress."""

from __future__ import annotations

import collections
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files, trees
from ansible_collections.jetson.thor.plugins.module_utils.builds.tools import raise_no_space
from ansible_collections.jetson.thor.plugins.module_utils.environments import errors, index, progress, uv, wheel_records
from ansible_collections.jetson.thor.plugins.module_utils.environments.lock import Lock
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter

BOOT = ".boot_id"
CACHE = "cache"
KEPT_LINES = 60
LONGEST_PAUSE = 30.0
COMPILE_SECONDS = 1800
SETTINGS = {
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_NO_CONFIG": "1",
    "UV_NO_PROGRESS": "1",
    # uv begins with the largest, and a kill loses what has not arrived as a whole: at most 8 wheels (1.9 GB of vLLM 0.33) and not 50,
    # which is uv's default. The speed of the two was not compared.
    "UV_CONCURRENT_DOWNLOADS": "8",
    # Seconds without a byte; attempts within a run of uv. We repeat the run itself.
    "UV_HTTP_TIMEOUT": "60",
    "UV_HTTP_RETRIES": "3",
    # Files that the cache and the environment share take their space once. Across two disks uv copies.
    "UV_LINK_MODE": "hardlink",
}


def prepare(work: Path) -> bool:
    """Make the folder with uv's cache, or keep that of an interrupted job; returns whether it is from before a start of the machine."""
    boot = files.text(Path("/proc/sys/kernel/random/boot_id")) or ""
    before = files.text(work / BOOT)
    # Without a mark nobody knows: what is there may be cut.
    stale = before != boot and any((work / CACHE).glob("wheels-v*"))
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    # A killed uv leaves what it was unpacking. Nobody else uses this cache.
    for path in (work / CACHE).glob(".tmp*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    files.write(work / BOOT, f"{'unchecked' if stale else boot}\n", 0o600)
    return stale


def install(
    spec: Mapping[str, Any], lock: Lock, stage: Path, work: Path, sources: index.Index, report: Reporter
) -> None:
    """Make the virtual environment ``stage`` with the lock's packages. Raises PackagesError, OSError.

    Keys of ``spec``: ``uv_home``, ``python``, ``engine``, ``version``, ``attempts`` (how many in a row may fail without another complete
    package).
    """
    earlier = (work / CACHE).exists()
    stale = prepare(work)
    try:
        _install(spec, lock, stage, work, sources, report)
    except errors.PackagesError as error:
        # uv trusts its cache, and has no word for one that is damaged.
        if not earlier or error.problem.code != "THOR-PACKAGES-FAILED":
            raise
        report.say("what an earlier job downloaded may be damaged: everything is fetched again")
        _install_anew(spec, lock, stage, work, sources, report)
        return
    if stale:
        report.progress(0, 0, text="check what was downloaded before the machine started")
        if wrong := next(wheel_records.damaged(site_packages(stage)), None):
            report.say(f"{wrong} is damaged: everything is fetched again")
            _install_anew(spec, lock, stage, work, sources, report)
        files.write(work / BOOT, f"{files.text(Path('/proc/sys/kernel/random/boot_id'))}\n", 0o600)


def site_packages(tree: Path) -> Path:
    """Where an environment's packages are."""
    return next(tree.glob("lib/python3*/site-packages"))


def _install_anew(
    spec: Mapping[str, Any], lock: Lock, stage: Path, work: Path, sources: index.Index, report: Reporter
) -> None:
    trees.remove(work)
    prepare(work)
    _install(spec, lock, stage, work, sources, report)


def _install(
    spec: Mapping[str, Any], lock: Lock, stage: Path, work: Path, sources: index.Index, report: Reporter
) -> None:
    shutil.rmtree(stage, ignore_errors=True)
    program = Path(spec["uv_home"], "bin/uv")
    environment = uv.base_environment() | SETTINGS | sources.for_uv() | {"UV_CACHE_DIR": str(work / CACHE)}
    # Its programs find their Python beside themselves, so that the environment can be renamed.
    making: list[str | Path] = [
        program,
        "venv",
        "--quiet",
        "--relocatable",
        "--python",
        spec["python"],
        "--no-project",
        stage,
    ]
    _run(making, environment, spec, sources, report, work, lock)
    requirements = work / "lock.txt"
    requirements.write_text("".join(f"{package.line}\n" for package in lock.packages), encoding="ascii")
    command: list[str | Path] = [
        program,
        "pip",
        "install",
        "--python",
        stage / "bin/python",
        "--no-deps",
        "--require-hashes",
    ]
    command += ["--only-binary", ":all:", "--requirements", requirements, *_build_options(lock, work)]
    command += ["--no-index"] if sources.no_index else []
    extra_first = False
    before, tried = len(progress.complete(work / CACHE, lock)), 0
    report.say(f"{before} of {len(lock.packages)} packages are there from an earlier run")
    while True:
        try:
            _run(command, environment, spec, sources, report, work, lock)
            return
        except errors.PackagesError as error:
            if error.problem.code == "THOR-PACKAGES-HASH" and sources.extra and not extra_first:
                extra_first = True
                environment |= sources.for_uv(extra_first)
                report.say("once more, with the files of the extra indexes")
                continue
            now = len(progress.complete(work / CACHE, lock))
            tried = 1 if now > before else tried + 1
            before = now
            if not error.transient or tried >= spec["attempts"]:
                raise errors.gave_up(error, tried) if error.transient else error from None
            pause = min(2.0**tried, LONGEST_PAUSE)
            report.progress(0, 0, text=f"attempt {tried} failed ({error.problem.code}), again in {pause:.0f} s")
            time.sleep(pause)


def _build_options(lock: Lock, work: Path) -> list[str | Path]:
    """The exceptions for packages without a wheel: built from their source, with build requirements by hash."""
    if not lock.source_only:
        return []
    requirements = work / "build.txt"
    requirements.write_text("".join(f"{package.line}\n" for package in lock.build), encoding="ascii")
    named = [word for name in lock.source_only for word in ("--no-binary", name)]
    return [*named, "--build-constraints", requirements, "--require-build-hashes"]


def _run(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    spec: Mapping[str, Any],
    sources: index.Index,
    report: Reporter,
    work: Path,
    lock: Lock,
) -> None:
    """Run uv; its words go to the job's log without passwords. Raises PackagesError, OSError."""
    last: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        cwd=work,
    )
    secrets = sources.secrets()
    with process, progress.watched(process.pid, work / CACHE, lock, report):
        for line in process.stdout or ():
            last.append(index.without_secrets(line.rstrip("\n"), secrets))
            report.say(last[-1])
    if process.returncode != 0:
        raise errors.explain("\n".join(last), spec["engine"], spec["version"])


def compile_bytecode(stage: Path, tree: Path, report: Reporter) -> None:
    """Compile every module, as it will be called under its final name: services cannot write beside their code.

    Some packages have files that are not valid Python, such as templates; they are left out. Raises OSError if the disk is full.
    """
    report.progress(0, 0, text="compile the packages' Python code")
    options = ["-q", "-j", str(len(os.sched_getaffinity(0))), "-s", str(stage), "-p", str(tree)]
    done = subprocess.run(
        [stage / "bin/python", "-I", "-m", "compileall", *options, stage / "lib"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        timeout=COMPILE_SECONDS,
        env=uv.base_environment(),
    )
    raise_no_space(done.stdout.splitlines())
