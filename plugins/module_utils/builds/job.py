# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The job that builds an engine: source, configure, compile, install, check. It continues where an earlier one was cut off."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import trees
from ansible_collections.jetson.thor.plugins.module_utils.builds import compiler, finished, install, source
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter

TARGET = "builds.job"


def run_job(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """Build, install and make current what ``spec`` says.

    Keys of ``spec``: ``inputs``, ``source``, ``version_text``, ``argvs``, ``libraries`` (see install.check_libraries), ``nvcc``,
    ``jobs`` (0: bounded by memory), ``prefix``, ``state`` (folder of sources and build trees), ``ccache``, ``environment``.
    Raises JobFailed for everything that a person can put right.
    """
    try:
        return _run_job(spec, report)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        wanted = spec["inputs"]
        free = " and ".join(f"{_free_bytes(spec[key]):,} on {spec[key]}" for key in ("state", "prefix"))
        raise JobFailed(
            f"THOR-DISK-FULL: {error.strerror} while {wanted['engine']} {wanted['version']} was built; {free} are free "
            "now (bytes). Nothing was installed. Make room and run the play again: it continues from there. "
            f"{spec['ccache']} and {spec['state']}/src may be deleted at any time."
        ) from error


def _run_job(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    wanted = spec["inputs"]
    tree = finished.tree_of(spec["prefix"], wanted)
    diff = finished.difference(tree, wanted)
    if finished.read(tree) is None:
        # A unit does not inherit the environment of the play, where the proxies are.
        os.environ.update(spec["environment"])
        tree.parent.mkdir(parents=True, exist_ok=True)
        state = Path(spec["state"])
        build = state / "build" / wanted["engine"] / tree.name.rpartition("-")[2]
        sources = source.fetch(spec["source"], state / "src" / wanted["engine"], report)
        compiler.prepare(build)
        compiler.configure(spec, sources, build, report)
        compiler.compile_targets(spec, build, report)
        install.install(spec, build, tree, report)
        trees.remove(build)
    finished.make_current(tree, wanted["version"])
    done = finished.summary(tree)
    problems = finished.check_argvs(spec["argvs"], done["options"], wanted["engine"], wanted["version"])
    if problems:
        text = "\n".join(problem.text() for problem in problems)
        raise JobFailed(text, problems=[problem.as_dict() for problem in problems])
    return {"changed": True, "diff": diff, **done}


def _free_bytes(place: str) -> int:
    """Free bytes of the disk that a folder is, or will be, on."""
    path = Path(place)
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free
