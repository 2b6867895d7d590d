# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What script/cuda_code recorded belongs to the locks, and the catalog says what is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fake_cuobjdump
import pytest
import scripts
import yaml
from ansible_collections.jetson.thor.plugins.module_utils import cuda_code
from ansible_collections.jetson.thor.plugins.module_utils.environments.lock import parse
from fake_cuobjdump import library, listing

FILES = Path(__file__).resolve().parents[3] / "roles/catalog/files"
RECORDS = sorted((FILES / "packages").glob("*.cuda.json"))
ENGINES = yaml.safe_load((FILES / "engines.yml").read_text())["engines"]


def read(path: Path) -> dict[str, Any]:
    """A record."""
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_each_lock_for_jetpack_of_an_engine_with_cuda_code_has_a_record() -> None:
    engines = [name for name, engine in ENGINES.items() if "cuda_code" in (engine.get("packages") or {})]
    locks = [path for name in engines for path in (FILES / "packages").glob(f"{name}-*-cp312-aarch64.txt")]
    assert {path.name.removesuffix(".txt") for path in locks} == {
        path.name.removesuffix(".cuda.json") for path in RECORDS
    }
    assert locks


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name)
def test_a_record_belongs_to_its_lock(path: Path) -> None:
    lock = path.with_name(path.name.replace(".cuda.json", ".txt"))
    remedy = f"run script/cuda_code {lock.relative_to(FILES.parents[2])}, then script/docs"
    assert read(path)["lock"] == parse(lock.read_text(encoding="utf-8")).sha256, remedy


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name)
def test_what_an_engine_needs_runs_on_thor_and_every_loss_is_explained(path: Path) -> None:
    libraries = read(path)["libraries"]
    for one in libraries.values():
        assert one["runs"] == cuda_code.can_run("110", one["machine_code"], one["ptx"])
    wanted = ENGINES[path.name.partition("-")[0]]["packages"]["cuda_code"]
    found = cuda_code.judge(libraries, wanted["required"], wanted["lost"])
    assert found["problems"] == []
    assert [one["path"] for one in found["lacks"] if not one["lost"]] == []


def test_a_record_is_written_one_line_a_library(tmp_path: Path) -> None:
    script = scripts.load("cuda_code")
    lock = parse(next((FILES / "packages").glob("*.txt")).read_text(encoding="utf-8"))
    program = fake_cuobjdump.make(tmp_path)
    library(tmp_path / "tree" / "a.so", listing({"sm_110": 1}, {"sm_80": 2}))
    library(tmp_path / "tree" / "b.so", listing({"sm_90": 1}))
    content = script.record(program, lock, tmp_path / "tree")
    text = script.text(content)
    assert (
        json.loads(text)
        == content
        == {
            "lock": lock.sha256,
            "cuobjdump": "13.5.37",
            "libraries": {
                "a.so": {"machine_code": {"sm_110": 1}, "ptx": {"sm_80": 2}, "runs": True},
                "b.so": {"machine_code": {"sm_90": 1}, "ptx": {}, "runs": False},
            },
        }
    )
    assert [line.count("machine_code") for line in text.splitlines()].count(1) == 2
