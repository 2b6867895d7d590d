# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""llama.cpp and whisper.cpp for Thor, built once for real by their roles: nvcc 13 for sm_110 (43 and 19 minutes on two cores, no GPU
needed).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = Path(__file__).with_name("toolkit.txt")
# Trees, and their programs that contain the kernels.
ENGINES = {
    "/opt/thor/engines/llama.cpp/0c1e570": ("llama-server", "llama-bench"),
    "/opt/thor/engines/whisper.cpp/1.8.5": ("whisper-server",),
}
# llama.cpp at this commit has 144 files of kernels, each with code for each architecture, and whisper.cpp has nearly the same.
KERNEL_FILES = 100


class Host:
    """A sandbox host, reached as the playbooks reach it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ssh = ["ssh", "-F", str(ROOT / ".sandbox" / "ssh_config"), name]

    def run(self, command: str) -> str:
        """Run a shell command as root; its output."""
        done = subprocess.run(
            [*self.ssh, "sudo", "sh", "-ec", f"'{command}'"], capture_output=True, text=True, check=True
        )
        return done.stdout

    def copy(self, source: Path, destination: str) -> None:
        """Copy a folder to the host, keeping links."""
        with subprocess.Popen(["tar", "-C", source, "-c", "."], stdout=subprocess.PIPE) as tar:
            unpack = f"sudo mkdir -p {destination} && sudo tar -C {destination} -x --no-same-owner"
            subprocess.run([*self.ssh, unpack], stdin=tar.stdout, check=True)


@pytest.fixture(scope="session", name="cuda")
def _cuda() -> Path:
    """The top of a CUDA toolkit; kept between runs."""
    return make_toolkit(ROOT / ".cache" / "cuda")


@pytest.fixture(scope="session", name="host")
def _host(cuda: Path) -> Iterator[Host]:
    """A bare host with the toolkit where a device has it, and with a driver that finds no device."""
    name = "thor03"
    subprocess.run([ROOT / "script" / "sandbox", "down", name], check=True)
    subprocess.run([ROOT / "script" / "sandbox", "up", name], check=True)
    host = Host(name)
    host.copy(cuda, "/usr/local/cuda")
    stub = "/usr/local/cuda/lib64/stubs/libcuda"
    host.run(f"gcc -shared -fPIC -w -Wl,-soname,libcuda.so.1 -o {stub}.so {stub}.c")
    host.run(f"cp {stub}.so /usr/local/lib/libcuda.so.1; ldconfig")
    yield host
    subprocess.run([ROOT / "script" / "sandbox", "down", name], check=True)


def make_toolkit(folder: Path) -> Path:
    """Assemble a toolkit from PyPI's packages as under /usr/local/cuda, and return its top.

    An existing one from the same packages is kept.
    """
    top = folder / "nvidia" / "cu13"
    mark = folder / "packages"
    if mark.exists() and mark.read_text(encoding="utf-8") == PACKAGES.read_text(encoding="utf-8"):
        return top
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--upgrade"]
    subprocess.run([*pip, "--target", folder, "-r", PACKAGES], check=True)
    for program in (*(top / "bin").iterdir(), *(top / "nvvm" / "bin").iterdir()):
        if program.is_file():
            program.chmod(0o755)
    # The packages lack what only a linker needs: names without a version, and lib64.
    relink(top / "lib64", "lib")
    for library in (top / "lib").glob("lib*.so.*"):
        relink(library.with_name(library.name.split(".so.")[0] + ".so"), library.name)
    stubs = top / "lib" / "stubs"
    stubs.mkdir(exist_ok=True)
    (stubs / "libcuda.c").write_text(driver_stub((top / "include" / "cuda.h").read_text(encoding="utf-8")))
    mark.write_text(PACKAGES.read_text(encoding="utf-8"), encoding="utf-8")
    return top


def relink(link: Path, target: str) -> None:
    """Replace a link."""
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def driver_stub(header: str) -> str:
    """A libcuda with every function of cuda.h, in C: a program linked to it starts, and finds no device."""
    names = set(re.findall(r"^CUresult CUDAAPI (cu\w+)\(", header, re.MULTILINE))
    # cuda.h gives some names a version with a macro (cuMemAlloc is cuMemAlloc_v2): both are created.
    names |= set(re.findall(r"^\s*#\s*define\s+cu\w+\s+(cu\w+_v\d+)$", header, re.MULTILINE))
    (value,) = re.findall(r"\bCUDA_ERROR_NO_DEVICE\s*=\s*(\d+)", header)
    return "".join(f"int {name}(void) {{ return {value}; }}\n" for name in sorted(names))


def architectures(listing: str) -> set[str]:
    """What cuobjdump lists: ``ELF file    1: scale.cu.1.sm_110.cubin``."""
    return set(re.findall(r"\.(sm_\w+)\.(?:cubin|ptx)$", listing, re.MULTILINE))


def play(host: Host, engine: str) -> str:
    """Run the role that builds an engine, like an inventory without ``llama_cpp_cuda: false``; Ansible's output."""
    inventory = ["-i", "inventories/sandbox", "-i", "tests/nightly/cuda.yml"]
    command = [
        "ansible-playbook",
        *inventory,
        "--limit",
        host.name,
        "tests/nightly/build.yml",
        "-e",
        f"nightly_role={role_of(engine)}",
    ]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"}
    lines = []
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    assert process.returncode == 0, "".join(lines[-40:])
    return "".join(lines)


