# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The proof that a program which was just built holds code for the GPU that it was built for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import cuda_code, cuobjdump
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter


def prove(spec: Mapping[str, Any], stage: Path, program: Path, report: Reporter) -> dict[str, Any] | None:
    """What the files below ``stage`` hold, as cuda_code.prove() returns it; None for a build for the CPU, or without cuobjdump.

    JobFailed THOR-CUDA-CODE if the GPU does not run the code in ``program``, which is the one that serves.
    """
    wanted = spec["inputs"]
    if wanted["cuda"] is None:
        return None
    tool = cuobjdump.find(Path(spec["nvcc"]) if spec["nvcc"] else None)
    if tool is None:
        report.say("cuobjdump is not installed (it is part of cuda-toolkit): the CUDA code of the build is not checked")
        return None
    built_for = wanted["options"].get("CMAKE_CUDA_ARCHITECTURES", "")
    # 110-real; native and all name no GPU.
    numbers = re.findall(r"\d+", built_for) or [cuda_code.THOR]
    required = {"required": [program.relative_to(stage).as_posix()]}
    try:
        return cuda_code.prove(stage, required, None, tool, numbers[0])
    except cuda_code.CudaCodeError as error:
        problem = error.problems[0]
        remedy = (
            f"CMAKE_CUDA_ARCHITECTURES is {built_for}: look for an option of the engine that overrides it or that switches CUDA off."
            if problem.code == "THOR-CUDA-CODE"
            else problem.remedy
        )
        raise JobFailed(
            f"{problem.code}: {wanted['engine']} was built, and not installed: {program.name}: {problem.reason}. {remedy}"
        ) from error
