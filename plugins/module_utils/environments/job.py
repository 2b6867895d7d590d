# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The job that makes a Python environment: uv, packages, bytecode, checks, record, rename. It continues where one was cut off."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import records, trees
from ansible_collections.jetson.thor.plugins.module_utils.builds.finished import is_current, make_current
from ansible_collections.jetson.thor.plugins.module_utils.environments import (
    checks,
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
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

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
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        shutil.rmtree(_stage_of(tree_of(spec)), ignore_errors=True)  # it is made anew in any case
        problem = _full(spec, str(error.strerror))
        raise JobFailed(problem.text(), problems=[problem.as_dict()]) from error


def _run_job(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    # A unit does not inherit the environment of the play, where the proxies are; services read the tree under other accounts.
    os.environ.update(spec["environment"])
    os.umask(0o022)
    lock = locks.parse(spec["lock"])
    tree, fingerprint = tree_of(spec), _fingerprint(spec)
    record = finished.read(tree)
    ready = record is not None and finished.damage(tree, record) is None
    result: dict[str, Any] = {
        # A repeated check alone is no change.
        "changed": not ready or not is_current(tree, spec["version"]),
        "diff": finished.difference(tree, spec["version"], lock.versions),
        "bytes_fetched": 0,
        "pruned": [],
    }
    if record is None or not ready:
        result["pruned"] = _clean_up(spec, tree)
        record, result["bytes_fetched"] = _make(spec, lock, tree, report)
    elif not checks.is_proven(record["cuda_code"], spec["cuda_code"]):
        uv.provide(spec, report)  # cuobjdump is beside it, and both may have been removed
        record["cuda_code"] = checks.prove(install.site_packages(tree), spec["cuda_code"], Path(spec["state"]), report)
        records.write(tree / finished.NAME, record, 0o644)
    make_current(tree, spec["version"])
    # It would grow by gigabytes with each version, and its files are the environment's: one damaged there would be damaged in the next.
    with contextlib.suppress(OSError):  # the environment is complete; prune.yml finds what is left
        trees.remove(_work_of(spec))
    if not checks.is_asked(spec, fingerprint):
        checks.ask(tree, fingerprint, spec, report)
    return {**result, **finished.summary(tree, record), "options": checks.options(spec["engine"], fingerprint)}


def _clean_up(spec: dict[str, Any], tree: Path) -> list[str]:
    """Remove what interrupted jobs left and, if asked to, unused environments: before more space is needed."""
    engines, state = Path(spec["prefix"]), Path(spec["state"])
    for path in prune.leftovers(engines, state, spec["engine"], spec["version"], _fingerprint(spec)):
        with contextlib.suppress(OSError):
            trees.remove(path)
    if not spec["prune"]:
        return []
    unused = prune.unused(engines, spec["engine"], [*spec["keep"], spec["version"]], prune.named())
    return prune.remove(path for path in unused if path != tree)


def _make(spec: dict[str, Any], lock: locks.Lock, tree: Path, report: Reporter) -> tuple[dict[str, Any], int]:
    """Make the environment; returns its record and the bytes fetched by this job."""
    begun = time.monotonic()
    tree.parent.mkdir(parents=True, exist_ok=True)
    stage = _stage_of(tree)
    work = _work_of(spec)
    earlier = earlier_bytes(spec, lock)
    sources = uv.provide(spec, report)
    install.install(spec, lock, stage, work, sources, report)
    install.compile_bytecode(stage, tree, report)
    cuda_home.link(stage)
    proof = checks.prove(install.site_packages(stage), spec["cuda_code"], Path(spec["state"]), report)
    record = {
        "fingerprint": _fingerprint(spec),
        "lock": lock.sha256,
        "tag": spec["tag"],
        "python": spec["python_version"],
        "requirement": lock.requirement,
        "packages": lock.versions,
        "files": finished.measure(stage),
        "bytes": finished.disk_bytes(stage),
        "seconds": round(time.monotonic() - begun, 1),
        "cuda_code": proof,
    }
    records.write(stage / finished.NAME, record, 0o644)
    report.progress(0, 0, text="write everything to the disk")
    os.sync()
    trees.put(stage, tree)
    report.say(f"installed {tree}")
    return record, lock.bytes - earlier


def tree_of(spec: dict[str, Any]) -> Path:
    """The final name of the environment."""
    return finished.tree_of(spec["prefix"], spec["engine"], spec["version"], _fingerprint(spec))


def earlier_bytes(spec: dict[str, Any], lock: locks.Lock) -> int:
    """The bytes of packages that an interrupted job has left."""
    return progress.fetched_bytes(_work_of(spec) / install.CACHE, lock)


def _stage_of(tree: Path) -> Path:
    """The environment while it is made."""
    return tree.with_name(f".{tree.name}.partial")


def _work_of(spec: dict[str, Any]) -> Path:
    """Where uv's cache is while the environment is made."""
    return Path(spec["state"], "uv", f"{spec['engine']}-{tree_of(spec).name}")


def _fingerprint(spec: dict[str, Any]) -> str:
    return inputs.fingerprint(locks.parse(spec["lock"]).sha256, spec["tag"])


def _full(spec: dict[str, Any], words: str) -> Problem:
    free = " and ".join(f"{_free_bytes(spec[key]):,} on {spec[key]}" for key in ("state", "prefix"))
    reason = f"{words}, while the environment was made; {free} are free now (bytes). Nothing was installed, and complete packages are kept."
    remedy = "Make room and run the play again: it continues from there. python_engine_prune: true removes environments that nothing uses."
    return Problem(
        "THOR-DISK-FULL", f"thor_services[{spec['engine']} {spec['version']}].packages", None, reason, remedy
    )


def _free_bytes(place: str) -> int:
    """Free bytes of the disk that a folder is, or will be, on."""
    path = Path(place)
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free
