# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The locks of vLLM, SGLang and FunASR, installed from the package index for a Thor, and read: their CUDA code, and vLLM's parser.

The devices' own environments (CPython 3.12 on aarch64) cannot run here, because Debian 13, the arm64 host of the nightly tests, has
CPython 3.13: vLLM's parser is asked in the same packages for that Python, under qemu-user. Up to 20 GB of disk while it runs.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cuda_compiler
import pytest
import scripts
import yaml
from ansible_collections.jetson.thor.plugins.module_utils import cuda_code, cuobjdump, real_parser
from ansible_collections.jetson.thor.plugins.module_utils.environments.lock import Lock, normalize, parse

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "engine-locks"
LOCKS = ROOT / "roles" / "catalog" / "files" / "packages"
# Those whose CUDA code is recorded beside them: the catalog's.
PROVEN = sorted(LOCKS / path.name.replace(".cuda.json", ".txt") for path in LOCKS.glob("*.cuda.json"))
EMULATED = ROOT / "tests" / "support" / "packages" / "vllm-0.33.0-cp313-aarch64.txt"
# A lock with the same compiler for the machine that runs this test.
NATIVE = ROOT / "tests" / "support" / "packages" / "sglang-0.5.23-cp311-x86_64.txt"
# It includes CCCL, as the kernels of FlashInfer do.
KERNEL = """\
#include <cub/block/block_reduce.cuh>
__global__ void total(const float *in, float *out) {
  using Reduce = cub::BlockReduce<float, 128>;
  __shared__ typename Reduce::TempStorage storage;
  const float sum = Reduce(storage).Sum(in[threadIdx.x]);
  if (threadIdx.x == 0) *out = sum;
}
"""
IMAGE = ROOT / "tests" / "nightly" / "arm64-image"
PARSER = ROOT / "plugins" / "module_utils" / "real_parser.py"
ENGINES = yaml.safe_load((ROOT / "roles/catalog/files/engines.yml").read_text(encoding="utf-8"))["engines"]
PROOF = 60  # seconds that the proof of a whole environment may take on two cores
EMULATION = 3000  # seconds; nearly all of it is Python that compiles what it imports
CONTAINER = "thor-engine-locks"
AARCH64 = 183  # e_machine of an ELF file

tool = scripts.load("cuda_code")


@pytest.fixture(name="folder")
def _folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an environment on the checkout's disk, removed afterwards. uv's cache is beside it, so that files are links to it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        monkeypatch.setenv("UV_CACHE_DIR", f"{folder}/uv")
        yield Path(folder, "site")


def install(path: Path, folder: Path) -> Lock:
    """Install a lock by its hashes; the installed packages are those of the lock."""
    uv, _program = tool.tools(CACHE / "tools")
    lock = parse(path.read_text(encoding="utf-8"))
    begin = time.monotonic()
    tool.install(uv, path, lock, folder)
    seconds = time.monotonic() - begin
    shutil.rmtree(os.environ["UV_CACHE_DIR"])
    size = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file() and not one.is_symlink())
    print(f"{path.stem}: {lock.bytes:,} bytes fetched, {size:,} on disk, {seconds:.0f} s to install")
    found = {normalize(one.name): one.version for one in importlib.metadata.distributions(path=[str(folder)])}
    assert found == lock.versions
    return lock


@pytest.mark.parametrize("path", PROVEN, ids=lambda path: path.stem)
def test_a_lock_installs_by_its_hashes_and_holds_thors_code(path: Path, folder: Path) -> None:
    lock = install(path, folder)
    foreign = [one for one in folder.rglob("*.so*") if machine(one) not in (None, AARCH64)]
    assert foreign == []
    _uv, program = tool.tools(CACHE / "tools")
    begin = time.monotonic()
    found = tool.record(program, lock, folder)
    seconds = time.monotonic() - begin
    print(f"{path.stem}: proof in {seconds:.0f} s: {cuda_code.text(tool.summary(found['libraries']))}")
    assert found == json.loads(path.with_suffix(".cuda.json").read_text(encoding="utf-8"))
    wanted = ENGINES[lock.name]["packages"]["cuda_code"]
    assert wanted["required"]
    assert cuda_code.judge(found["libraries"], wanted["required"], wanted["lost"])["problems"] == []
    assert seconds <= PROOF