def role_of(engine: str) -> str:
    """The role that builds the tree of an engine."""
    return Path(engine).parent.name.replace(".", "_")


def test_the_toolkit_compiles_for_thor(host: Host) -> None:
    host.run('echo "__global__ void one(float * x) { *x = 1; } int main() { one<<<1, 1>>>(nullptr); }" >/tmp/one.cu')
    host.run("cd /tmp; /usr/local/cuda/bin/nvcc -arch=sm_110 -o one one.cu")
    assert architectures(host.run("/usr/local/cuda/bin/cuobjdump -lelf /tmp/one")) == {"sm_110"}


@pytest.mark.parametrize("engine", ENGINES)
def test_its_role_builds_for_thor(host: Host, engine: str) -> None:
    assert re.search(rf"^{host.name}\s+:.*changed=[1-9]", play(host, engine), re.MULTILINE)


@pytest.mark.parametrize("engine", ENGINES)
def test_its_programs_contain_kernels_for_thor(host: Host, engine: str) -> None:
    told = json.loads(host.run(f"cat {engine}/build.json"))
    assert told["inputs"]["cuda"] == "13.0"
    assert told["inputs"]["options"]["CMAKE_CUDA_ARCHITECTURES"] == "110-real"
    # What a tree needs when it is copied to a bare device: the toolkit and the driver, but no NCCL.
    assert any(library.startswith("libcudart.so.") for library in told["libraries"])
    assert not [library for library in told["libraries"] if "nccl" in library]
    # What the build itself found: the same as cuobjdump says here.
    code = told["cuda_code"]["libraries"]
    assert set(code) == {f"bin/{program}" for program in ENGINES[engine]}
    for program in ENGINES[engine]:
        assert set(code[f"bin/{program}"]["machine_code"]) == {"sm_110"} and code[f"bin/{program}"]["runs"]
        listing = host.run(f"/usr/local/cuda/bin/cuobjdump -lelf {engine}/bin/{program}")
        assert architectures(listing) == {"sm_110"}
        assert len(listing.splitlines()) > KERNEL_FILES
        assert "PTX file" not in host.run(f"/usr/local/cuda/bin/cuobjdump -lptx {engine}/bin/{program}")
        # The driver is the system's, never the toolkit's stub.
        assert "/stubs" not in host.run(f"ldd {engine}/bin/{program}; readelf -d {engine}/bin/{program} | grep -i path")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_second_run_changes_nothing(host: Host, engine: str) -> None:
    assert re.search(rf"^{host.name}\s+:.*changed=0 ", play(host, engine), re.MULTILINE)
