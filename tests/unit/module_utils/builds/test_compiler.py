# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How a build is configured and compiled."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.builds import compiler
from ansible_collections.jetson.thor.plugins.module_utils.builds.inputs import fingerprint
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from toy_build import TOY, ToyBuild


@pytest.mark.parametrize(
    ("cpus", "gib", "cuda", "expected"),
    [(14, 120, False, 14), (14, 120, True, 14), (14, 8, False, 10), (14, 8, True, 8), (2, 0.3, True, 1)],
)
def test_compilers_are_bounded_by_memory(cpus: int, gib: float, cuda: bool, expected: int) -> None:
    assert compiler.jobs(cpus, int(gib * 1024**3), cuda) == expected


def test_programs_look_for_cuda_in_the_toolkit_and_never_in_its_stubs(tmp_path: Path) -> None:
    wrapper = compiler.cuda_variables(tmp_path / "bin" / "nvcc")
    assert wrapper == {"CMAKE_CUDA_COMPILER": str(tmp_path / "bin" / "nvcc")}
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "cuda_runtime.h").touch()
    variables = compiler.cuda_variables(tmp_path / "bin" / "nvcc")
    assert variables["CUDAToolkit_ROOT"] == str(tmp_path)
    assert variables["CMAKE_INSTALL_RPATH"] == str(tmp_path / "lib64")
    assert variables["CMAKE_BUILD_WITH_INSTALL_RPATH"] == "ON"


def test_a_compiler_error_is_reported_and_the_next_run_continues(job: ToyBuild) -> None:
    job.write("part.cpp", "int part() { return nosuch; }\n")
    with pytest.raises(JobFailed, match=r"THOR-BUILD-FAILED(?s:.*)nosuch(?s:.*)jobs/log"):
        job.run(job.archive())
    assert job.engines() == []
    job.write("part.cpp", "int part() { return 0; }\n")
    job.run(job.archive())
    assert len(job.engines()) == 2


def test_an_error_of_cmake_itself_is_reported(job: ToyBuild) -> None:
    job.write("CMakeLists.txt", TOY + 'message(FATAL_ERROR "no such luck")\n')
    with pytest.raises(JobFailed, match=r"THOR-BUILD-FAILED: configure(?s:.*)no such luck"):
        job.run(job.archive())


def test_a_build_tree_from_before_a_reboot_is_not_trusted(job: ToyBuild) -> None:
    spec = job.spec(job.archive())
    build = job.folder / "state/build/toy" / fingerprint(spec["inputs"])
    build.mkdir(parents=True)
    (build / ".boot_id").write_text("another")
    (build / "CMakeCache.txt").write_text("cut off by the pow")
    job.run(job.archive())
    assert len(job.engines()) == 2
