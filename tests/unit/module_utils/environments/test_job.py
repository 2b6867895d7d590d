# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The job that makes Python environments, with the real uv and a local index: complete or absent, resumed, noticed when damaged."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import package_index
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import records
from ansible_collections.jetson.thor.plugins.module_utils.environments import finished, install, job, progress, prune
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from toy_environment import BACKEND, ToyEnvironment


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


def test_code_is_compiled_as_it_will_be_called(toy: ToyEnvironment) -> None:
    tree = Path(toy.run()["path"])
    code = "import toy_library, sys; print(toy_library.__loader__.get_code('toy_library').co_filename)"
    (compiled,) = (install.site_packages(tree) / "toy_library/__pycache__").iterdir()
    assert str(tree).encode() in compiled.read_bytes() and b".partial" not in compiled.read_bytes()
    shown = subprocess.check_output([tree / "bin/python", "-c", code], text=True).strip()
    assert shown == str(install.site_packages(tree) / "toy_library/__init__.py")


def test_a_package_without_a_wheel_is_built_with_what_the_lock_has_for_it(toy: ToyEnvironment) -> None:
    toy.add("toy-source", package_index.source_distribution("toy_source", "1.0", "toy_backend"))
    toy.publish("toy-backend", {"toy_backend.py": BACKEND})
    result = toy.run(lock=toy.lock(source_only=True))
    tree = Path(result["path"])
    code = "import toy_source; print(toy_source.FROM)"
    assert subprocess.check_output([tree / "bin/python", "-c", code], text=True) == "source\n"
    assert result["packages"] == 3
    with pytest.raises(JobFailed, match=r"THOR-PACKAGES-HASH: .*toy-backend==1\.0"):
        toy.run(lock=toy.lock(source_only=True, **{"toy-backend": "0" * 64}))


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
    for _attempt in range(10):
        process = context.Process(target=_run, args=(toy,))
        process.start()
        process.join(chance.uniform(0.05, 0.6))
        if process.is_alive():
            killed += 1
        os.killpg(process.pid or 0, signal.SIGKILL) if process.is_alive() else None
        process.join(10)
        link = toy.folder / "engines/toy/1.0"
        assert not link.exists() or answer(link.resolve()), "complete or absent"
    assert killed >= 3, "the test kills nothing"
    toy.index.pause = 0
    tree = Path(toy.run()["path"])
    assert answer(tree)
    record = finished.read(tree)
    assert record is not None and len(record["packages"]) == 14 and finished.damage(tree, record) is None
    assert sorted(path.name for path in tree.parent.iterdir()) == ["1.0", tree.name], "nothing is left over"


@pytest.mark.parametrize("damaged", [True, False])
def test_what_survived_a_power_cut_is_checked(
    toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    def power_cut(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(install, "compile_bytecode", power_cut)
        with pytest.raises(KeyboardInterrupt):
            toy.run()
    (toy.work / install.BOOT).write_text("another start of the machine\n")
    if damaged:
        for path in (toy.work / "cache").glob("archive-v0/*/toy_library/lib.so"):
            os.truncate(path, 10)
    toy.index.requests.clear()
    tree = Path(toy.run()["path"])
    assert (install.site_packages(tree) / "toy_library/lib.so").stat().st_size == 300_000
    assert any(path.startswith("/files/") for path in toy.index.requests) is damaged


def test_what_was_never_checked_is_checked_by_the_next_job(tmp_path: Path) -> None:
    cache = tmp_path / "work"
    (cache / "cache/wheels-v8").mkdir(parents=True)
    assert install.prepare(cache), "a cache without a mark may be from before"
    assert install.prepare(cache), "the job that should have checked it was killed"
    assert not install.prepare(tmp_path / "new") and not install.prepare(tmp_path / "new")


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
        patch.setattr(job, "_put", full)
        with pytest.raises(
            JobFailed, match=r"THOR-DISK-FULL: No space left on device while the environment of toy 1\.0"
        ):
            toy.run()
    with monkeypatch.context() as patch:
        words = "error: Failed to write to the distribution cache\n  cause: No space left on device (os error 28)"
        fake = toy.folder / "full-uv"
        fake.write_text(f"#!/bin/sh\necho '{words}' >&2; exit 2\n")
        fake.chmod(0o755)
        (toy.folder / "uv/bin/uv").unlink()
        (toy.folder / "uv/bin/uv").symlink_to(fake)
        with pytest.raises(JobFailed, match="THOR-DISK-FULL"):
            toy.run()


def test_old_environments_go_unless_something_names_them(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    units = toy.folder / "units"
    units.mkdir()
    monkeypatch.setattr(prune, "REFERRERS", ((units, "thor-*.service"),))
    folder = toy.folder / "engines/toy"
    for version in ("0.6", "0.7", "0.8", "0.9"):
        made = folder / f"{version}-000000000000"
        made.mkdir(parents=True)
        records.write(made / finished.NAME, {})
        (folder / version).symlink_to(made.name)
    (folder / "0.5-build").mkdir()
    (folder / ".1.0-ffffffffffff.partial").mkdir()
    (units / "thor-chat.service").write_text(f"ExecStart={folder}/0.9-000000000000/bin/toy serve\n")
    (units / "thor-old.service").write_text(f"Environment=HOME={folder}/0.8/cuda\n")
    result = toy.run(prune=True, keep=["0.7"])
    assert result["pruned"] == [str(folder / "0.6-000000000000")]
    left = {path.name for path in folder.iterdir()}
    assert left == {"0.5-build", "0.7", "0.8", "0.9", "1.0", Path(result["path"]).name} | {
        f"{version}-000000000000" for version in ("0.7", "0.8", "0.9")
    }


def test_nothing_is_removed_unless_asked(toy: ToyEnvironment) -> None:
    old = toy.folder / "engines/toy/0.9-000000000000"
    old.mkdir(parents=True)
    records.write(old / finished.NAME, {})
    assert toy.run()["pruned"] == [] and old.is_dir()


def test_progress_is_visible(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS", 0.02)
    for number in range(6):
        toy.publish(f"toy-part-{number}", {f"part{number}.so": bytes([number]) * 50_000})
    toy.index.pause = 0.02
    shown: list[tuple[Any, ...]] = []

    class Seen:
        folder = toy.folder

        def progress(self, *arguments: Any, **more: Any) -> None:
            shown.append((*arguments, *more.values()))

        def say(self, _line: str) -> None:
            pass

    job.run_job(toy.spec(), Seen())  # type: ignore[arg-type]
    fetched = [one for one in shown if "B" in one]
    assert fetched and all(total == sum(toy.sizes.values()) for _done, total, *_rest in fetched)
    assert all(re.fullmatch(r"\d of 8 packages complete, 0\.00 GB unpacked", str(one[-1])) for one in fetched)
    assert len({done for done, *_rest in fetched}) > 1, "the number grows"
    shutil.rmtree(toy.folder / "engines")
