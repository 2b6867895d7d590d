# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which file of a package a lock takes."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import pytest
import wheel_choice
from packaging.tags import sys_tags
from source_check import Refused
from wheel_choice import JETPACK_7, Platform, Unreadable, choose

THIS = Platform(f"3.{sys.version_info.minor}", platform.machine())


def test_the_tags_are_those_of_packaging_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    _name, glibc = platform.libc_ver()
    monkeypatch.setitem(wheel_choice.PLATFORMS, THIS.python, (glibc, "this machine"))
    assert THIS.tags == list(sys_tags())


def wheel(tag: str, build: str = "", **more: Any) -> dict[str, Any]:
    """A wheel as uv lists it."""
    name = f"toy-1.0-{build}{tag}.whl"
    return {"url": f"http://index.example/files/{name}", "size": 7, "hashes": {"sha256": f"of {name}"}, **more}


def entry(*wheels: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A package as uv lists it."""
    return {"name": "toy", "version": "1.0", "wheels": list(wheels), **more}


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (wheel("cp312-cp312-manylinux_2_39_aarch64"), wheel("cp312-cp312-manylinux_2_17_aarch64")),
        (wheel("cp312-cp312-manylinux_2_17_aarch64"), wheel("cp311-abi3-manylinux_2_39_aarch64")),
        (wheel("cp39-abi3-manylinux2014_aarch64"), wheel("py3-none-any")),
        (wheel("cp312-cp312-linux_aarch64"), wheel("cp312-cp312-manylinux_2_39_aarch64")),
        (wheel("py3-none-manylinux_2_28_aarch64"), wheel("py2.py3-none-any")),
        (wheel("py3-none-any", build="2-"), wheel("py3-none-any", build="1-")),
        (wheel("py3-none-any"), wheel("cp312-cp312-manylinux_2_40_aarch64")),
        (wheel("py3-none-any"), wheel("cp313-cp313-manylinux_2_17_aarch64")),
        (wheel("py3-none-any"), wheel("cp312-cp312-manylinux_2_17_x86_64")),
        (wheel("py3-none-any"), wheel("cp312-cp312-musllinux_1_2_aarch64")),
        (wheel("py3-none-any"), {"url": "http://index.example/files/toy.whl"}),
    ],
)
def test_the_best_wheel_is_chosen_in_whatever_order_they_come(better: dict[str, Any], worse: dict[str, Any]) -> None:
    for wheels in ([better, worse], [worse, better]):
        file = choose(entry(*wheels), JETPACK_7)
        assert file.package.sha256 == better["hashes"]["sha256"]
        assert (file.package.bytes, file.is_source) == (7, False)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (
            entry(wheel("cp312-cp312-manylinux_2_40_aarch64")),
            "no wheel for CPython 3.12 on aarch64 with glibc 2.39; there is: toy-1.0-cp",
        ),
        (entry(sdist=wheel("x")), "there is: only its source"),
        ({"name": "toy", "vcs": {"url": "http://git.example/toy"}}, "comes from an address or a repository"),
        (
            {"name": "toy", "version": "1", "archive": {"url": "http://git.example/toy"}},
            "comes from an address or a repository",
        ),
        ({"name": "toy", "version": "1", "directory": {"path": "toy"}}, "comes from an address or a repository"),
    ],
)
def test_what_has_no_file_for_the_platform_is_refused(found: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as caught:
        choose(found, JETPACK_7)
    assert reason in str(caught.value)


def test_a_folder_of_wheels_gives_no_sizes(tmp_path: Path) -> None:
    path = tmp_path / "toy-1.0+cpu-py3-none-any.whl"
    path.write_bytes(b"wheel")
    assert choose(entry({"path": str(path), "hashes": {"sha256": "a"}}), JETPACK_7).package.bytes == 5
    assert choose(entry({"url": path.as_uri(), "hashes": {"sha256": "a"}}), JETPACK_7).package.bytes == 5
    path.unlink()
    with pytest.raises(Unreadable, match="size of file://"):
        choose(entry({"url": path.as_uri(), "hashes": {"sha256": "a"}}), JETPACK_7)


def test_a_file_without_hash_cannot_be_locked() -> None:
    with pytest.raises(Unreadable, match="lists no sha256 for toy-1"):
        choose(entry(wheel("py3-none-any", hashes={})), JETPACK_7)
