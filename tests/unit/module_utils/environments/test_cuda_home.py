# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The CUDA home inside a Python environment: what a linker and a compiler find there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.environments import cuda_home

LISTING = """\
12 libs found in cache `/etc/ld.so.cache'
\tlibcudart.so.13 (libc6,AArch64) => /usr/local/cuda/lib64/libcudart.so.13
\tlibcuda.so.1 (libc6,AArch64) => /usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1
"""


@pytest.fixture(name="wheels")
def _wheels(tmp_path: Path) -> Path:
    """The files of NVIDIA's wheels for CUDA 13.0 as an environment has them (nvcc 13.0.88, runtime 13.0.96), in part."""
    root = tmp_path / "tree" / "lib" / "python3.12" / "site-packages" / "nvidia" / "cu13"
    for name in ("bin/nvcc", "bin/ptxas", "include/cuda_runtime.h", "nvvm/bin/cicc", "lib/libcudadevrt.a"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "lib" / "libcudart.so.13").write_text("runtime")
    return root


@pytest.fixture(autouse=True, name="ldconfig")
def _ldconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "ldconfig"
    program.write_text(f"#!/bin/sh\ncat <<'LISTING'\n{LISTING}LISTING\n")
    program.chmod(0o755)
    monkeypatch.setattr(cuda_home, "LDCONFIG", str(program))
    return program


def test_it_has_the_shape_of_an_installed_toolkit_and_moves_with_the_tree(tmp_path: Path, wheels: Path) -> None:
    assert cuda_home.link(tmp_path / "tree") is True
    home = (tmp_path / "tree").rename(tmp_path / "final") / "cuda"
    for name in ("bin/nvcc", "bin/ptxas", "include/cuda_runtime.h", "nvvm/bin/cicc"):
        assert (home / name).read_text() == name
    # What -lcudart takes, and what the loader takes after it.
    assert (home / "lib64" / "libcudart.so").read_text() == "runtime"
    assert (home / "lib64" / "libcudart.so.13").read_text() == "runtime"
    assert (home / "lib64" / "libcudadevrt.a").exists()
    # What -lcuda takes: the wheels have no stub of the driver.
    assert os.readlink(home / "lib64" / "stubs" / "libcuda.so") == "/usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1"
    assert not wheels.exists()


def test_a_host_without_a_driver_has_no_stub(tmp_path: Path, wheels: Path, ldconfig: Path) -> None:
    ldconfig.write_text("#!/bin/sh\necho '0 libs found in cache'\n")
    assert cuda_home.link(tmp_path / "tree") is True
    assert not list((tmp_path / "tree" / "cuda" / "lib64" / "stubs").iterdir())
    assert wheels.exists()


def test_an_environment_without_nvcc_gets_none(tmp_path: Path, wheels: Path) -> None:
    (wheels / "bin" / "nvcc").unlink()
    assert cuda_home.link(tmp_path / "tree") is False
    assert not (tmp_path / "tree" / "cuda").exists()
