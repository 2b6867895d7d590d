# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Properties of units, with a stand-in for systemctl on PATH."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import systemd

# One block a unit, as systemctl prints them; a value may hold an equals sign or be empty.
LOADED = "LoadState=loaded\\nDescription=a=b\\nStatusText=\\n"
ABSENT = "LoadState=not-found\\nDescription=x\\nStatusText=\\n"


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "systemctl"


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def test_each_unit_gets_the_block_in_its_place(systemctl: Path, tmp_path: Path) -> None:
    script(systemctl, f"echo \"$*\" >{tmp_path}/asked; printf '{LOADED}\\n{ABSENT}'")
    assert systemd.show(["one.service", "two.service"], "LoadState", "Description", "StatusText") == {
        "one.service": {"LoadState": "loaded", "Description": "a=b", "StatusText": ""},
        "two.service": {"LoadState": "not-found", "Description": "x", "StatusText": ""},
    }
    assert (tmp_path / "asked").read_text() == (
        "show --property=LoadState,Description,StatusText -- one.service two.service\n"
    )
    assert list(systemd.installed(["one.service", "two.service"])) == ["one.service"]


def test_without_units_nothing_is_asked(systemctl: Path) -> None:
    script(systemctl, "echo Version=257")  # systemctl speaks of itself then
    assert systemd.show([], "Version") == {}


@pytest.mark.parametrize("answer", ["echo Failed to connect to bus >&2; exit 1", f"printf '{LOADED}'"])
def test_an_answer_that_does_not_fit_counts_as_none(systemctl: Path, answer: str) -> None:
    script(systemctl, answer)
    assert systemd.show(["one.service", "two.service"], "LoadState") == {}


def test_who_only_looks_is_not_stopped_by_a_silent_systemd(systemctl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(systemctl, "exec sleep 5")
    with pytest.raises(subprocess.TimeoutExpired):
        systemd.show(["one.service"], "LoadState", seconds=0.1)
    monkeypatch.setattr(systemd, "show", lambda *_: (_ for _ in ()).throw(FileNotFoundError("systemctl")))
    assert systemd.observe(["one.service"], "LoadState") == {}
