# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The files of services on a disk: whose they are, which drop-ins change them, and how they are exchanged and put back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.services.definitions import (
    MARKER,
    Definition,
    Disk,
    File,
)

UNIT = "/etc/systemd/system/thor-chat.service"


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """A disk without services."""
    return Disk(tmp_path)


@pytest.mark.parametrize(
    ("config", "ports", "memory"),
    [
        ({"port": 8000, "memory_gib": 21}, {8000}, 21),
        ({"port": 18000, "public_port": 8000, "memory_gib": 0.5}, {8000, 18000}, 0.5),
        ({"port": "8000", "memory_gib": -1}, set(), 0),
        ([8000], set(), 0),
        (None, set(), 0),
    ],
)
def test_ports_and_memory_are_read_from_a_configuration_of_anybody(
    config: object, ports: set[int], memory: float
) -> None:
    found = Definition("[Unit]", None if config is None else json.dumps(config))
    assert (found.ports, found.memory) == (ports, memory)


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("--model /models/a/b --port 1", True),
        ("--model /models/a/b/model.gguf", True),
        ("--model '/models/a/b'", True),
        ("--model /models/a/b-2", False),
        ("--model /models/a/b.old", False),
        ("--model /models/a", False),
    ],
)
def test_a_directory_of_a_model_is_found_by_its_whole_name(text: str, uses: bool) -> None:
    assert Definition(text, None).uses("/models/a/b") is uses
    assert Definition(None, text).uses("/models/a/b") is uses


def test_a_percent_sign_in_a_unit_is_written_twice() -> None:
    assert Definition("--model /models/a%%b", None).uses("/models/a%b")


def test_ours_are_those_with_our_name_and_first_line(disk: Disk) -> None:
    disk.write(File(UNIT, f"{MARKER}\n"))
    disk.write(File("/etc/systemd/system/thor-own.service", "# mine\n"))
    disk.write(File("/etc/systemd/system/chat.service", f"{MARKER}\n"))
    disk.path("/etc/systemd/system/thor-folder.service").mkdir()
    assert disk.ours() == ["chat"]


def test_of_drop_ins_of_the_same_name_systemd_reads_the_first(disk: Disk) -> None:
    for folder in ("/etc/systemd/system/thor-chat.service.d", "/usr/lib/systemd/system/thor-chat.service.d"):
        disk.write(File(f"{folder}/a.conf", "[Service]\n"))
    disk.write(File("/run/systemd/system/thor-.service.d/b.conf", "[Service]\n"))
    disk.write(File("/etc/systemd/system/thor-chatter.service.d/c.conf", "[Service]\n"))
    disk.write(File("/etc/systemd/system/thor-chat.service.d/notes.txt", "no drop-in"))
    assert disk.drop_ins("thor-chat.service") == [
        "/etc/systemd/system/thor-chat.service.d/a.conf",
        "/run/systemd/system/thor-.service.d/b.conf",
    ]


def test_a_file_that_was_saved_comes_back_however_often_it_is_asked(disk: Disk) -> None:
    disk.write(File(UNIT, "old"))
    assert disk.save(UNIT) is True
    disk.write(File(UNIT, "new"))
    for _again in range(2):
        disk.restore(UNIT, existed=True)
        assert disk.read(UNIT) == "old"
    assert [path.name for path in disk.path(UNIT).parent.iterdir()] == ["thor-chat.service"]


def test_a_file_that_did_not_exist_goes_again(disk: Disk) -> None:
    disk.path(UNIT).parent.mkdir(parents=True)
    assert disk.save(UNIT) is False
    disk.write(File(UNIT, "new"))
    disk.restore(UNIT, existed=False)
    assert disk.read(UNIT) is None


def test_an_untouched_file_that_was_saved_stays_and_leaves_nothing_beside_it(disk: Disk) -> None:
    disk.write(File(UNIT, "old"))
    disk.save(UNIT)
    disk.restore(UNIT, existed=True)
    assert disk.read(UNIT) == "old"
    assert [path.name for path in disk.path(UNIT).parent.iterdir()] == ["thor-chat.service"]


def test_what_a_killed_run_left_is_swept_and_nothing_else(disk: Disk) -> None:
    disk.write(File(UNIT, "old"))
    disk.stage(File(UNIT, "new"))
    disk.stage(File("/opt/thor/tool", "new"))
    disk.write(File("/etc/systemd/system/.other", "a person's"))
    assert disk.is_staged(UNIT)
    disk.sweep(["/opt/thor/tool"])
    assert not disk.is_staged(UNIT) and not disk.is_staged("/opt/thor/tool")
    assert disk.read(UNIT) == "old" and disk.read("/etc/systemd/system/.other") == "a person's"
