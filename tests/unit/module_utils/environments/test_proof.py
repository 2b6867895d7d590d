# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""An environment whose libraries do not run on a Thor does not get its name; what was found is kept in its record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fake_cuobjdump
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import cuobjdump
from ansible_collections.jetson.thor.plugins.module_utils.environments import uv
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter
from fake_cuobjdump import library, listing
from toy_environment import ToyEnvironment


@pytest.fixture(name="program", autouse=True)
def _program(toy: ToyEnvironment, monkeypatch: pytest.MonkeyPatch) -> Path:
    """cuobjdump where uv's environment has it, and a package with two kinds of kernels."""
    program = fake_cuobjdump.make(toy.folder)
    monkeypatch.setattr(cuobjdump, "PLACES", (str(program),))
    kernels = {
        f"toy_kernels/{name}.so": library(toy.folder / f"{name}.so", listing({architecture: 2})).read_bytes()
        for name, architecture in (("common", "sm_110a"), ("hopper", "sm_90a"))
    }
    toy.publish("toy-kernels", kernels)
    return program


def test_what_was_found_is_in_the_record(toy: ToyEnvironment) -> None:
    wanted = {"required": ["toy_kernels/common.so"], "lost": {"toy_kernels/hopper*": "kernels for Hopper"}}
    result = toy.run(cuda_code=wanted)
    record = json.loads(Path(result["path"], "environment.json").read_text())["cuda_code"]
    assert record["runs"] == ["toy_kernels/common.so"]
    assert record["lacks"] == [{"path": "toy_kernels/hopper.so", "lost": "kernels for Hopper"}]
    assert result["cuda_code"] == record


@pytest.mark.parametrize(
    ("required", "reason"), [("toy_kernels/hopper.so", "sm_90a"), ("toy_kernels/lost.so", "no such file")]
)
def test_what_does_not_run_is_not_installed(toy: ToyEnvironment, required: str, reason: str) -> None:
    with pytest.raises(JobFailed, match=f"THOR-CUDA-CODE: .*{reason}") as caught:
        toy.run(cuda_code={"required": [required], "lost": {}})
    assert [problem["code"] for problem in caught.value.extra["problems"]] == ["THOR-CUDA-CODE"]
    assert not (toy.folder / "engines/toy/1.0").exists()
    assert not list((toy.folder / "engines/toy").glob("1.0-*"))


def test_a_proof_that_is_missing_gets_its_tool_first(
    toy: ToyEnvironment, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.run()
    away = program.rename(program.with_name("away"))
    provided: list[str] = []

    def provide(spec: dict[str, Any], _report: Reporter) -> None:
        """Stands in for uv.provide, which installs cuobjdump with uv."""
        provided.append(spec["uv"])
        away.rename(program)

    monkeypatch.setattr(uv, "provide", provide)
    wanted = {"required": ["toy_kernels/common.so"], "lost": {}}
    result = toy.run(cuda_code=wanted)
    assert (result["changed"], result["cuda_code"]["runs"]) == (False, ["toy_kernels/common.so"])
    toy.run(cuda_code=wanted)
    assert len(provided) == 1, "an environment that is proven needs no tool"


def test_a_second_job_does_not_read_again(toy: ToyEnvironment, program: Path) -> None:
    with pytest.raises(JobFailed, match="THOR-CUDA-CODE"):
        toy.run(cuda_code={"required": ["toy_kernels/hopper.so"], "lost": {}})
    toy.run(cuda_code={"required": ["toy_kernels/common.so"], "lost": {}})
    asked = [Path(path).name for path in fake_cuobjdump.calls(program)]
    assert sorted(asked) == ["common.so", "hopper.so"]
