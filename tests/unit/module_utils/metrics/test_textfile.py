# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The program on the device, with the files that it has there and no others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import records
from ansible_collections.jetson.thor.plugins.module_utils.metrics import textfile
from ansible_collections.jetson.thor.plugins.module_utils.observe import metrics as observed
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import metrics
from sensor_files import THOR, write

HOST = {"metrics": {"files": {}, "installed": False, "textfiles": False}}
CHAT = {"name": "chat", "unit": "thor-chat.service"}


def test_it_writes_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "facts", THOR)
    found = tmp_path / "metrics" / "thor.prom"
    found.parent.mkdir()
    configuration = {"textfile": str(found), "facts_root": str(tmp_path / "facts"), "services": []}
    records.write(tmp_path / "metrics.json", configuration)
    monkeypatch.setattr(textfile, "CONFIGURATION", tmp_path / "metrics.json")
    monkeypatch.setattr(textfile, "CERTIFICATE", tmp_path / "none")
    assert textfile.main() == 0
    assert 'thor_power_watts{rail="VDD_GPU"} 15.25' in found.read_text().splitlines()
    assert "certificate" not in found.read_text()
    assert found.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in found.parent.iterdir()] == ["thor.prom"]


def test_it_says_what_is_wrong_with_its_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(textfile, "CONFIGURATION", tmp_path / "metrics.json")
    assert textfile.main() == 1
    (tmp_path / "metrics.json").write_text("{")
    assert textfile.main() == 1
    assert "does not exist" in capsys.readouterr().err


def test_the_files_on_the_device_are_enough(tmp_path: Path) -> None:
    settings = metrics.MetricsSettings(True, 0.9, str(tmp_path / "facts"))
    for one in metrics.files([CHAT], HOST, settings):
        place = tmp_path / one.path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(one.content)
    program = tmp_path / observed.PROGRAM.lstrip("/")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", program], capture_output=True, text=True, check=False, timeout=60
    )
    # It ran as far as its configuration, which is not at its place on this machine.
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{textfile.CONFIGURATION} does not exist.\n"
    assert records.read(tmp_path / "etc/thor/metrics.json", textfile.SHAPE) is not None
