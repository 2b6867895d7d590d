# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes into a build, and its fingerprint."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.builds.inputs import cmake_value, fingerprint, inputs

TOOLCHAIN: dict[str, str | None] = {"compiler": "g++ 13.3.0", "cuda": "13.0", "nvcc": "/usr/local/cuda/bin/nvcc"}
COMMIT = "0c1e57098bba43ac29e6e3b677cdceebdd22334f"
BUILD: dict[str, Any] = {
    "engine": "llama.cpp",
    "version": "0c1e570",
    "source": {"git": "https://example.org/llama.cpp.git", "commit": COMMIT},
    "options": {"GGML_CUDA": True, "LLAMA_BUILD_NUMBER": 0},
    "version_options": ["LLAMA_BUILD_COMMIT"],
    "targets": ["llama-server", "llama-bench"],
    "cuda": True,
    "architectures": "110",
}


def test_inputs_are_all_that_the_result_depends_on() -> None:
    wanted = inputs(BUILD, TOOLCHAIN, "aarch64")
    assert wanted == {
        "engine": "llama.cpp",
        "version": "0c1e570",
        "source": COMMIT,
        "options": {
            "GGML_CUDA": "ON",
            "LLAMA_BUILD_NUMBER": "0",
            "LLAMA_BUILD_COMMIT": "0c1e570",
            "CMAKE_BUILD_TYPE": "Release",
            "BUILD_SHARED_LIBS": "OFF",
            "CMAKE_CUDA_ARCHITECTURES": "110",
        },
        "targets": ["llama-bench", "llama-server"],
        "programs": ["bin/llama-server", "bin/llama-bench"],
        "cuda": "13.0",
        "compiler": "g++ 13.3.0",
        "machine": "aarch64",
    }


def test_a_cpu_build_does_not_depend_on_cuda() -> None:
    wanted = inputs({**BUILD, "cuda": False}, TOOLCHAIN, "aarch64")
    assert wanted["cuda"] is None and "CMAKE_CUDA_ARCHITECTURES" not in wanted["options"]


@pytest.mark.parametrize(
    ("value", "text"), [(True, "ON"), (False, "OFF"), (0, "0"), ("x y", "x y"), (["87", 110], "87;110")]
)
def test_values_are_written_as_cmake_does(value: object, text: str) -> None:
    assert cmake_value(value) == text


def test_fingerprint_does_not_depend_on_the_order_of_keys() -> None:
    one, other = {"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}
    assert fingerprint(one) == fingerprint(other)
    assert len(fingerprint(one)) == 12


@pytest.mark.parametrize(
    "change",
    [{"compiler": "g++ 13.4.0"}, {"cuda": "13.2"}, {"machine": "x86_64"}, {"source": "0" * 40}, {"options": {}}],
)
def test_fingerprint_changes_with_every_input(change: dict[str, Any]) -> None:
    wanted = inputs(BUILD, TOOLCHAIN, "aarch64")
    assert fingerprint(wanted) != fingerprint({**wanted, **change})
