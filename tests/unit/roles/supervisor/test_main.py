# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The command line, and that it finds all that it imports on a device."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import api
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.support_files import support_files
from fake_dockerd import LABEL, Dockerd
from supervisor_helper import container_settings
from thor_supervisor import main


def test_it_finds_all_its_imports_on_a_device(tmp_path: Path) -> None:
    for item in support_files():
        path = tmp_path / item.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(item.content, encoding="utf-8")
    folder = str(tmp_path / "opt/thor/supervisor")
    # Ansible's own distribution brings a package of that name, which would win over folders that have no __init__.py.
    other = tmp_path / "ansible_collections"
    other.mkdir()
    (other / "__init__.py").touch()
    for options in (["-I", "-S"], ["-S"]):
        done = subprocess.run(
            [sys.executable, *options, folder],
            env={"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2 and done.stderr.startswith("usage: supervisor"), done.stderr


def test_its_own_requests_carry_the_key_that_the_engine_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Supervisor:
        def __init__(self, config: dict[str, Any], argv: list[str]) -> None:
            assert "very-secret" not in str(config) + str(argv)

        def run(self) -> int:
            return 0

    monkeypatch.setattr(main, "Supervisor", Supervisor)
    monkeypatch.setattr(api, "keys", {})
    monkeypatch.setenv("LLAMA_API_KEY", "very-secret")
    config = tmp_path / "chat.json"
    for more, keys in (({}, {}), ({"api_key": "LLAMA_API_KEY"}, {8000: "very-secret"})):
        config.write_text(json.dumps({"port": 8000, **more}), encoding="utf-8")
        assert main.main(["--config", str(config), "--", "llama-server"]) == 0
        assert api.keys == keys


def test_a_container_that_outlived_its_supervisor_is_removed(
    dockerd: Dockerd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(container_settings(dockerd)))
    dockerd.has("thor-chat", LABEL)
    assert main.main(["--config", str(path), "--remove"]) == 0
    assert dockerd.removed == ["thor-chat"]
    assert "which outlived its supervisor" in capsys.readouterr().err
    path.write_text(json.dumps({"container": {"name": "thor-chat", "label": LABEL, "socket": str(tmp_path / "none")}}))
    assert main.main(["--config", str(path), "--remove"]) == 0
    assert "The next start looks again" in capsys.readouterr().err
    assert main.main(["--config", str(path)]) == 2
