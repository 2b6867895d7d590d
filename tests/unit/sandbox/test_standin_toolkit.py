# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The sandbox's stand-in for the NVIDIA Container Toolkit: names, versions and dependencies like NVIDIA's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox import toolkit

NAMES = {
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
}


def deb(path: Path, *arguments: str) -> str:
    """What dpkg-deb reports about a package."""
    return subprocess.run(
        ["dpkg-deb", arguments[0], str(path), *arguments[1:]], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("architecture", toolkit.ARCHITECTURES)
@pytest.mark.parametrize("version", toolkit.VERSIONS)
def test_four_packages_have_one_version(tmp_path: Path, version: str, architecture: str) -> None:
    built = {one.name: toolkit.build(one, architecture, tmp_path) for one in toolkit.packages(version)}
    assert set(built) == NAMES
    for path in built.values():
        fields = deb(path, "--field", "Version", "Architecture").splitlines()
        assert fields == [f"Version: {version}-1", f"Architecture: {architecture}"]
        assert "README.stand-in" in deb(path, "--contents")
        assert all(line.split()[1] == "root/root" for line in deb(path, "--contents").splitlines())
    needs = deb(built["nvidia-container-toolkit"], "--field", "Depends").strip()
    assert needs == (
        f"nvidia-container-toolkit-base (= {version}-1), libnvidia-container-tools (>= {version}-1), libnvidia-container-tools (<< 2.0.0)"
    )


def test_the_unit_that_keeps_the_description_current_came_with_1_18() -> None:
    def units(version: str) -> list[str]:
        return [path for package in toolkit.packages(version) for path in package.files if "systemd" in path]

    assert units("1.17.8") == []
    assert len(units("1.18.1")) == 2


def test_ctk_prints_its_version_and_writes_a_description(tmp_path: Path) -> None:
    base = next(one for one in toolkit.packages("1.18.1") if one.name == "nvidia-container-toolkit-base")
    program = tmp_path / "nvidia-ctk"
    program.write_text(base.files["/usr/bin/nvidia-ctk"])

    def ctk(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", str(program), *arguments], capture_output=True, text=True, check=False)

    assert ctk("--version").stdout.splitlines()[0] == "NVIDIA Container Toolkit CLI version 1.18.1"
    target = tmp_path / "cdi" / "nvidia.yaml"
    assert ctk("cdi", "generate", f"--output={target}").returncode == 0
    assert "kind: nvidia.com/gpu" in target.read_text()
    assert "toolkit 1.18.1 for L4T" in target.read_text()
    assert ctk("runtime", "nosuch").returncode == 1


@pytest.mark.parametrize(
    ("environment", "devices", "said"),
    [
        ([], None, ""),
        (["NVIDIA_REQUIRE_CUDA=cuda>=99.0"], None, ""),
        (["NVIDIA_VISIBLE_DEVICES=void"], None, ""),
        (["NVIDIA_VISIBLE_DEVICES=all"], "all", ""),
        (["NVIDIA_VISIBLE_DEVICES=0", "NVIDIA_REQUIRE_CUDA=cuda>=12.8"], "0", ""),
        (["NVIDIA_VISIBLE_DEVICES=1"], None, "unsupported device"),
        (["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_REQUIRE_CUDA=cuda>=13.4"], None, "unsatisfied condition: cuda>=13.4"),
        (["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_REQUIRE_CUDA=cuda>=13.4 brand=x,cuda>=12.0"], "all", ""),
        (["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_REQUIRE_CUDA=cuda>=13.4", "NVIDIA_DISABLE_REQUIRE=1"], "all", ""),
        (
            ["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_REQUIRE_CUDA=cuda>=13.4", "NVIDIA_DISABLE_REQUIRE=0"],
            None,
            "unsatisfied",
        ),
    ],
)
def test_its_runtime_decides_like_that_of_a_thor(
    tmp_path: Path, environment: list[str], devices: str | None, said: str
) -> None:
    base = next(one for one in toolkit.packages("1.18.1") if one.name == "nvidia-container-toolkit-base")
    (tmp_path / "runtime").write_text(base.files["/usr/bin/nvidia-container-runtime"])
    (tmp_path / "runc").write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/handed\n')
    (tmp_path / "runc").chmod(0o755)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps({"process": {"env": ["PATH=/bin", *environment]}}))
    words = ["--root", "/run/runc", "create", "--bundle", str(bundle), "--pid-file", "pid", "id"]
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, str(tmp_path / "runtime"), *words],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said in done.stderr and (done.returncode == 0) is (not said), done.stderr
    if not said:
        assert (tmp_path / "handed").read_text().split() == words
        seen = json.loads((bundle / "config.json").read_text())["process"]["env"]
        assert [one for one in seen if one.startswith("STANDIN_GPU")] == ([f"STANDIN_GPU={devices}"] if devices else [])
