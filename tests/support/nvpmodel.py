# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""An nvpmodel of a Thor as a shell script."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.observe import power

THOR = {"MAXN": 0, "120W": 1, "90W": 2, "70W": 3}


def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put it into a folder that is the only one where tools are looked for; its mode is in the file ``mode``."""
    folder = tmp_path / "sbin"
    folder.mkdir()
    monkeypatch.setattr(power, "_PATH", str(folder))
    models = "\n".join(f"NVPM VERB: POWER_MODEL: ID={number} NAME={name}" for name, number in THOR.items())
    program(
        folder / "nvpmodel",
        f"""
case $1 in
-p) echo '{models}' >&2 ;;
-q) printf 'NVPM WARN: fan mode is not set!\\nNV Power Mode: %s\\n9\\n' $(cat {tmp_path}/mode) ;;
-m) case $2 in
    0) echo MAXN >{tmp_path}/mode ;;
    2) echo 'NVPM WARN: Reboot required for changing to this power mode: 2'; read answer || exit 234 ;;
    *) echo 'NVPM ERROR: failed to set power mode!' >&2; exit 255 ;;
    esac ;;
esac
""",
    )
    (tmp_path / "mode").write_text("120W")
    return tmp_path


def program(path: Path, text: str) -> None:
    """Write a shell script."""
    path.write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
    path.chmod(0o755)
