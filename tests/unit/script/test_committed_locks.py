# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The locks of Python engines in this repository: the script wrote them, for the devices or for the hosts of tests."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import cuda_compiler
import package_lock
import pytest
from environment_lock import LockError, parse
from wheel_choice import PLATFORMS

ROOT = Path(__file__).resolve().parents[3]
DEVICES, TESTS = (
    sorted((ROOT / folder).glob("*.txt")) for folder in ("roles/catalog/files/packages", "tests/support/packages")
)


def command(path: Path) -> list[str]:
    """The command that made the lock, as its top has it."""
    (line,) = (line for line in path.read_text().splitlines() if line.startswith("#   script/lock "))
    return shlex.split(line.removeprefix("#   "))


@pytest.mark.parametrize("path", [*DEVICES, *TESTS], ids=lambda path: path.name)
def test_a_lock_is_what_the_script_writes(path: Path) -> None:
    found = parse(path.read_text())
    assert path.name == found.file_name
    assert path.read_text() == package_lock.render(found, shlex.join(command(path)))
    assert [one.name for one in found.packages] == sorted(found.versions)
    assert all(one.bytes for one in (*found.packages, *found.build))
    assert found.glibc == PLATFORMS[found.python][0]


@pytest.mark.parametrize("path", [*DEVICES, *TESTS], ids=lambda path: path.name)
def test_its_command_makes_the_lock_again(path: Path) -> None:
    found = parse(path.read_text())
    parser = argparse.ArgumentParser()
    package_lock.add_options(parser)
    options = parser.parse_args(command(path)[1:])
    assert (options.packages, options.python, options.machine) == (found.requirement, found.python, found.machine)
    assert tuple(options.no_binary) == found.source_only
    assert not set(options.without) & set(found.versions)


@pytest.mark.parametrize("path", [*DEVICES, *TESTS], ids=lambda path: path.name)
def test_its_cuda_compiler_fits_its_runtime(path: Path) -> None:
    versions = parse(path.read_text()).versions
    assert cuda_compiler.misfits(versions) == []
    if path.name.startswith(("vllm-0", "sglang-")):  # They compile kernels on the device.
        assert {cuda_compiler.RUNTIME, *cuda_compiler.COMPILER} <= set(versions)


def test_no_lock_needs_more_than_the_cuda_of_the_first_jetpack_7() -> None:
    runtimes = [parse(path.read_text()).versions[cuda_compiler.RUNTIME] for path in DEVICES]
    assert {cuda_compiler.minor(version) for version in runtimes} == {"13.0"}


def test_funasr_has_the_pytorch_of_vllm() -> None:
    found = [parse(path.read_text()) for path in DEVICES if path.name.startswith(("funasr-1.4.16-", "vllm-0.33.0-"))]
    funasr, vllm = [
        {
            name: version
            for name, version in lock.versions.items()
            if re.match(r"(torch|triton|cuda-toolkit|nvidia-.*)$", name)
        }
        for lock in found
    ]
    assert funasr and funasr.items() <= vllm.items()


@pytest.mark.parametrize("path", [*DEVICES, *TESTS], ids=lambda path: path.name)
def test_a_change_by_hand_is_noticed(path: Path) -> None:
    text = path.read_text()
    last = parse(text).packages[-1]
    with pytest.raises(LockError, match="edited by hand"):
        parse(text.replace(last.sha256, "0" * 64))


def test_devices_have_the_python_of_jetpack_7() -> None:
    assert DEVICES
    assert {parse(path.read_text()).tag for path in DEVICES} == {"cp312-aarch64"}


def test_locks_are_made_with_the_uv_of_the_devices() -> None:
    made, used = (
        re.search(r"^uv==\S+", (ROOT / name).read_text(), re.MULTILINE)
        for name in ("requirements/dev.txt", "roles/python_engine/files/uv.txt")
    )
    assert made and used and made[0] == used[0]
