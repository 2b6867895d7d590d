# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What cuobjdump lists, by listings that it printed for real libraries, and by a double of it."""

from __future__ import annotations

import stat
from pathlib import Path

import fake_cuobjdump
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import cuobjdump

# cuobjdump 13.5.37 -lelf -lptx vllm/_moe_C_stable_libtorch.abi3.so, of the aarch64 wheel of vLLM 0.33.0
MOE = Path(__file__).with_name("listings") / "vllm-0.33.0-moe_C.txt"
# The same of an object that nvcc 13.0.88 made with code for sm_100f, sm_110f and sm_110a, and with three kinds of PTX.
SUFFIXES = """\
ELF file    1: one.1.sm_100.cubin
PTX file    1: one.1.sm_110f.ptx
ELF file    2: one.2.sm_110.cubin
PTX file    2: one.2.sm_110a.ptx
ELF file    3: one.3.sm_110a.cubin
PTX file    3: one.3.sm_80.ptx
"""


def test_objects_are_counted_by_architecture() -> None:
    found = cuobjdump.parse(MOE.read_text().splitlines())
    assert found.machine_code == {
        "sm_100": 8,
        "sm_110": 8,
        "sm_120": 27,
        "sm_80": 23,
        "sm_87": 8,
        "sm_89": 13,
        "sm_90": 8,
    }
    assert found.ptx == {"sm_80": 15}


def test_suffixes_are_kept() -> None:
    found = cuobjdump.parse(SUFFIXES.splitlines())
    assert found == cuobjdump.Code({"sm_100": 1, "sm_110": 1, "sm_110a": 1}, {"sm_110a": 1, "sm_110f": 1, "sm_80": 1})


def test_a_file_is_read(tmp_path: Path) -> None:
    program = fake_cuobjdump.make(tmp_path)
    assert cuobjdump.version(program) == "13.5.37"
    assert program.stat().st_mode & stat.S_IXOTH  # the wheel of the package index does not set it
    library = fake_cuobjdump.library(tmp_path / "lib.so", SUFFIXES)
    assert cuobjdump.read(program, library).machine_code["sm_110a"] == 1
    empty = fake_cuobjdump.library(tmp_path / "empty.so", "NONE")
    assert cuobjdump.read(program, empty) == cuobjdump.Code({}, {})


def test_a_failure_names_the_file_and_the_words(tmp_path: Path) -> None:
    program = fake_cuobjdump.make(tmp_path)
    cuobjdump.version(program)
    library = fake_cuobjdump.library(tmp_path / "lib.so", "FAIL")
    with pytest.raises(cuobjdump.CuobjdumpError, match=r"lib\.so \(exit status 2\): cuobjdump fatal   : out of memory"):
        cuobjdump.read(program, library)
    with pytest.raises(cuobjdump.CuobjdumpError, match="nowhere could not read"):
        cuobjdump.read(tmp_path / "nowhere", library)


def test_the_toolkit_of_an_nvcc_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = tmp_path / "venv" / "lib" / "python3.12" / "cuobjdump"
    monkeypatch.setattr(cuobjdump, "PLACES", (f"{tmp_path}/venv/lib/python3*/cuobjdump", f"{tmp_path}/cuda/cuobjdump"))
    assert cuobjdump.find() is None
    for path in (ours, tmp_path / "cuda" / "cuobjdump", tmp_path / "toolkit" / "cuobjdump"):
        path.parent.mkdir(parents=True)
        path.touch()
    assert cuobjdump.find() == ours
    assert cuobjdump.find(tmp_path / "toolkit" / "nvcc") == tmp_path / "toolkit" / "cuobjdump"
    assert cuobjdump.find(tmp_path / "elsewhere" / "nvcc") == ours
