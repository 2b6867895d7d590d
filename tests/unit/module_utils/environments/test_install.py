# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Installation with the real uv: bytecode, packages without a wheel, and what is left of an earlier job."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import package_index
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.environments import (
    install,
)
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter
from toy_environment import BACKEND, ToyEnvironment


def test_code_is_compiled_as_it_will_be_called(toy: ToyEnvironment) -> None:
    tree = Path(toy.run()["path"])
    code = "import toy_library, sys; print(toy_library.__loader__.get_code('toy_library').co_filename)"
    (compiled,) = (install.site_packages(tree) / "toy_library/__pycache__").iterdir()
    assert str(tree).encode() in compiled.read_bytes() and b".partial" not in compiled.read_bytes()
    shown = subprocess.check_output([tree / "bin/python", "-c", code], text=True).strip()
    assert shown == str(install.site_packages(tree) / "toy_library/__init__.py")


def test_a_disk_that_fills_up_while_code_is_compiled_is_noticed(tmp_path: Path) -> None:
    python = tmp_path / "stage/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho \"OSError: [Errno 28] No space left on device: 'x.pyc'\"; exit 1\n")
    python.chmod(0o755)
    with pytest.raises(OSError, match="No space left"):
        install.compile_bytecode(tmp_path / "stage", tmp_path / "tree", Reporter(tmp_path))
    python.write_text("#!/bin/sh\necho 'SyntaxError in a template'; exit 1\n")
    install.compile_bytecode(tmp_path / "stage", tmp_path / "tree", Reporter(tmp_path))


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


def test_a_build_takes_nothing_that_the_lock_does_not_have(toy: ToyEnvironment) -> None:
    system = 'requires = ["toy_backend", "toy-tool"]\nbuild-backend = "toy_backend"'
    project = {"pyproject.toml": f'[build-system]\n{system}\n[project]\nname = "toy_source"\nversion = "1.0"\n'}
    toy.add("toy-source", package_index.source_distribution("toy_source", "1.0", "toy_backend", project))
    toy.publish("toy-backend", {"toy_backend.py": BACKEND})
    name, _data = tool = package_index.wheel("toy-tool", "1.0", {"toy_tool.py": b""})
    toy.index.add(tool)
    with pytest.raises(
        JobFailed, match=r"THOR-LOCK-INVALID: .*the lock has no hash for toy-tool; .*script/lock --packages"
    ):
        toy.run(lock=toy.lock(source_only=True))
    assert f"/files/{name}" not in toy.index.requests


def test_a_build_that_fails_is_named_with_its_words(toy: ToyEnvironment) -> None:
    toy.add("toy-source", package_index.source_distribution("toy_source", "1.0", "toy_backend"))
    toy.publish(
        "toy-backend", {"toy_backend.py": b"def build_wheel(*a, **b):\n    raise RuntimeError('no such compiler')\n"}
    )
    with pytest.raises(JobFailed, match=r"THOR-PACKAGES-BUILD: .*toy-source==1\.0.*no such compiler"):
        toy.run(lock=toy.lock(source_only=True))


def test_what_uv_may_not_do(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take another Python, resolve anything, take a file without a hash, or a source: whatever the host or a lock says."""
    seen: list[tuple[list[str], dict[str, str]]] = []
    start: Any = subprocess.Popen

    def popen(command: list[object], **more: Any) -> object:
        seen.append(([str(word) for word in command], more["env"]))
        return start(command, **more)

    monkeypatch.setattr(subprocess, "Popen", popen)
    toy.run()
    ran = [(command, environment) for command, environment in seen if command[0].endswith("/uv")]
    assert [command[1] for command, _environment in ran] == ["venv", "pip"]
    assert [environment["UV_PYTHON_DOWNLOADS"] for _command, environment in ran] == ["never", "never"]
    assert {"--no-deps", "--require-hashes", "--only-binary", ":all:"} <= set(ran[1][0])


def test_configuration_of_uv_on_the_host_does_not_count(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may name indexes and options that nobody has reviewed; pip's configuration says where packages come from."""
    (toy.folder / "config/uv").mkdir(parents=True)
    (toy.folder / "config/uv/uv.toml").write_text("offline = true\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(toy.folder / "config"))
    assert toy.run()["packages"] == 2


def kept_cache(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache with all packages, as a job leaves it that ends after the installation."""

    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(install, "compile_bytecode", killed)
        with pytest.raises(KeyboardInterrupt):
            toy.run()


def test_a_damaged_cache_is_fetched_again(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_cache(toy, monkeypatch)
    for path in (toy.work / "cache").glob("archive-v0/*/toy_library*/WHEEL"):
        path.unlink()
    toy.index.requests.clear()
    tree = Path(toy.run()["path"])
    assert (install.site_packages(tree) / "toy_library/lib.so").stat().st_size == 300_000
    assert any(path.startswith("/files/") for path in toy.index.requests)


def test_a_cache_that_was_half_removed_is_never_used(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.rmtree

    def killed(path: Path, *arguments: Any, **options: Any) -> None:
        if path.parent.name != "uv" or not path.exists():
            real(path, *arguments, **options)
            return
        for one in path.glob("cache/archive-v0/*/*/WHEEL"):
            one.unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            toy.run()
    assert not toy.work.exists()
    real(toy.folder / "engines")
    tree = Path(toy.run()["path"])
    assert (install.site_packages(tree) / "toy_library/lib.so").exists() and not list(toy.work.parent.iterdir())


@pytest.mark.parametrize("damaged", [True, False])
def test_what_survived_a_power_cut_is_checked(
    toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    kept_cache(toy, monkeypatch)
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


def test_what_a_killed_uv_was_unpacking_goes(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for name in (".tmpXbvNcY/torch", "archive-v0/whole"):
        (cache / name).mkdir(parents=True)
    (cache / ".tmpfile").touch()
    install.prepare(tmp_path)
    assert [path.name for path in cache.iterdir()] == ["archive-v0"]
