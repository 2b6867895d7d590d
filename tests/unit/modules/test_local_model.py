# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module local_model: check mode, diff mode, a second run, and what it refuses."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models import local


@pytest.fixture(name="world")
def _world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that everybody may enter: pytest's own is root's alone."""
    world = Path(tempfile.mkdtemp(dir="/dev/shm"))
    world.chmod(0o755)
    monkeypatch.setattr(local, "RECORDS", world / "records")
    yield world
    shutil.rmtree(world)


def test_it_keeps_its_promises(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = module_promises.inline_jobs(monkeypatch)
    (world / "own").mkdir()
    (world / "own/model.gguf").write_bytes(b"GGUF weights")
    arguments = {"path": str(world / "own"), "file": "model.gguf"}
    result = module_promises.keep("local_model", arguments, world)
    assert result["hashed_bytes"] == result["bytes"] == 12
    assert len(started) == 1, "neither check mode nor a second run starts a job"
    assert (world / "own/model.gguf").read_bytes() == b"GGUF weights"


def test_it_refuses_what_no_engine_could_start_with(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = module_promises.inline_jobs(monkeypatch)
    with pytest.raises(AssertionError, match=r"'msg': 'THOR-LOCAL-MISSING: "):
        module_promises.run("local_model", {"path": str(world / "own"), "file": "model.gguf"})
    assert started == []
