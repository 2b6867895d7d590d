# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Configure and compile a source with CMake, Ninja and ccache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.module_utils.builds import tools
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter

# Peak memory of one compiler in GiB. Measured on llama.cpp's largest files: 0.7 with g++, 0.68 with nvcc 13.0 for one
# architecture (argsort.cu; flash attention 0.41). More architectures take more.
JOB_GIB = 0.75
CUDA_JOB_GIB = 1.0


def prepare(build: Path) -> None:
    """Start over if the machine went down during the build: ninja trusts files that may not have reached the disk.

    The compiler cache keeps checksums, so what was compiled is not lost.
    """
    boot = files.text(Path("/proc/sys/kernel/random/boot_id"))
    mark = build / ".boot_id"
    if build.exists() and (boot is None or files.text(mark) != boot):
        shutil.rmtree(build)
    build.mkdir(parents=True, exist_ok=True)
    mark.write_text(f"{boot}\n", encoding="ascii")


def configure(spec: Mapping[str, Any], source: Path, build: Path, report: Reporter) -> None:
    """Write the build files into ``build``, which may be one that an earlier job left unfinished."""
    wanted = spec["inputs"]
    cuda = wanted["cuda"] is not None
    languages = ("C", "CXX", "CUDA") if cuda else ("C", "CXX")
    variables = {**wanted["options"], **{f"CMAKE_{name}_COMPILER_LAUNCHER": "ccache" for name in languages}}
    if cuda:
        variables |= cuda_variables(Path(spec["nvcc"]))
    report.progress(0, 0, text="configure")
    definitions = [f"-D{name}={value}" for name, value in sorted(variables.items())]
    tools.run(
        ["cmake", "-S", source, "-B", build, "-G", "Ninja", *definitions], "configure", _environment(spec), report
    )


def compile_targets(spec: Mapping[str, Any], build: Path, report: Reporter) -> None:
    """Compile and link the targets."""
    wanted = spec["inputs"]
    available = files.meminfo().get("MemAvailable")
    count = spec["jobs"] or jobs(len(os.sched_getaffinity(0)), available, wanted["cuda"] is not None)
    report.say(f"{count} compilers at once")
    targets = [part for target in wanted["targets"] for part in ("--target", target)]
    tools.run(["cmake", "--build", build, "--parallel", str(count), *targets], "compile", _environment(spec), report)


def jobs(cpus: int, available_bytes: int | None, cuda: bool) -> int:
    """How many compilers may run at once: one per CPU, as far as the available memory (None: unknown) allows."""
    if available_bytes is None:
        return 1
    each = CUDA_JOB_GIB if cuda else JOB_GIB
    return max(1, min(cpus, int(available_bytes / 1024**3 / each)))


def cuda_variables(nvcc: Path) -> dict[str, str]:
    """Where the toolkit is: CMake would look on PATH, which does not include /usr/local/cuda/bin under systemd."""
    variables = {"CMAKE_CUDA_COMPILER": str(nvcc)}
    root = nvcc.parent.parent
    # /usr/local/bin/nvcc may be a wrapper: then CMake asks it where the toolkit is.
    if (root / "include" / "cuda_runtime.h").exists():
        variables["CUDAToolkit_ROOT"] = str(root)
        # By default CMake would make the programs search the toolkit's stub of the driver before the driver.
        variables |= {"CMAKE_BUILD_WITH_INSTALL_RPATH": "ON", "CMAKE_INSTALL_RPATH": str(root / "lib64")}
    return variables


def _environment(spec: Mapping[str, Any]) -> dict[str, str]:
    return {
        **os.environ,
        "NINJA_STATUS": tools.NINJA_STATUS,
        "CCACHE_DIR": spec["ccache"],
        # The next version's sources have another path; what did not change in them still comes from the cache.
        "CCACHE_BASEDIR": spec["state"],
    }
