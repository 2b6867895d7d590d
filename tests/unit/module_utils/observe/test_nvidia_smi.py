# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""nvidia-smi says how busy the GPU is, or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.observe import nvidia_smi


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A stand-in that prints what the real one prints for --query-gpu=utilization.gpu."""
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(("printed", "load"), [("37", 0.37), ("0", 0.0), ("[N/A]", None), ("", None)])
def test_the_load_is_a_share_or_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, load: float | None
) -> None:
    install(tmp_path, monkeypatch, f"echo '{printed}'")
    assert nvidia_smi.load() == load


def test_a_driver_that_fails_or_hangs_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "echo 37; exit 9")
    assert nvidia_smi.load() is None
    monkeypatch.setattr(nvidia_smi, "SECONDS", 0.2)
    install(tmp_path, monkeypatch, "exec sleep 5")
    assert nvidia_smi.load() is None
    monkeypatch.setenv("PATH", "/nonexistent")
    assert nvidia_smi.load() is None
