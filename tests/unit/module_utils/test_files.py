# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A file of the device is its content, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import files
from ansible_collections.jetson.thor.plugins.module_utils.builds import compiler
from ansible_collections.jetson.thor.plugins.module_utils.observe import docker_host, throttling
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import preflight
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import Settings


def test_what_does_not_answer_is_nothing(tmp_path: Path, silent: Callable[[Path], None]) -> None:
    silent(tmp_path / "temp")
    with pytest.raises(TypeError, match="NoneType"):
        (tmp_path / "temp").read_text(encoding="utf-8")
    assert files.content(tmp_path / "temp") is None
    for path in (tmp_path / "temp", tmp_path, tmp_path / "absent", tmp_path / "temp" / "below", Path("a\0b")):
        assert (files.text(path), files.number(path)) == (None, None)


@pytest.mark.parametrize(
    ("text", "number"), [("0\n", 0), ("-5\n", -5), ("", None), ("\n", None), ("off", None), ("1 2", None)]
)
def test_zero_is_a_number_and_nothing_is_none(tmp_path: Path, text: str, number: int | None) -> None:
    (tmp_path / "file").write_text(text)
    assert files.number(tmp_path / "file") == number


def test_a_large_file_and_one_that_is_not_utf8_are_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff" + b"x" * 200_000)
    assert files.content(tmp_path / "file") == b"\xff" + b"x" * 200_000
    assert (files.text(tmp_path / "file") or "").startswith("\ufffdx")


def test_a_stand_in_that_does_not_answer_is_not_replaced_by_the_device(
    tmp_path: Path, silent: Callable[[Path], None]
) -> None:
    (tmp_path / "proc").mkdir()
    silent(tmp_path / "proc/meminfo")
    assert files.read(tmp_path, "/proc/meminfo") is None and files.memory(tmp_path) == {}
    assert files.read(None, "/proc/meminfo") and files.memory(None)["MemTotal"] > 0
    assert files.read(tmp_path, "/proc/version"), "no stand-in: the device's own"


def test_who_asks_lives_with_nothing(
    tmp_path: Path, silent: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1").mkdir()
    silent(tmp_path / "1/environ")
    silent(tmp_path / "config.gz")
    monkeypatch.setattr(docker_host, "PROC", tmp_path)
    monkeypatch.setattr(docker_host, "BOOT", tmp_path / "absent")
    assert docker_host.environment("1") == {} and docker_host._raw_table(None) is None
    assert compiler.jobs(8, None, cuda=False) == 1
    assert throttling.memory(tmp_path / "absent")["total"], "without a stand-in the device is asked"


def test_a_host_that_does_not_tell_its_memory_is_refused_and_not_taken_for_one_of_0_gib() -> None:
    settings = Settings(8, 5, ["ubuntu 24.04"], "38.2", {})
    services = [{"name": "chat", "memory_gib": 10.0, "profile": "chat"}]
    (problem,) = preflight._memory(services, {"memory": {"total_bytes": None}}, settings)
    assert problem.code == "THOR-MEMORY-OVER" and "/proc/meminfo" in problem.reason
