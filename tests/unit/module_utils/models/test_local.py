# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Models of a person: hashed once, known by stat afterwards, refused by code and culprit, and never changed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import jobs
from ansible_collections.jetson.thor.plugins.module_utils.models import hashing, local
from model_store import Recorder

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 5000000000\n"
INDEX = {"metadata": {}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
WHOLE = {
    "config.json": "{}",
    "model.safetensors.index.json": json.dumps(INDEX),
    "model-1.safetensors": "one",
    "model-2.safetensors": "two",
    ".cache/huggingface/x.lock": "",
}
SPLIT = {f"big-{number:05}-of-00003.gguf": "GGUF" for number in (1, 2, 3)}


@pytest.fixture(name="home")
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that everybody may enter: pytest's own is root's alone."""
    monkeypatch.setattr(local, "RECORDS", tmp_path / "records")
    home = Path(tempfile.mkdtemp(dir="/dev/shm"))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home)


def make(folder: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def state(folder: Path) -> dict[str, Any]:
    """Everything about the files that must not change."""
    paths = [folder, *sorted(folder.rglob("*"))]
    return {
        str(one): (one.lstat().st_mode, one.lstat().st_uid, one.lstat().st_mtime_ns, one.lstat().st_ino)
        for one in paths
    }


def hash_it(folder: Path, *names: str, verify: bool = False) -> dict[str, Any]:
    place = local.place_of(str(folder), names)
    spec = {"place": place, "path": str(folder), "names": list(names), "verify_checksums": verify}
    return local.run_job(spec, Recorder())


def codes(folder: Path, *names: str) -> list[tuple[str, str]]:
    place = local.place_of(str(folder), names)
    return [(one.code, one.reason) for one in local.faults(place, str(folder), names)]


def test_a_folder_is_hashed_once_and_known_by_stat(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(home / "own", WHOLE)
    before = state(home)
    result = hash_it(folder)
    assert (result["changed"], result["hashed_bytes"], result["bytes"]) == (True, result["bytes"], result["bytes"])
    assert [one["path"] for one in result["files"]] == sorted(name for name in WHOLE if not name.startswith("."))
    assert state(home) == before, "nothing in or around a person's folder is touched"
    monkeypatch.setattr(local, "hash_file", lambda *_arguments: pytest.fail("hashed again"))
    again = hash_it(folder)
    assert (again["changed"], again["hashed_bytes"]) == (False, 0)
    assert local.look(str(folder), str(folder), []) == []


def test_only_what_changed_is_hashed_again(home: Path) -> None:
    folder = make(home / "own", WHOLE)
    hash_it(folder)
    (folder / "config.json").write_text("{} ")
    record = local.read_record(str(folder))
    assert record is not None
    assert not local.is_unchanged(record)
    result = hash_it(folder)
    assert (result["changed"], result["hashed_bytes"]) == (True, 3)
    assert local.is_unchanged(local.read_record(str(folder)) or {})


def test_a_new_file_in_the_folder_is_noticed(home: Path) -> None:
    folder = make(home / "own", WHOLE)
    hash_it(folder)
    make(folder, {"extra.json": "{}"})
    record = local.read_record(str(folder)) or {}
    assert not local.is_unchanged(record, local.files_of(str(folder), []))


def test_content_that_changed_without_a_sign_is_refused_when_checksums_are_verified(home: Path) -> None:
    folder = make(home / "own", WHOLE)
    hash_it(folder)
    file = folder / "model-1.safetensors"
    status = file.stat()
    file.write_text("ONE")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert hash_it(folder)["changed"] is False
    with pytest.raises(jobs.JobFailed, match=r"THOR-CHECKSUM: .*model-1\.safetensors has the size and time"):
        hash_it(folder, verify=True)


def test_of_a_file_only_itself_its_parts_and_its_projector_count(home: Path) -> None:
    folder = make(home / "gguf", {**SPLIT, "other.gguf": "x", "mmproj.gguf": "y"})
    result = hash_it(folder, "big-00001-of-00003.gguf", "mmproj.gguf")
    assert [one["path"] for one in result["files"]] == [*SPLIT, "mmproj.gguf"]
    assert codes(folder, "big-00001-of-00003.gguf", "mmproj.gguf") == []


@pytest.mark.parametrize(
    ("files", "names", "code", "culprit"),
    [
        ({}, [], "THOR-LOCAL-MISSING", "own is not there"),
        ({".gitattributes": ""}, [], "THOR-LOCAL-MISSING", "own has no files"),
        ({"a.gguf": "x"}, ["b.gguf"], "THOR-LOCAL-MISSING", "b.gguf is not there"),
        ({"a.gguf": "x"}, ["a.gguf", "mmproj.gguf"], "THOR-LOCAL-MISSING", "mmproj.gguf is not there"),
        ({**WHOLE, "model-2.safetensors": None}, [], "THOR-LOCAL-INCOMPLETE", "model-2.safetensors"),
        ({**WHOLE, "model.safetensors.index.json": "[]"}, [], "THOR-LOCAL-INCOMPLETE", "is not an index"),
        ({**WHOLE, "model.safetensors.index.json": "[" * 90000}, [], "THOR-LOCAL-INCOMPLETE", "is not an index"),
        ({**WHOLE, "model-1.safetensors": POINTER}, [], "THOR-LOCAL-POINTER", "model-1.safetensors"),
        ({**SPLIT, "big-00001-of-00003.gguf": None}, [], "THOR-LOCAL-INCOMPLETE", "big-00001-of-00003.gguf is not"),
        (
            {**SPLIT, "big-00001-of-00003.gguf": None},
            ["big-00002-of-00003.gguf"],
            "THOR-LOCAL-INCOMPLETE",
            "big-00001-of-00003.gguf is not",
        ),
        (
            {**SPLIT, "big-00003-of-00003.gguf": None},
            ["big-00001-of-00003.gguf"],
            "THOR-LOCAL-INCOMPLETE",
            "big-00003-of-00003.gguf is not",
        ),
        (SPLIT, ["big-00002-of-00003.gguf"], "THOR-LOCAL-INCOMPLETE", "not the first of 3"),
    ],
)
def test_what_no_engine_could_start_with_is_refused(
    home: Path, files: Mapping[str, str | None], names: list[str], code: str, culprit: str
) -> None:
    folder = make(home / "own", {name: content for name, content in files.items() if content is not None})
    found = codes(folder, *names)
    assert [one[0] for one in found] == [code]
    assert culprit in found[0][1]


@pytest.mark.parametrize("what", ["file", "folder", "above"])
def test_what_the_account_of_a_service_cannot_read_is_refused(home: Path, what: str) -> None:
    folder = make(home / "own", WHOLE)
    hash_it(folder)
    hidden = {"file": folder / "model-1.safetensors", "folder": folder, "above": home}[what]
    hidden.chmod(hidden.stat().st_mode & ~0o007)
    [(code, reason)] = codes(folder)
    assert code == "THOR-LOCAL-UNREADABLE"
    assert f"{hidden} cannot be" in reason
    assert local.look(str(folder), str(folder), [])[0]["code"] == code, "rights change without a sign in size and time"


def test_links_that_lead_out_of_the_folder_are_refused_and_others_are_not(home: Path) -> None:
    """As the cache of a hub has them: snapshots of links to blobs beside."""
    blob = make(home / "blobs", {"abc": "weights"}) / "abc"
    folder = make(home / "snapshot", {"config.json": "{}"})
    (folder / "model.safetensors").symlink_to("../blobs/abc")
    [(code, reason)] = codes(folder)
    assert code == "THOR-LOCAL-LINK"
    assert str(blob) in reason
    (folder / "model.safetensors").unlink()
    (folder / "same.json").symlink_to("config.json")
    assert codes(folder) == []
    (folder / "nowhere.json").symlink_to("gone")
    assert codes(folder)[0][0] == "THOR-LOCAL-LINK"


def test_a_damaged_record_counts_as_none(home: Path) -> None:
    folder = make(home / "own", WHOLE)
    hash_it(folder)
    local.record_path(str(folder)).write_text("{")
    assert local.read_record(str(folder)) is None
    assert hash_it(folder)["changed"] is True


def test_the_progress_is_of_bytes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "BLOCK", 2)
    folder = make(home / "own", {"a.bin": "12345"})
    report = Recorder()
    local.run_job({"place": str(folder), "path": str(folder), "names": [], "verify_checksums": False}, report)
    assert report.amounts[-1] == (5, 5)
