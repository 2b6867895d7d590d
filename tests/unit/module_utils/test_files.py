# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A file is read as its content, or nothing, and written in one rename."""

from __future__ import annotations

import os
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
    assert files.read(tmp_path, "/proc/meminfo") is None and files.meminfo(tmp_path) == {}
    assert files.read(None, "/proc/meminfo") and files.meminfo()["MemTotal"] > 0
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


def test_a_file_is_written_in_one_rename_and_litter_of_a_kill_is_cleared(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    gone, other = tmp_path / ".x.json.4194999", tmp_path / f".x.json.{os.getppid()}"
    for litter in (gone, other, tmp_path / ".x.json.swp"):
        litter.write_text("{")
    files.write(path, "new", 0o640)
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    # Another process may be about to give its file that name, and a person's is none of our business.
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([other.name, ".x.json.swp", "x.json"])


@pytest.mark.parametrize(
    ("before", "mode", "after"), [(0o604, None, 0o604), (0o604, 0o640, 0o640), (None, None, 0o600)]
)
def test_a_file_keeps_its_mode_and_a_new_one_gets_what_the_umask_allows(
    tmp_path: Path, before: int | None, mode: int | None, after: int
) -> None:
    path = tmp_path / "daemon.json"
    if before is not None:
        path.write_text("old")
        path.chmod(before)
    previous = os.umask(0o077)
    try:
        files.write(path, b"new", mode)
    finally:
        os.umask(previous)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", after)


def test_a_folder_in_the_place_of_a_file_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "x" / "kept").mkdir(parents=True)
    files.write(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new"
    assert [entry.name for entry in tmp_path.glob("x.damaged.*/*")] == ["kept"]


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write(tmp_path / "x", "new", durable=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"
