# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What is installed of a build, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.builds import install
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from toy_build import MAIN, SYSTEM, TOY, ToyBuild


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (MAIN.replace("VERSION); return", '"x"); return').replace('"toy " "x"', '"toy other"'), "does not contain v1"),
        (MAIN.replace("return part()", "return 3"), "exit status 3"),
    ],
    ids=["another version", "fails"],
)
def test_a_program_that_answers_wrongly_is_not_installed(job: ToyBuild, text: str, reason: str) -> None:
    job.write("main.cpp", text)
    with pytest.raises(JobFailed, match="THOR-BUILD-VERSION") as caught:
        job.run(job.archive())
    assert reason in str(caught.value)
    assert job.engines() == []


def link_nccl(job: ToyBuild) -> None:
    """Let the toy find and link a library of the build host, as ggml does with NCCL."""
    job.write("nccl.cpp", "int part() { return 0; }\n")
    # The library is beside the build, not in it: the build host's own.
    found = job.folder / "libnccl.so.2"
    command = ["g++", "-shared", "-fPIC", "-Wl,-soname,libnccl.so.2", "-o", str(found), str(job.source / "nccl.cpp")]
    subprocess.run(command, check=True)
    job.write("CMakeLists.txt", TOY.replace(" part.cpp", "") + f"target_link_libraries(toy PRIVATE {found})\n")


def test_a_program_that_needs_a_library_which_jetpack_lacks_is_not_installed(job: ToyBuild) -> None:
    link_nccl(job)
    with pytest.raises(JobFailed, match=r"THOR-BUILD-LIBRARY: toy .* bin/toy asks for libnccl\.so\.2\.") as caught:
        job.run(job.archive())
    assert "libc.so" not in str(caught.value)
    assert job.engines() == []
    job.libraries = [*SYSTEM, "libnccl.so.*"]
    told = json.loads((Path(job.run(job.archive())["path"]) / "build.json").read_text())
    assert "libnccl.so.2" in told["libraries"] and "libc.so.6" in told["libraries"]


def test_a_library_inside_the_tree_is_allowed(job: ToyBuild, tmp_path: Path) -> None:
    link_nccl(job)
    job.libraries = ["*"]
    tree = Path(job.run(job.archive())["path"])
    with pytest.raises(JobFailed, match="bin/toy asks for libnccl"):
        install.check_libraries(tree, SYSTEM, "toy")
    (tree / "lib").mkdir()
    shutil.copy(tmp_path / "libnccl.so.2", tree / "lib")
    assert "libnccl.so.2" in install.check_libraries(tree, SYSTEM, "toy")
