# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What models say of themselves is read once, and again when a file changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_gguf
from ansible_collections.jetson.thor.plugins.module_utils.models import about, kept_about
from ansible_collections.jetson.thor.plugins.module_utils.models.about import About


@pytest.fixture(autouse=True)
def reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keeps the records in the test's folder, and has the names of the files whose content was read."""
    found: list[str] = []
    original = about.on_disk

    def on_disk(folder: Path, sizes: dict[str, int]) -> about.Files:
        files = original(folder, sizes)

        def read(name: str, start: int, length: int) -> bytes:
            found.append(name)
            return files.read(name, start, length)

        return about.Files(sizes, read)

    monkeypatch.setattr(about, "on_disk", on_disk)
    monkeypatch.setattr(kept_about, "KEPT", tmp_path / "kept")
    return found


def listed(folder: Path) -> dict[str, dict[str, Any]]:
    """The files of a folder, as a manifest has them."""
    stats = {path.name: path.stat() for path in folder.iterdir()}
    return {name: {"size": one.st_size, "mtime_ns": one.st_mtime_ns} for name, one in stats.items()}


def test_a_model_is_read_once(tmp_path: Path, reads: list[str]) -> None:
    folder = tmp_path / "m"
    tiny_gguf.write(folder / "a.gguf")
    found = kept_about.observe(folder, listed(folder), keep=True)
    assert About.from_facts(found["a.gguf"]).context == 40960
    assert reads == ["a.gguf"]
    assert kept_about.observe(folder, listed(folder), keep=True) == found
    assert reads == ["a.gguf"]


def test_nothing_is_written_unless_it_may_be(tmp_path: Path, reads: list[str]) -> None:
    folder = tmp_path / "m"
    tiny_gguf.write(folder / "a.gguf")
    first, second = (kept_about.observe(folder, listed(folder), keep=False) for _round in range(2))
    assert first == second
    assert len(reads) == 2
    assert not kept_about.KEPT.exists()


def test_a_changed_file_a_damaged_record_and_a_later_edition_are_read_again(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "m"
    tiny_gguf.write(folder / "a.gguf")
    kept_about.observe(folder, listed(folder), keep=True)
    tiny_gguf.write(folder / "a.gguf", {**tiny_gguf.QWEN3, "context_length": 1234})
    assert kept_about.observe(folder, listed(folder), keep=True)["a.gguf"]["context"] == 1234
    (record,) = kept_about.KEPT.iterdir()
    record.write_text(json.dumps({"path": 3}))
    assert kept_about.observe(folder, listed(folder), keep=True)["a.gguf"]["context"] == 1234
    monkeypatch.setattr(kept_about, "EDITION", kept_about.EDITION + 1)
    kept_about.observe(folder, listed(folder), keep=True)
    assert len(reads) == 4


def test_a_model_that_goes_while_it_is_read_has_nothing_to_say(tmp_path: Path) -> None:
    files = {"a.gguf": {"size": 100, "mtime_ns": 1}}
    assert kept_about.observe(tmp_path / "gone", files, keep=True) == {}


def test_records_of_folders_that_are_gone_are_removed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        tiny_gguf.write(tmp_path / name / "a.gguf")
        kept_about.observe(tmp_path / name, listed(tmp_path / name), keep=True)
    kept_about.prune([str(tmp_path / "b")])
    (record,) = kept_about.KEPT.iterdir()
    assert json.loads(record.read_text())["path"] == str(tmp_path / "b")


def test_a_folder_may_have_many_files(tmp_path: Path) -> None:
    for number in range(24):
        tiny_gguf.write(tmp_path / "m" / f"{number}.gguf")
    assert len(kept_about.observe(tmp_path / "m", listed(tmp_path / "m"), keep=True)) == 24
