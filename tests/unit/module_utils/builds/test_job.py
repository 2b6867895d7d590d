# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The job that builds, as a whole: complete or absent, and resumed where it was cut off."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.builds import job as build_job
from ansible_collections.jetson.thor.plugins.module_utils.builds.inputs import fingerprint
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter
from toy_build import ToyBuild


def test_an_archive_becomes_a_complete_tree(job: ToyBuild) -> None:
    result = job.run(job.archive())
    tree = Path(result["path"])
    assert result["changed"] and result["options"] == ["--port", "-p"]
    assert sorted(path.name for path in tree.iterdir()) == ["bin", "build.json", "help.txt"]
    assert subprocess.check_output([tree / "bin" / "toy", "--version"], text=True) == "toy v1\n"
    told = json.loads((tree / "build.json").read_text())
    assert told["fingerprint"] == result["fingerprint"] == fingerprint(told["inputs"])
    assert (job.folder / "engines/toy/v1").resolve() == tree
    assert not (job.folder / "state/build/toy").joinpath(result["fingerprint"]).exists()
    progress = json.loads((job.jobs / "progress.json").read_text())
    assert progress["text"]


def test_a_build_tree_whose_removal_is_interrupted_loses_its_name(
    job: ToyBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, state = shutil.rmtree, job.folder / "state/build/toy"

    def killed(path: Path, *arguments: Any, **options: Any) -> None:
        if path.parent == state and path.exists():
            raise KeyboardInterrupt
        real(path, *arguments, **options)

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        job.run(job.archive())
    assert [path.name.startswith(".") for path in state.iterdir()] == [True]


def test_the_second_build_uses_the_cache_and_the_source_on_disk(job: ToyBuild) -> None:
    source = job.archive()
    tree = Path(job.run(source)["path"])
    shutil.rmtree(tree)
    (job.folder / "toy.tar.gz").unlink()
    job.run(source)
    told = subprocess.check_output(
        ["ccache", "--print-stats"], env={**os.environ, "CCACHE_DIR": str(job.folder / "ccache")}
    )
    stats = dict(line.split("\t") for line in told.decode().splitlines())
    assert int(stats["direct_cache_hit"]) + int(stats["preprocessed_cache_hit"]) == 2


def test_a_full_disk_is_reported_whoever_runs_into_it(job: ToyBuild, monkeypatch: pytest.MonkeyPatch) -> None:
    job.write("part.cpp", "#error No space left on device\n")
    with pytest.raises(JobFailed, match="THOR-DISK-FULL: No space left on device while toy v1"):
        job.run(job.archive())
    job.write("part.cpp", "int part() { return 0; }\n")

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", full)
        with pytest.raises(JobFailed, match="THOR-DISK-FULL"):
            job.run(job.archive())
    assert job.engines() == []
    job.run(job.archive())
    assert len(job.engines()) == 2


def _run_in_child(spec: dict[str, Any], folder: Path) -> None:
    os.setsid()
    build_job.run_job(spec, Reporter(folder))


@pytest.mark.parametrize("moment", ["src/toy/.*.partial", "build/toy/*/build.ninja", "build/toy/*/bin/toy"])
def test_killed_at_any_point_the_next_run_finishes(job: ToyBuild, moment: str) -> None:
    spec = job.spec(job.archive())
    child = multiprocessing.get_context("fork").Process(target=_run_in_child, args=(spec, job.jobs))
    child.start()
    assert child.pid
    _wait_until(lambda: any((job.folder / "state").glob(moment)) or not child.is_alive())
    os.killpg(child.pid, signal.SIGKILL)
    child.join()
    for name in job.engines():
        assert (job.folder / "engines/toy" / name / "build.json").is_file()
    job.run(job.archive())
    assert len(job.engines()) == 2


def _wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)
