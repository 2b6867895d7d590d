# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module python_engine: check mode, diff mode, a second run, damage and refusals, with a toy engine on a local index."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import module_promises
import pytest
import toy_environment
from ansible_collections.jetson.thor.plugins.module_utils.environments import install
from ansible_collections.jetson.thor.plugins.modules import python_engine
from toy_environment import ToyEnvironment


@pytest.fixture(name="toy")
def _toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ToyEnvironment]:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with toy_environment.toy(tmp_path) as made:
        yield made


def test_it_keeps_its_promises(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    started = module_promises.inline_jobs(monkeypatch)
    engines = toy.folder / "engines"
    engines.mkdir()
    result = module_promises.keep("python_engine", toy.arguments(), engines)
    assert Path(result["path"], "bin/toy").is_file()
    assert started == ["environment-toy-1.0"], "neither check mode nor a second run starts a job"


def test_check_mode_says_how_much_is_to_be_fetched(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    module_promises.inline_jobs(monkeypatch)
    size = sum(map(len, toy.index.files.values()))
    before = module_promises.run("python_engine", toy.arguments(), check=True)
    assert before["changed"] and before["bytes_to_fetch"] == size and not toy.index.requests
    assert before["diff"]["before"] == "" and before["diff"]["after"] == "toy==1.0\ntoy-library==1.0\n"
    made = module_promises.run("python_engine", toy.arguments())
    assert made["bytes_fetched"] == size
    after = module_promises.run("python_engine", toy.arguments(), check=True)
    assert not after["changed"] and after["bytes_to_fetch"] == 0 and after["packages"] == 2


def test_damage_is_told_and_repaired(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    started = module_promises.inline_jobs(monkeypatch)
    tree = Path(module_promises.run("python_engine", toy.arguments())["path"])
    library = install.site_packages(tree) / "toy_library/lib.so"
    library.unlink()
    checked = module_promises.run("python_engine", toy.arguments(), check=True)
    assert checked["changed"] and "lib.so cannot be read" in str(checked["warnings"]), checked
    module_promises.run("python_engine", toy.arguments())
    assert library.is_file() and len(started) == 2


def test_a_new_lock_shows_what_changes(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    module_promises.inline_jobs(monkeypatch)
    first = module_promises.run("python_engine", toy.arguments())
    toy.publish("toy-third", {"third.py": b""})
    second = module_promises.run("python_engine", toy.arguments(), check=True)
    assert second["diff"]["before"] == "toy==1.0\ntoy-library==1.0\n" and "toy-third" in second["diff"]["after"]
    assert second["fingerprint"] != first["fingerprint"] and second["diff"]["before_header"] == first["path"]


def test_refusals_come_before_anything_is_done(toy: ToyEnvironment) -> None:
    python = {"version": "3.9.1", "tag": "cp39", "path": "/usr/bin/python3"}
    lock = toy.lock()
    found = python_engine.refused(toy.arguments(pip_arguments="--pre"), python)
    assert [problem.code for problem in found] == ["THOR-PACKAGES-ARGUMENTS", "THOR-PACKAGES-PLATFORM"]
    assert "/usr/bin/python3 3.9.1 (cp39-" in found[1].text()
    edited = python_engine.refused(toy.arguments(lock=lock.replace("toy==1.0 --hash", "toy --hash")), python)
    assert [problem.code for problem in edited] == ["THOR-LOCK-INVALID"] and "line " in edited[0].text()
    missing = python_engine.refused(toy.arguments(), {**python, "version": None})
    assert [problem.code for problem in missing] == ["THOR-PYTHON-MISSING"]
