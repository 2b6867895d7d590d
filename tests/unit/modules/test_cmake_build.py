# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module cmake_build: check mode, diff mode, and a second run, with a real build of a toy."""

from __future__ import annotations

from pathlib import Path

import module_promises
import pytest
from toy_build import SYSTEM, ToyBuild


def test_it_keeps_its_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = module_promises.inline_jobs(monkeypatch)
    toy = ToyBuild(tmp_path)
    engines = tmp_path / "engines"
    engines.mkdir()
    arguments = {
        "engine": "toy",
        "version": "v1",
        "source": toy.archive(),
        "version_options": ["TOY_VERSION"],
        "targets": ["toy"],
        "argvs": {"chat": ["--port", "1"]},
        "libraries": SYSTEM,
        "jobs": 1,
        "prefix": str(engines),
        "state": str(tmp_path / "state"),
        "ccache": str(tmp_path / "ccache"),
    }
    result = module_promises.keep("cmake_build", arguments, engines)
    assert Path(result["path"], "bin/toy").is_file()
    assert started == ["build-toy-v1"], "neither check mode nor a second run starts a job"
