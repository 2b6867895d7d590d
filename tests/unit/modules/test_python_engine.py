# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module python_engine: check mode, diff mode, a second run, damage and refusals, with a toy engine on a local index."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Iterator
from pathlib import Path

import module_promises
import pytest
import toy_environment
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import asked_flags, cuda_code, jobs, kept_flags
from ansible_collections.jetson.thor.plugins.module_utils.environments import finished, install
from ansible_collections.jetson.thor.plugins.module_utils.observe import environments as observe
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.modules import python_engine
from toy_environment import ToyEnvironment


@pytest.fixture(name="toy")
def _toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ToyEnvironment]:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(os, "sync", lambda: None)  # it would wait for whatever else this machine writes
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

    def installation() -> str:
        (made,) = observe.environments(tree.parent.parent)["toy"].values()
        return str(made["installation"])

    before = installation()
    told: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: told.append(text))
    checked = module_promises.run("python_engine", toy.arguments(), check=True)
    assert checked["changed"] and len(told) == 1, told
    assert told[0].startswith(
        f"THOR-ENVIRONMENT-DAMAGED: {socket.gethostname()}: thor_services[toy 1.0].packages: {library} cannot be"
    )
    assert "installed again from its lock" in told[0]
    module_promises.run("python_engine", toy.arguments())
    assert library.is_file() and len(started) == 2
    repaired = installation()
    assert repaired != before, "a service that still runs the old files has to be restarted"
    module_promises.run("python_engine", toy.arguments())
    assert installation() == repaired


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
    assert [problem.code for problem in found] == ["THOR-PACKAGES-ARGUMENTS", "THOR-PYTHON-VERSION"]
    assert "/usr/bin/python3 3.9.1 (cp39-" in found[1].text()
    foreign = lock.replace(
        f"# machine: {platform.machine()}",
        "# machine: aarch64" if platform.machine() == "x86_64" else "# machine: x86_64",
    )
    other = python_engine.refused(toy.arguments(lock=foreign), {**python, "version": platform.python_version()})
    assert [problem.code for problem in other] == ["THOR-PACKAGES-PLATFORM"]
    edited = python_engine.refused(toy.arguments(lock=lock.replace("toy==1.0 --hash", "toy --hash")), python)
    assert [problem.code for problem in edited] == ["THOR-LOCK-INVALID"] and "line " in edited[0].text()
    missing = python_engine.refused(toy.arguments(), {**python, "version": None})
    assert [problem.code for problem in missing] == ["THOR-PYTHON-VERSION"]


def test_checks_of_a_finished_environment_are_no_change(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    started = module_promises.inline_jobs(monkeypatch)
    arguments = toy.arguments()
    tree = Path(module_promises.run("python_engine", arguments)["path"])
    asked: list[str] = []
    toys = {"lib/toy.so": {"machine_code": {"sm_110": 1}, "ptx": {}, "runs": True}}
    proof = {"libraries": toys, "runs": ["lib/toy.so"], "lacks": []}

    def settle(subject: asked_flags.Subject, *_more: object) -> list[Problem]:
        asked.append(subject.fingerprint)
        answer = {"engine_version": "1", "options": {"--port": {}}, "removed": {}}
        accepted = [kept_flags.digest_of("vllm", argv) for argv in subject.argvs.values()]
        kept_flags.keep(subject.engine, subject.fingerprint, answer, accepted)
        return []

    monkeypatch.setattr(kept_flags, "KEPT", toy.folder / "flags")
    monkeypatch.setattr(asked_flags, "settle", settle)
    monkeypatch.setattr(cuda_code, "prove", lambda *_arguments, **_more: proof)
    argvs = {"chat": ["serve", "--port", "1"]}
    wanted = {**arguments, "argvs": argvs, "parser": "vllm", "cuda_code": {"required": ["*/toy.so"], "lost": {}}}
    assert not module_promises.run("python_engine", wanted, check=True)["changed"] and len(started) == 1
    result = module_promises.run("python_engine", wanted)
    assert not result["changed"] and result["options"] == ["--port"] and result["cuda_code"] == proof
    record = finished.read(tree)
    assert record is not None and record["cuda_code"] == proof and finished.damage(tree, record) is None
    assert asked == [tree.name.removeprefix("1.0-")]
    assert module_promises.run("python_engine", wanted)["options"] == ["--port"] and len(started) == 2
    changed = {**wanted, "argvs": {"chat": ["serve", "--port", "2"]}}
    assert not module_promises.run("python_engine", changed)["changed"] and len(started) == 3
    assert len(asked) == 2, "changed arguments meet the parser"


def test_what_a_check_refuses(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_flags, "KEPT", toy.folder / "flags")
    problem = Problem("THOR-ENGINE-UNASKABLE", "x", None, "ImportError: no toy", "Repair it")
    monkeypatch.setattr(asked_flags, "settle", lambda *_arguments: [problem])
    with pytest.raises(jobs.JobFailed, match="ImportError: no toy"):
        toy.run(parser="vllm")
    assert (toy.folder / "engines/toy/1.0/bin/toy").exists(), "a refused option leaves the environment, as with builds"

    def lacks(*_arguments: object, **_more: object) -> None:
        raise cuda_code.CudaCodeError([Problem("THOR-CUDA-CODE", "x", None, "it has none", "Use another")])

    monkeypatch.setattr(cuda_code, "prove", lacks)
    with pytest.raises(jobs.JobFailed, match="THOR-CUDA-CODE"):
        toy.run(version="1.1", cuda_code={"required": ["*"], "lost": {}})
    assert not (toy.folder / "engines/toy/1.1").exists(), "one without code for the GPU never gets its name"
