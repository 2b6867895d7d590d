# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which CUDA compiler fits; how script/lock gets it is in test_package_lock.py."""

from __future__ import annotations

import cuda_compiler


def test_the_compiler_and_its_headers_have_the_minor_version_of_the_runtime() -> None:
    fits = {
        "nvidia-cuda-runtime": "13.0.96",
        "nvidia-cuda-nvcc": "13.0.88",
        "nvidia-cuda-cccl": "13.0.85",
        "torch": "2",
    }
    assert cuda_compiler.misfits(fits) == []
    # What uv chose for vLLM 0.33.0 by itself.
    newest = {**fits, "nvidia-cuda-nvcc": "13.5.37", "nvidia-nvvm": "13.5.37", "nvidia-cuda-cccl": "13.3.5.0.6"}
    assert cuda_compiler.misfits(newest) == [
        "nvidia-cuda-cccl==13.3.5.0.6",
        "nvidia-cuda-nvcc==13.5.37",
        "nvidia-nvvm==13.5.37",
    ]
    assert cuda_compiler.misfits({"nvidia-cuda-nvcc": "12.0.1", "nvidia-cuda-runtime": "13.0.1"})
    assert cuda_compiler.misfits({"nvidia-cuda-nvcc": "13.5.37"}) == []


def test_the_runtime_is_kept() -> None:
    assert cuda_compiler.constraints("13.0.96") == [
        "nvidia-cuda-runtime==13.0.*",
        "nvidia-cuda-cccl==13.0.*",
        "nvidia-cuda-crt==13.0.*",
        "nvidia-cuda-nvcc==13.0.*",
        "nvidia-nvvm==13.0.*",
    ]


def test_a_lock_says_what_was_held() -> None:
    versions = {"nvidia-cuda-runtime": "13.0.96", "nvidia-cuda-nvcc": "13.0.88"}
    assert cuda_compiler.note(versions) == "Held to 13.0, the version of nvidia-cuda-runtime: nvidia-cuda-nvcc."
    assert cuda_compiler.note({"nvidia-cuda-runtime": "13.0.96"}) is None
    assert cuda_compiler.note({"nvidia-cuda-nvcc": "13.0.88"}) is None
