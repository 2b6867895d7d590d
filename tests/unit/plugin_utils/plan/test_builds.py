# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which builds are due on a host, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.jetson.thor.plugins.module_utils.builds.inputs import inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import builds
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.builds import BuildSettings

ROOT = Path(__file__).resolve().parents[4]
TOOLCHAIN: dict[str, str | None] = {"compiler": "g++ 13.3.0", "cuda": "13.0", "nvcc": "/usr/local/cuda/bin/nvcc"}
COMMIT = "0c1e57098bba43ac29e6e3b677cdceebdd22334f"


def service(name: str, **changes: Any) -> dict[str, Any]:
    base = {
        "name": name,
        "role": "llama_cpp",
        "engine": "llama.cpp",
        "version": "0c1e570",
        "source": {"git": "https://example.org/llama.cpp.git", "commit": COMMIT},
        "argv": ["llama-server", "--port", "8000"],
    }
    return {**base, **changes}


def host(**changes: Any) -> dict[str, Any]:
    return {"toolchain": TOOLCHAIN, "architecture": "aarch64", "builds": {}, "cpus": 14, **changes}


def made(**chosen: Any) -> dict[str, Any]:
    """The builds of a host that has what service() needs."""
    (build,) = builds.due([service("chat")], host(), {"llama_cpp": BuildSettings(**chosen)})
    return {"llama.cpp": {"0c1e570": {"path": "/x", "inputs": inputs(vars(build), TOOLCHAIN, "aarch64")}}}


def reasons(found: dict[str, Any], *, at: dict[str, Any] | None = None, **chosen: Any) -> tuple[str, ...]:
    """Why the build of service(), or of ``at``, is due on a host; nothing where it is not."""
    due = builds.due([at or service("chat")], found, {"llama_cpp": BuildSettings(**chosen)})
    return due[0].reasons if due else ()


def test_each_missing_version_is_one_build_with_the_arguments_of_its_services() -> None:
    services = [
        service("chat"),
        service("code", argv=["llama-server", "--jinja"]),
        service("old", version="4227c9b", source={"archive": "https://example.org/a.tar.gz", "sha256": "1" * 64}),
        service("ears", role="whisper_cpp", engine="whisper.cpp", version="1.8.5"),
        service("vllm", role="engine_image", engine="vllm", source=None),
        service("refused", version=None),
    ]
    due = builds.due(services, host(), {})
    assert [build.version for build in due] == ["0c1e570", "4227c9b", "1.8.5"]
    assert due[0].argvs == {"chat": ["--port", "8000"], "code": ["--jinja"]}


def test_the_role_that_builds_takes_what_the_plan_hands_it() -> None:
    specs = yaml.safe_load((ROOT / "roles/cmake_build/meta/argument_specs.yml").read_text(encoding="utf-8"))
    spec = specs["argument_specs"]["main"]["options"]["cmake_build_builds"]["options"]
    whisper = service("ears", role="whisper_cpp", engine="whisper.cpp", version="1.8.5")
    due = builds.due([service("chat"), whisper], host(), {})
    for build in due:
        result = ArgumentSpecValidator(spec).validate(build.arguments())
        assert result.error_messages == [] and result.validated_parameters["targets"] == list(build.targets)
    assert "version_text" not in due[0].arguments() and due[1].arguments()["version_text"] == ""


def test_missing_tools_are_installed_and_git_only_for_a_repository() -> None:
    there = {**TOOLCHAIN, "cmake": "3.28.3", "ninja": None}
    assert builds.missing_tools(builds.due([service("chat")], host(), {}), there) == ("ninja", "ccache", "git")
    archive = service("chat", source={"archive": "https://example.org/a.tar.gz", "sha256": "1" * 64})
    assert builds.missing_tools(builds.due([archive], host(), {}), there) == ("ninja", "ccache")
    assert builds.missing_tools([], {}) == ()


def test_the_role_knows_a_package_for_each_tool() -> None:
    defaults = yaml.safe_load((ROOT / "roles/cmake_build/defaults/main.yml").read_text(encoding="utf-8"))
    assert tuple(defaults["cmake_build_packages"]) == builds.TOOLS


def test_a_build_with_the_wanted_inputs_is_not_due() -> None:
    assert reasons(host()) == ("not built yet",)
    assert reasons(host(builds=made())) == ()


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ({"cmake_options": {"LLAMA_BUILD_NUMBER": 1}}, "option LLAMA_BUILD_NUMBER: 0 -> 1"),
        ({"cmake_options": {"LLAMA_CURL": False}}, "option LLAMA_CURL: none -> OFF"),
        ({"architectures": "110"}, "option CMAKE_CUDA_ARCHITECTURES: 110-real -> 110"),
    ],
)
def test_a_changed_option_is_a_reason(chosen: dict[str, Any], reason: str) -> None:
    assert reasons(host(builds=made()), **chosen) == (reason,)


@pytest.mark.parametrize(
    ("toolchain", "reason"),
    [
        ({"cuda": "13.2"}, "CUDA: 13.0 -> 13.2"),
        ({"cuda": None, "nvcc": None}, "CUDA: 13.0 -> none"),
        ({"compiler": "g++ 13.4.0"}, "compiler: g++ 13.3.0 -> g++ 13.4.0"),
    ],
)
def test_another_compiler_or_cuda_is_a_reason(toolchain: dict[str, Any], reason: str) -> None:
    assert reasons(host(builds=made(), toolchain={**TOOLCHAIN, **toolchain})) == (reason,)


def test_another_commit_is_a_reason_and_another_address_is_not() -> None:
    there = host(builds=made())
    other = service("chat", source={"git": "https://example.org/llama.cpp.git", "commit": "1" * 40})
    assert reasons(there, at=other) == (f"source: {COMMIT} -> {'1' * 40}",)
    mirror = service("chat", source={"git": "https://mirror.example.org/llama.cpp.git", "commit": COMMIT})
    assert reasons(there, at=mirror) == ()


def test_a_build_without_a_record_of_its_inputs_is_due() -> None:
    assert reasons(host(builds={"llama.cpp": {"0c1e570": {"path": "/x", "inputs": None}}}))


def test_the_cost_of_a_build_is_told_where_it_is_known() -> None:
    (gpu,) = builds.due([service("chat")], host(), {})
    assert (gpu.bytes, gpu.seconds) == (6 * 1024**3, 267)  # 3,733 CPU seconds on 14 cores
    (cpu,) = builds.due([service("chat")], host(cpus=2), {"llama_cpp": BuildSettings(cuda=False)})
    assert cpu.seconds == 490
    (unknown,) = builds.due([service("chat")], host(cpus=None), {})
    assert unknown.seconds is None


@pytest.mark.parametrize("role", sorted(builds.RECIPES))
def test_a_build_that_nobody_chose_settings_for_has_those_of_the_role(role: str) -> None:
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text(encoding="utf-8"))
    assert {key.removeprefix("cuda_"): defaults[f"{role}_{key}"] for key in _KEYS} == vars(BuildSettings())


_KEYS = ("cuda", "cuda_architectures", "cmake_options")
