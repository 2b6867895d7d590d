# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A build without code for its GPU is not installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fake_cuobjdump
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import cuobjdump
from ansible_collections.jetson.thor.plugins.module_utils.builds import job as build_job
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter
from fake_cuobjdump import listing
from toy_build import ToyBuild


@pytest.fixture(name="toolkit")
def _toolkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toolkit with cuobjdump, and no other cuobjdump."""
    monkeypatch.setattr(cuobjdump, "PLACES", ())
    folder = tmp_path / "cuda" / "bin"
    folder.mkdir(parents=True)
    fake_cuobjdump.make(folder).chmod(0o755)
    return folder


def build(job: ToyBuild, toolkit: Path, code: str | None, architectures: str = "110-real") -> dict[str, Any]:
    """Build the toy for CUDA, with such code in its section; what its record says."""
    if code is not None:
        quoted = json.dumps(code)
        job.write(
            "part.cpp",
            f'__attribute__((section(".nv_fatbin"), used)) char c[] = {quoted};\nint part() {{ return 0; }}\n',
        )
    spec = job.spec(job.archive())
    spec["inputs"]["cuda"] = "13.0"
    spec["inputs"]["options"]["CMAKE_CUDA_ARCHITECTURES"] = architectures
    spec["nvcc"] = str(toolkit / "nvcc")
    done = build_job.run_job(spec, Reporter(job.jobs))
    record: dict[str, Any] = json.loads((Path(done["path"]) / "build.json").read_text())
    assert done["cuda_code"] == record["cuda_code"]
    return record


def test_what_the_program_holds_is_recorded(job: ToyBuild, toolkit: Path) -> None:
    code = build(job, toolkit, listing({"sm_110": 3}))["cuda_code"]
    assert code["libraries"] == {"bin/toy": {"machine_code": {"sm_110": 3}, "ptx": {}, "runs": True}}
    assert (code["runs"], code["architecture"]) == (["bin/toy"], "110")


@pytest.mark.parametrize(
    ("code", "reason"),
    [(listing({"sm_90": 2}), r"machine code for sm_90 \(2\)"), (None, "none with CUDA code")],
    ids=["another GPU", "no code"],
)
def test_a_program_without_code_for_thor_is_not_installed(
    job: ToyBuild, toolkit: Path, code: str | None, reason: str
) -> None:
    with pytest.raises(
        JobFailed, match=rf"THOR-CUDA-CODE: toy was built, and not installed: toy: .*{reason}.*110-real"
    ):
        build(job, toolkit, code)
    assert job.engines() == []


def test_a_failure_of_cuobjdump_is_not_taken_for_a_proof(job: ToyBuild, toolkit: Path) -> None:
    with pytest.raises(JobFailed, match=r"THOR-CUOBJDUMP: toy was built, and not installed: .*out of memory"):
        build(job, toolkit, "FAIL")


def test_another_gpu_may_be_built_for(job: ToyBuild, toolkit: Path) -> None:
    assert build(job, toolkit, listing({"sm_90": 2}), "90-real")["cuda_code"]["architecture"] == "90"


def test_without_cuobjdump_the_log_says_that_nothing_was_checked(
    job: ToyBuild, toolkit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (toolkit / "cuobjdump").unlink()
    assert build(job, toolkit, listing({"sm_90": 2}))["cuda_code"] is None
    assert "cuobjdump is not installed" in capsys.readouterr().out
