# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a host says of itself, read as the facts describe it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.action import host_facts
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import MANIFEST
from ansible_collections.jetson.thor.plugins.module_utils.observe import host as observe


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """The files of a Jetson AGX Thor with JetPack 7.0."""
    tree = tmp_path / "proc" / "device-tree"
    tree.mkdir(parents=True)
    (tree / "model").write_bytes(b"NVIDIA Jetson AGX Thor Developer Kit\0")
    (tree / "compatible").write_bytes(b"nvidia,p3834-0008+p4071-0000\0nvidia,tegra264\0")
    (tmp_path / "etc").mkdir()
    release = "# R38 (release), REVISION: 2.0, GCID: 41844464, BOARD: generic, EABI: aarch64, DATE: Fri Aug 22\n"
    (tmp_path / "etc" / "nv_tegra_release").write_text(release)
    (tmp_path / "etc" / "os-release").write_text('ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04.3 LTS"\n')
    (tmp_path / "proc" / "meminfo").write_text("MemTotal:       128000000 kB\nMemAvailable:   120000000 kB\n")
    return tmp_path


def test_a_thor_is_known_by_its_device_tree(device: Path) -> None:
    host = observe.observe(str(device))
    assert host["device"]["thor"] is True
    assert host["device"]["model"] == "NVIDIA Jetson AGX Thor Developer Kit"
    assert (host["l4t"], host["jetpack"]) == ("38.2.0", "7.0")
    assert (host["os"]["id"], host["os"]["version_id"]) == ("ubuntu", "24.04")
    assert host["memory"] == {"total_bytes": 128000000 * 1024, "available_bytes": 120000000 * 1024}
    json.dumps(host)


def test_another_machine_is_not_a_thor(tmp_path: Path) -> None:
    host = observe.observe(str(tmp_path))
    assert host["device"] == {"model": None, "compatible": [], "thor": False}
    assert host["l4t"] is None and host["jetpack"] is None
    assert host["memory"]["total_bytes"] > 0


def test_a_model_is_intact_until_one_of_its_files_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "MODELS", tmp_path)
    folder = tmp_path / "owner" / "name"
    folder.mkdir(parents=True)
    weights = folder / "w.gguf"
    weights.write_bytes(b"1234")
    recorded = {"size": 4, "mtime_ns": weights.stat().st_mtime_ns, "sha256": "x"}
    manifest = {
        "source": "modelscope",
        "id": "owner/name",
        "revision": "master",
        "include": ["*"],
        "files": {"w.gguf": recorded},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))
    found = observe.observe()["models"][str(folder)]
    assert (found["intact"], found["bytes"], found["revision"]) == (True, 4, "master")
    weights.write_bytes(b"12345")
    assert observe.observe()["models"][str(folder)]["intact"] is False
    weights.unlink()
    assert observe.observe()["models"][str(folder)]["intact"] is False


def test_only_complete_builds_behind_a_link_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "ENGINES", tmp_path)
    tree = tmp_path / "llama.cpp" / "0c1e570-abc"
    tree.mkdir(parents=True)
    assert observe.observe()["builds"] == {}
    (tree.parent / "0c1e570").symlink_to(tree.name)
    assert observe.observe()["builds"] == {}
    record = {"fingerprint": "abc", "inputs": {"cuda": None}, "options": ["--x"], "cuda_code": {"runs": ["bin/x"]}}
    (tree / "build.json").write_text(json.dumps(record))
    (build,) = observe.observe()["builds"]["llama.cpp"].values()
    assert build == {"path": str(tree), **record}


def test_the_action_holds_the_hosts_clock_against_the_controllers(monkeypatch: pytest.MonkeyPatch) -> None:
    action = host_facts.ActionModule.__new__(host_facts.ActionModule)
    action._task = SimpleNamespace(args={"facts_root": "x"})
    facts = {"thor_host": {"clock": {"time": time.time() - 86400, "synchronized": False}}}
    action._execute_module = lambda **_: {"changed": False, "ansible_facts": facts}
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda *_: {})
    seen = action.run()["ansible_facts"]["thor_host"]["clock"]
    assert abs(seen["behind_s"] - 86400) <= 2
    action._execute_module = lambda **_: {"failed": True, "msg": "x"}
    assert action.run()["failed"]


def test_the_action_sends_digests_of_secrets_with_a_key_of_one_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda *_: {})
    sent: list[dict[str, Any]] = []
    action = host_facts.ActionModule.__new__(host_facts.ActionModule)
    action._task = SimpleNamespace(args={})
    action._templar = SimpleNamespace(template=lambda value: value)

    def execute(module_args: dict[str, Any], **_: Any) -> dict[str, Any]:
        sent.append(module_args)
        return {}

    action._execute_module = execute
    entry = {"profile": "p", "name": "chat", "secrets": {"A_KEY": "very-secret"}}
    for profiles in ([entry, "other"], [entry], ["other"], None, 5, [{"secrets": 5}]):
        action.run(task_vars={"thor_profiles": profiles})
    first, second, *others = sent
    assert set(first["secrets"]) == set(second["secrets"]) == {"chat"}
    assert first["secrets"] != second["secrets"] and first["secrets_key"] != second["secrets_key"]
    assert "very-secret" not in str(sent)
    assert not any(arguments.get("secrets") for arguments in others), "resolve says what is wrong with the profiles"
