# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module install_record: check mode, diff mode, and a second run."""

from __future__ import annotations

from pathlib import Path

import module_promises
import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.jetson.thor.plugins.module_utils import install_record as record
from ansible_collections.jetson.thor.plugins.module_utils import systemd
from ansible_collections.jetson.thor.plugins.modules import install_record


def test_it_keeps_its_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "RECORD", tmp_path / "installed.json")
    monkeypatch.setattr(record, "installed", lambda: ["bash"])
    monkeypatch.setattr(
        systemd, "observe", lambda units, _property: {one: {"UnitFileState": "enabled"} for one in units}
    )
    monkeypatch.setattr(install_record, "DEFAULT_TARGET", tmp_path / "default.target")
    (tmp_path / "default.target").symlink_to("/lib/systemd/system/graphical.target")
    monkeypatch.setattr(install_record, "SETTINGS", tmp_path)
    (tmp_path / "vm").mkdir()
    (tmp_path / "vm/swappiness").write_text("60\n")
    arguments = {
        "packages": ["nginx"],
        "units": ["z.service"],
        "default_target": True,
        "sysctl": ["vm.swappiness", "vm.none"],
    }
    assert module_promises.keep_noting("install_record", arguments, tmp_path)["packages"] == ["nginx"]
    assert record.read() == {
        "present": ["bash"],
        "packages": ["nginx"],
        "units": {"z.service": "enabled"},
        "default_target": "/lib/systemd/system/graphical.target",
        "sysctl": {"vm.swappiness": "60"},
        "files": {},
    }


def test_a_full_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr(record, "RECORD", tmp_path / "file/installed.json")
    monkeypatch.setattr(record, "installed", lambda: ["bash"])
    said: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, warning: said.append(warning))
    module_promises.run("install_record", {"packages": ["nginx"]})
    assert any("remove.yml will not know the state before this run" in warning for warning in said)
