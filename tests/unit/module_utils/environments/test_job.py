# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The job that makes Python environments, with the real uv and a local index: complete or absent, resumed, noticed when damaged."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import trees
from ansible_collections.jetson.thor.plugins.module_utils.environments import (
    finished,
    install,
)
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from toy_environment import ToyEnvironment


def answer(tree: Path) -> str:
    """What the engine prints under its final name."""
    return subprocess.check_output([tree / "bin/toy", "--port", "1"], text=True)


def test_a_lock_becomes_a_complete_environment(toy: ToyEnvironment) -> None:
    result = toy.run()
    tree = Path(result["path"])
    assert answer(tree) == f"{tree}/bin/python ready --port 1\n", "it runs under its final name, with its own Python"
    record = json.loads((tree / "environment.json").read_text())
    assert record["packages"] == {"toy": "1.0", "toy-library": "1.0"}
    assert record["fingerprint"] == result["fingerprint"] and tree.name == f"1.0-{result['fingerprint']}"
    assert result["packages"] == 2 and result["bytes"] > 300_000
    assert result["bytes_fetched"] == sum(map(len, toy.index.files.values())) == toy.index.sent
    assert (toy.folder / "engines/toy/1.0").resolve() == tree
    assert not list((toy.folder / "state/uv").iterdir()), "the cache is removed"
    assert finished.damage(tree, record) is None
    assert ".partial" not in (tree / "pyvenv.cfg").read_text() + (tree / "bin/toy").read_text()
    assert "include-system-site-packages = false" in (tree / "pyvenv.cfg").read_text()


def test_services_under_their_own_accounts_can_read_it(toy: ToyEnvironment) -> None:
    before = os.umask(0o077)
    try:
        tree = Path(toy.run()["path"])
    finally:
        os.umask(before)
    there = [tree.parent, tree, *tree.rglob("*")]
    assert [path for path in there if path.lstat().st_mode & 0o044 != 0o044] == []
    assert [path for path in there if path.is_dir() and path.stat().st_mode & 0o011 != 0o011] == []


def test_an_environment_with_a_compiler_has_a_cuda_home(toy: ToyEnvironment) -> None:
    files = {"nvidia/cu13/bin/nvcc": b"nvcc", "nvidia/cu13/lib/libcudart.so.13": b"runtime"}
    toy.publish("nvidia-cuda-nvcc", files)
    home = Path(toy.run()["path"]) / "cuda"
    assert (home / "bin/nvcc").read_text() == "nvcc" and (home / "lib64/libcudart.so").read_text() == "runtime"


def test_an_interrupted_job_continues_with_what_has_arrived(toy: ToyEnvironment) -> None:
    late = toy.publish("toy-late", {"toy_late.py": b"x = 1\n"})
    toy.index.gone.add(late)
    with pytest.raises(JobFailed, match="THOR-PACKAGES-MISSING"):
        toy.run()
    time.sleep(0.1)
    assert not (toy.folder / "engines/toy/1.0").exists()
    arrived = {path.parent.name for path in (toy.work / "cache").glob("wheels-v*/**/*.http")}
    toy.index.gone.clear()
    toy.index.requests.clear()
    result = toy.run()
    assert answer(Path(result["path"]))
    again = [path for path in toy.index.requests if path.startswith("/files/") and "late" not in path]
    assert len(again) == 2 - len(arrived - {"toy-late"})
    assert result["bytes_fetched"] == sum(toy.sizes[name] for name in toy.hashes if name not in arrived)


def _run(toy: ToyEnvironment) -> None:
    os.setpgrp()
    toy.run()


def test_killed_at_any_moment_it_ends_complete(toy: ToyEnvironment) -> None:
    for number in range(12):
        toy.publish(f"toy-part-{number}", {f"part{number}.so": bytes([number]) * 100_000})
    toy.index.pause = 0.005
    chance = random.Random(11)
    context = multiprocessing.get_context("fork")
    killed = 0
    for _attempt in range(60):
        process = context.Process(target=_run, args=(toy,))
        process.start()
        process.join(chance.uniform(0.05, 0.6))
        if process.is_alive():
            killed += 1
            os.killpg(process.pid or 0, signal.SIGKILL)
        process.join(10)
        link = toy.folder / "engines/toy/1.0"
        assert not link.exists() or answer(link.resolve()), "complete or absent"
        if killed == 10:
            break
        if link.exists():  # it was quicker than its end
            shutil.rmtree(link.parent)
    assert killed == 10
    toy.index.pause = 0
    tree = Path(toy.run()["path"])
    assert answer(tree)
    record = finished.read(tree)
    assert record is not None and len(record["packages"]) == 14 and finished.damage(tree, record) is None
    assert sorted(path.name for path in tree.parent.iterdir()) == ["1.0", tree.name], "nothing is left over"


def test_a_damaged_environment_is_made_again(toy: ToyEnvironment) -> None:
    tree = Path(toy.run()["path"])
    os.truncate(install.site_packages(tree) / "toy_library/lib.so", 5)
    result = toy.run()
    assert result["path"] == str(tree)
    assert (install.site_packages(tree) / "toy_library/lib.so").stat().st_size == 300_000
    assert sorted(path.name for path in tree.parent.iterdir()) == ["1.0", tree.name]


def test_the_second_run_installs_nothing(toy: ToyEnvironment) -> None:
    tree = Path(toy.run()["path"])
    (toy.folder / "engines/toy/1.0").unlink()
    toy.index.requests.clear()
    assert toy.run()["bytes_fetched"] == 0
    assert not toy.index.requests and (toy.folder / "engines/toy/1.0").resolve() == tree


def test_a_full_disk_is_reported_whoever_runs_into_it(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(trees, "put", full)
        with pytest.raises(
            JobFailed, match=r"THOR-DISK-FULL: thor_services\[toy 1\.0\]\.packages: No space left"
        ) as caught:
            toy.run()
    assert caught.value.extra["problems"][0]["code"] == "THOR-DISK-FULL"
    assert "python_engine_prune: true" in str(caught.value) and f"on {toy.folder}/engines are free now" in str(
        caught.value
    )
    assert not list((toy.folder / "engines/toy").iterdir()), (
        "what was half made does not take the space that is missing"
    )
    assert list(toy.work.glob("cache/wheels-v*")), "what has arrived is kept"
    with monkeypatch.context() as patch:
        # uv 0.13.9 with its cache on a full tmpfs.
        words = (
            "cause: I/O operation failed during extraction\n"
            "cause: failed to write to file `/x/cache/.tmpD4XmgJ/toy_library/lib.so`: No space left on device (os error 28)"
        )
        fake = toy.folder / "full-uv"
        fake.write_text(f"#!/bin/sh\necho '{words}' >&2; exit 2\n")
        fake.chmod(0o755)
        (toy.folder / "uv/bin/uv").unlink()
        (toy.folder / "uv/bin/uv").symlink_to(fake)
        with pytest.raises(JobFailed, match="THOR-DISK-FULL"):
            toy.run()
