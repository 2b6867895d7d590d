# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which CUDA code a Thor runs, which libraries an engine cannot do without, and what is read only once."""

from __future__ import annotations

import os
from pathlib import Path

import fake_cuobjdump
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import cuda_code, cuobjdump
from fake_cuobjdump import library, listing

VLLM_0_19 = {
    "sm_100": 27,
    "sm_100a": 20,
    "sm_120": 32,
    "sm_120a": 16,
    "sm_52": 1,
    "sm_80": 19,
    "sm_87": 30,
    "sm_89": 35,
    "sm_90": 35,
    "sm_90a": 21,
}


@pytest.mark.parametrize(
    ("architecture", "machine_code", "ptx", "runs"),
    [
        ("110", {"sm_110": 8}, {}, True),
        ("110", {"sm_110a": 1}, {}, True),
        ("110", {"sm_110f": 1}, {}, True),
        ("110", {"sm_100": 70, "sm_100a": 1, "sm_100f": 1, "sm_120": 3, "sm_90a": 9}, {}, False),
        ("110", {"sm_101": 1, "sm_101a": 1}, {}, False),
        ("110", {"sm_80": 76}, {"sm_80": 76}, True),  # FlashAttention 2 in vLLM 0.33.0
        ("110", {"sm_75": 1, "sm_80": 1, "sm_86": 1}, {"sm_86": 1}, True),
        ("110", {"sm_80": 76}, {"sm_80": 75}, False),
        ("110", {"sm_120": 8}, {"sm_100": 1}, True),
        # _C and _moe_C in the wheel of vLLM 0.19.0 for aarch64, read with cuobjdump 13.5.37
        ("110", VLLM_0_19, {"sm_52": 1, "sm_80": 19, "sm_89": 1, "sm_90": 8}, False),
        ("110", {"sm_100": 8, "sm_100a": 3, "sm_120": 13, "sm_80": 15, "sm_90": 8}, {"sm_80": 15}, False),
        ("110", {}, {"sm_110": 1}, True),
        ("110", {}, {"sm_110a": 1}, True),
        ("110", {}, {"sm_110f": 1}, True),
        ("110", {}, {"sm_90a": 1, "sm_100f": 1, "sm_100a": 1}, False),
        ("110", {}, {"sm_120": 1, "sm_121": 10}, False),
        ("110", {}, {}, False),
        ("121", {"sm_120": 1}, {}, True),
        ("121", {"sm_120f": 1}, {}, True),
        ("121", {"sm_120a": 1}, {}, False),
        ("120", {"sm_121": 1}, {"sm_121f": 1}, False),
        ("103", {}, {"sm_100f": 1}, True),
    ],
)
def test_what_a_gpu_runs(architecture: str, machine_code: dict[str, int], ptx: dict[str, int], runs: bool) -> None:
    assert cuda_code.can_run(architecture, machine_code, ptx) is runs


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    """An environment: two libraries that run, one that does not, and what holds no CUDA code."""
    tree = tmp_path / "tree"
    library(tree / "torch" / "libtorch_cuda.so", listing({"sm_110": 2, "sm_120": 2}))
    library(tree / "engine" / "_fa2.so", listing({"sm_80": 1}, {"sm_80": 1}))
    library(tree / "engine" / "_fa3.so", listing({"sm_90a": 4}))
    library(tree / "engine" / "_plain.so", None)
    library(tree / "engine" / "libdevice.a.o", listing({"sm_110": 1}), section="__nv_relfatbin")
    (tree / "engine" / "text.so").write_text("not a library")
    (tree / "engine" / "cut.so").write_bytes(Path("/bin/true").read_bytes()[:100])
    (tree / "engine" / "linked.so").symlink_to("_fa3.so")
    return tree


@pytest.fixture(name="program")
def _program(tmp_path: Path) -> Path:
    program = fake_cuobjdump.make(tmp_path)
    program.chmod(0o755)
    return program


def test_only_files_with_a_section_for_cuda_code_are_read(tree: Path, program: Path) -> None:
    told: list[tuple[int, int]] = []
    found = cuda_code.scan(tree, program, progress=lambda done, total, _name: told.append((done, total)))
    assert {path: one["runs"] for path, one in found.items()} == {
        "engine/_fa2.so": True,
        "engine/_fa3.so": False,
        "engine/libdevice.a.o": False,  # the double only looks into the other section
        "torch/libtorch_cuda.so": True,
    }
    assert found["torch/libtorch_cuda.so"]["machine_code"] == {"sm_110": 2, "sm_120": 2}
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(fake_cuobjdump.calls(program)) == 4


