# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The job that makes a Python environment: uv, packages, bytecode, checks, record, rename. It continues where one was cut off."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import cuda_code, files, records
from ansible_collections.jetson.thor.plugins.module_utils.builds.finished import make_current
from ansible_collections.jetson.thor.plugins.module_utils.environments import (
    cuda_home,
    errors,
    finished,
    inputs,
    install,
    progress,
    prune,
    uv,
)
from ansible_collections.jetson.thor.plugins.module_utils.environments import lock as locks
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter

TARGET = "environments.job"


def run_job(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """Make and make current what ``spec`` says.

    Keys of ``spec``: the parameters of the module python_engine, ``tag``, ``python`` (path), ``python_version``, ``uv_home``,
    ``environment`` (proxies). Raises JobFailed for everything that a person can put right.
    """
    try:
        return _run_job(spec, report)
    except errors.PackagesError as error:
        raise JobFailed(error.problem.text(), problems=[error.problem.as_dict()]) from error
    except cuda_code.CudaCodeError as error:
        raise JobFailed(str(error), problems=[problem.as_dict() for problem in error.problems]) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free = " and ".join(f"{_free_bytes(spec[key]):,} on {spec[key]}" for key in ("state", "prefix"))
        raise JobFailed(
            f"THOR-DISK-FULL: {error.strerror} while the environment of {spec['engine']} {spec['version']} was made; {free} are free "
            "now (bytes). Nothing was installed, and complete packages are kept. Make room and run the play again: it continues "
            "from there. python_engine_prune: true removes environments that nothing uses."
        ) from error


def _run_job(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    # A unit does not inherit the environment of the play, where the proxies are; services read the tree under other accounts.
    os.environ.update(spec["environment"])
    os.umask(0o022)
    lock = locks.parse(spec["lock"])
    tree = tree_of(spec)
    record = finished.read(tree)
    diff = finished.difference(tree, spec["version"], lock.versions)
    fetched = 0
    removed: list[str] = []
    if record is None or finished.damage(tree, record):
        for path in prune.leftovers(
            Path(spec["prefix"]), Path(spec["state"]), spec["engine"], spec["version"], _fingerprint(spec)
        ):
            shutil.rmtree(path, ignore_errors=True)
        if spec["prune"]:
            removed = prune.remove(
                path
                for path in prune.unused(
                    Path(spec["prefix"]), spec["engine"], [*spec["keep"], spec["version"]], prune.named()
                )
                if path != tree
            )
        record, fetched = _make(spec, lock, tree, report)
    make_current(tree, spec["version"])
    # It would grow by gigabytes with each version, and its files are the environment's: one damaged there would be damaged in the next.
    shutil.rmtree(_work_of(spec), ignore_errors=True)
    return {
        "changed": True,
        "diff": diff,
        "bytes_fetched": fetched,
        "pruned": removed,
        **finished.summary(tree, record),
    }


def _make(spec: dict[str, Any], lock: locks.Lock, tree: Path, report: Reporter) -> tuple[dict[str, Any], int]:
    """Make the environment; returns its record and the bytes fetched by this job."""
    begun = time.monotonic()
    tree.parent.mkdir(parents=True, exist_ok=True)
    stage = tree.with_name(f".{tree.name}.partial")
    work = _work_of(spec)
    earlier = earlier_bytes(spec, lock)
    sources = uv.provide(spec, report)
    install.install(spec, lock, stage, work, sources, report)
    install.compile_bytecode(stage, tree, report)
    cuda_home.link(stage)
    proof = _proof(spec, stage, report)
    record = {
        "fingerprint": _fingerprint(spec),
        "lock": _digest(spec["lock"]),
        "tag": spec["tag"],
        "python": spec["python_version"],
        "requirement": lock.requirement,
        "packages": lock.versions,
        "files": finished.measure(stage),
        "bytes": finished.disk_bytes(stage),
        "seconds": round(time.monotonic() - begun, 1),
        "cuda_code": proof,
        "options": None,
    }
    records.write(stage / finished.NAME, record, 0o644)
    report.progress(0, 0, text="write everything to the disk")
    os.sync()
    _put(stage, tree)
    report.say(f"installed {tree}")
    return record, lock.bytes - earlier


def _proof(spec: dict[str, Any], stage: Path, report: Reporter) -> dict[str, Any] | None:
    """Which libraries have code for the GPU, if anybody wants to know. Raises CudaCodeError if one that is needed has none."""
    if spec["cuda_code"] is None:
        return None

    def show(done: int, total: int, name: str) -> None:
        report.progress(done, total, "libraries", f"look for CUDA code in {name}")

    # The catalog names files as wheels do: below site-packages.
    return cuda_code.prove(install.site_packages(stage), spec["cuda_code"], Path(spec["state"]), progress=show)


def _put(stage: Path, tree: Path) -> None:
    """Give a complete environment its final name; a damaged one that has it is removed."""
    aside = tree.with_name(f".{tree.name}.removed")
    shutil.rmtree(aside, ignore_errors=True)
    if tree.exists():
        tree.rename(aside)
    stage.rename(tree)
    files.sync(tree.parent)
    shutil.rmtree(aside, ignore_errors=True)


def tree_of(spec: dict[str, Any]) -> Path:
    """The final name of the environment."""
    return finished.tree_of(spec["prefix"], spec["engine"], spec["version"], _fingerprint(spec))


def earlier_bytes(spec: dict[str, Any], lock: locks.Lock) -> int:
    """The bytes of packages that an interrupted job has left."""
    return progress.fetched_bytes(_work_of(spec) / install.CACHE, lock)


def _work_of(spec: dict[str, Any]) -> Path:
    """Where uv's cache is while the environment is made."""
    return Path(spec["state"], "uv", f"{spec['engine']}-{tree_of(spec).name}")


def _fingerprint(spec: dict[str, Any]) -> str:
    return inputs.fingerprint(_digest(spec["lock"]), spec["tag"])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _free_bytes(place: str) -> int:
    """Free bytes of the disk that a folder is, or will be, on."""
    path = Path(place)
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free