def test_the_compiler_of_the_locks_compiles_for_thor(folder: Path) -> None:
    """NVIDIA's headers stop a compiler of another version; on x86-64, with the wheels of the same versions for that machine."""
    packages = {one.name: one for one in parse(NATIVE.read_text(encoding="utf-8")).packages}
    toolkit = [packages[name] for name in (cuda_compiler.RUNTIME, *cuda_compiler.COMPILER)]
    for path in PROVEN:
        versions = parse(path.read_text(encoding="utf-8")).versions
        if "nvidia-cuda-nvcc" in versions:
            assert {one.name: one.version for one in toolkit}.items() <= versions.items()
    uv, program = tool.tools(CACHE / "tools")
    part = folder.with_name("part.txt")
    part.write_text("".join(f"{one.line}\n" for one in toolkit), encoding="utf-8")
    tool.install(uv, part, parse(NATIVE.read_text(encoding="utf-8")), folder)
    source = folder.with_name("kernel.cu")
    source.write_text(KERNEL, encoding="utf-8")
    made = folder.with_name("kernel.o")
    nvcc = folder / "nvidia" / "cu13" / "bin" / "nvcc"
    subprocess.run([nvcc, "-arch=sm_110a", "-std=c++17", "-c", source, "-o", made], check=True, timeout=600)
    assert cuobjdump.read(program, made).machine_code == {"sm_110a": 1}


def machine(path: Path) -> int | None:
    """The machine that an ELF file is for; None for another file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(20)
    return int.from_bytes(head[18:20], "little") if head[:4] == b"\x7fELF" else None


@pytest.fixture(scope="module", name="image")
def _image() -> Iterator[str]:
    """An arm64 root file system as an image, on a kernel that runs arm64 programs while the test runs."""
    changed = subprocess.run([IMAGE, "binfmt", "on"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    try:
        yield subprocess.run([IMAGE], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    finally:
        subprocess.run([IMAGE, "binfmt", "off", *reversed(changed)], check=True)


def engine(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run docker like the scripts (with sudo if needed)."""
    command = ["bash", "-c", '. script/lib.sh; engine "$@"', "bash", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


def test_vllm_for_aarch64_knows_the_stored_options(image: str, folder: Path) -> None:
    lock = install(EMULATED, folder)
    program = 'import platform, sys; assert platform.machine() == "aarch64" and sys.version_info[:2] == (3, 13)'
    inside = f"python3 -c '{program}' && python3 -B -X faulthandler /real_parser.py dump vllm"
    command = ["run", "--rm", "--name", CONTAINER, "--network", "none", "--tmpfs", "/tmp:exec", "--env", "HOME=/tmp"]
    command += ["--env", "PYTHONPATH=/site", "--env", "OMP_NUM_THREADS=1", "--env", "OPENBLAS_NUM_THREADS=1"]
    command += [
        "--volume",
        f"{folder}:/site:ro",
        "--volume",
        f"{PARSER}:/real_parser.py:ro",
        image,
        "sh",
        "-ec",
        inside,
    ]
    begin = time.monotonic()
    try:
        done = engine(*command, timeout=EMULATION)
    finally:  # the container of a run that took too long goes on without its client
        engine("rm", "-f", CONTAINER, timeout=60)
    print(f"vLLM's parser under emulation: {time.monotonic() - begin:.0f} s")
    lines = re.findall(rf"^{re.escape(real_parser.MARK)}(.*)$", done.stdout, re.MULTILINE)
    assert lines, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(lines[-1])
    assert "error" not in answer, answer["error"]
    stored = json.loads((ROOT / f"roles/catalog/files/flags/vllm-{lock.version}.json").read_text(encoding="utf-8"))
    assert answer["engine_version"] == lock.version
    assert answer["options"] == stored["options"]
    assert answer["removed"] == stored["removed"]