def test_what_is_lost_is_named(tree: Path, program: Path) -> None:
    wanted = {"required": ["torch/*.so", "*/_fa2.so"], "lost": {"engine/_fa3*": "FlashAttention 3 (for Hopper)"}}
    record = cuda_code.prove(tree, wanted, tree.parent, program)
    assert record["runs"] == ["engine/_fa2.so", "torch/libtorch_cuda.so"]
    assert record["lacks"] == [
        {"path": "engine/_fa3.so", "lost": "FlashAttention 3 (for Hopper)"},
        {"path": "engine/libdevice.a.o", "lost": None},
    ]
    assert (record["architecture"], record["cuobjdump"]) == ("110", "13.5.37")
    text = cuda_code.text(record)
    assert text == "2 of 4 CUDA libraries run on Thor; no code for it in: FlashAttention 3, libdevice.a.o"


def test_a_library_that_is_required_must_run(tree: Path, program: Path) -> None:
    with pytest.raises(cuda_code.CudaCodeError) as raised:
        cuda_code.prove(tree, {"required": ["*/_fa3.so", "*/_C.so", "torch/*"], "lost": {}}, tree.parent, program)
    first, second = raised.value.problems
    assert (first.code, first.value) == ("THOR-CUDA-CODE", "engine/_fa3.so")
    assert "machine code for sm_90a (4)" in first.reason and "sm_110" in first.reason
    assert (second.code, second.value) == ("THOR-CUDA-CODE", None)
    assert "*/_C.so" in second.variable and "no such file" in second.reason
    assert "docs/cuda_code.md" in second.remedy


def test_the_same_files_are_read_once(tree: Path, program: Path) -> None:
    before = cuda_code.prove(tree, None, tree.parent, program)
    calls = len(fake_cuobjdump.calls(program))
    moved = tree.rename(tree.with_name("final"))  # as an environment gets its final name
    again = cuda_code.prove(moved, None, tree.parent, program)
    assert {**again, "seconds": 0} == {**before, "seconds": 0}
    assert len(fake_cuobjdump.calls(program)) == calls
    # What is required may change: it is compared anew, with what was read.
    with pytest.raises(cuda_code.CudaCodeError):
        cuda_code.prove(moved, {"required": ["*/_fa3.so"]}, tree.parent, program)
    assert len(fake_cuobjdump.calls(program)) == calls
    changed = moved / "engine" / "_fa3.so"
    os.utime(changed, ns=(0, changed.stat().st_mtime_ns + 1))
    cuda_code.prove(moved, None, tree.parent, program)
    assert len(fake_cuobjdump.calls(program)) == 2 * calls


def test_a_damaged_copy_of_the_result_is_made_anew(tree: Path, program: Path) -> None:
    before = cuda_code.prove(tree, None, tree.parent, program)
    (kept,) = (tree.parent / "cuda_code").iterdir()
    kept.write_text('{"libraries": {"engine/_fa3.so": {"runs": "yes"}}}')
    assert cuda_code.prove(tree, None, tree.parent, program)["libraries"] == before["libraries"]


def test_what_cannot_be_read_is_a_problem(tree: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library(tree / "engine" / "_bad.so", "FAIL")
    with pytest.raises(cuda_code.CudaCodeError, match=r"THOR-CUOBJDUMP.*_bad\.so.*out of memory"):
        cuda_code.prove(tree, None, tree.parent, program)
    assert not (tree.parent / "cuda_code").exists()
    monkeypatch.setattr(cuobjdump, "PLACES", (f"{tree}/nowhere",))
    with pytest.raises(cuda_code.CudaCodeError, match=r"THOR-CUOBJDUMP: cuda_code: cuobjdump is neither at .*nowhere"):
        cuda_code.prove(tree, None, tree.parent)


def test_a_line_without_losses_and_without_a_result() -> None:
    record = {"architecture": "90", "runs": ["a"], "lacks": []}
    assert cuda_code.text(record) == "1 of 1 CUDA libraries run on sm_90"
    assert cuda_code.text(None) == "CUDA code not read"
    assert cuda_code.text({**record, "runs": []}) == "no file with CUDA code found"


def test_the_walk_stays_on_the_disk_of_a_process_root() -> None:
    # As a container's root is: a link of the kernel. os.path.ismount resolves it to the host's root, so that all below is a mount.
    root = f"/proc/{os.getpid()}/root"
    device = os.stat(root).st_dev
    assert cuda_code.is_on(device, f"{root}/usr") and not cuda_code.is_on(device, f"{root}/proc")
    assert not cuda_code.is_on(device, f"{root}/nowhere")


def test_other_file_systems_are_left_out(tree: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_code, "is_on", lambda _device, folder: not folder.endswith("/torch"))
    assert {path.partition("/")[0] for path in cuda_code.scan(tree, program)} == {"engine"}
