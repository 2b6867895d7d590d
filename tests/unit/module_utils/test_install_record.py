# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The record of what a host was like before us."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import commands, install_record


def test_only_packages_that_are_not_there_are_ours() -> None:
    first = install_record.with_packages(install_record.EMPTY, ["git", "nginx=1.24", "gpg"], ["bash", "git"])
    assert (first["packages"], first["present"]) == (["gpg", "nginx"], ["bash", "git"])
    second = install_record.with_packages(first, ["nginx", "ffmpeg"], ["bash", "git", "gpg", "nginx", "jq"])
    assert (second["packages"], second["present"]) == (["ffmpeg", "gpg", "nginx"], ["bash", "git"])
    assert install_record.with_packages(second, ["git"], ["bash", "git"]) is second
    assert install_record.EMPTY["packages"] == []


def test_the_first_state_counts() -> None:
    record = install_record.with_first(install_record.EMPTY, "units", {"a.service": "enabled"})
    record = install_record.with_first(record, "units", {"a.service": "disabled", "b.service": "static"})
    assert record["units"] == {"a.service": "enabled", "b.service": "static"}


def test_a_file_is_noted_as_it_was_before_us_and_as_we_wrote_it_last(tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    file.write_bytes(b'{"debug": true} \xff')
    install_record.note_file(file, "one")
    file.write_text("one")
    install_record.note_file(file, "two")
    (known,) = install_record.read()["files"].values()
    assert known["before"].encode(errors="surrogateescape") == b'{"debug": true} \xff' and known["ours"] == "two"
    assert install_record.RECORD.stat().st_mode & 0o777 == 0o600
    install_record.note_file(tmp_path / "new", "x")
    assert install_record.read()["files"][str(tmp_path / "new")] == {"before": None, "ours": "x"}


def test_the_power_mode_is_the_first_one() -> None:
    install_record.note_power_mode("120W")
    install_record.note_power_mode("MAXN")
    assert install_record.read()["power_mode"] == "120W"


def test_a_record_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr(install_record, "RECORD", tmp_path / "file/installed.json")
    install_record.note_file(tmp_path / "a", "x")
    install_record.note_power_mode("MAXN")


def test_installed_packages_are_those_that_dpkg_calls_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = "installed bash\nconfig-files gone\ninstalled libc6\nhalf-configured x\ninstalled libc6\n"
    monkeypatch.setattr(commands, "output", lambda *_command: answer)
    assert install_record.installed() == ["bash", "libc6"]
