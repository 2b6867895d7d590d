# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Records of ours that are damaged: as good as none, with a warning, and written anew."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import jobs, records
from ansible_collections.jetson.thor.plugins.module_utils.builds import finished
from ansible_collections.jetson.thor.plugins.module_utils.images import record
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed
from ansible_collections.jetson.thor.plugins.module_utils.models import manifest as manifests
from ansible_collections.jetson.thor.plugins.module_utils.models import staging
from ansible_collections.jetson.thor.plugins.module_utils.observe import docker_host, models
from ansible_collections.jetson.thor.plugins.module_utils.observe import host as observe
from ansible_collections.jetson.thor.plugins.module_utils.services import previous
from ansible_collections.jetson.thor.plugins.module_utils.services.transaction import Transaction
from switch_helper import Host, service

ROOT = Path(__file__).resolve().parents[3]

# What is in the place of a record, by a word for it; None makes a folder.
DAMAGE: dict[str, bytes | None] = {
    "truncated": b"{",
    "empty": b"",
    "a list": b"[]",
    "a list of lists": b"[[{}]]",
    "a number": b"1",
    "null": b"null",
    "latin-1": '{"name": "Grüße"}'.encode("latin-1"),
    "zeros": bytes(4096),
    "deep": b'{"a":' * 100_000,
    "of a later schema": b'{"schema": 2, "services": [], "files": {}, "images": {}}',
    "of wrong types": json.dumps(
        dict.fromkeys(("services", "files", "images", "digest", "result", "fingerprint", "of"), 3)
    ).encode(),
    "of wrong types inside": json.dumps(
        {"services": [3], "files": {"a": None}, "images": {"a": {"digest": None}}, "digest": [], "of": 1, "source": 1}
    ).encode(),
    "a folder": None,
    "a pipe": b"pipe",
    "links in a circle": b"circle",
}


def spoil(path: Path, how: bytes | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if how is None:
        (path / "inside").mkdir(parents=True)
    elif how == b"pipe":
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    elif how == b"circle":
        path.unlink(missing_ok=True)
        path.symlink_to(path)
    else:
        path.write_bytes(how)


@pytest.fixture(name="how", params=list(DAMAGE.values()), ids=list(DAMAGE))
def _how(request: pytest.FixtureRequest) -> bytes | None:
    found: bytes | None = request.param
    return found


def warned(path: Path) -> bool:
    return any(line.startswith(f"{path} is damaged and counts as absent: ") for line in records.warnings())


def test_before_json_and_the_record_of_a_switch(tmp_path: Path, how: bytes | None) -> None:
    host = Host(tmp_path)
    host.carry_out(service("chat", 8000))
    before = host.disk.path(previous.RECORD)
    before.unlink()
    spoil(before, how)
    spoil(host.disk.path("/var/lib/thor/switch.json"), how)
    with pytest.raises(JobFailed, match="THOR-NOTHING-BEFORE"):
        previous.services(host.disk)
    assert warned(before)
    assert Transaction.pending(host.disk, host.systemd) is None
    host.carry_out(service("chat", 8001))
    assert [one["name"] for one in previous.services(host.disk)] == ["chat"]
    assert not host.difference(service("chat", 8001))


def test_the_record_of_images(tmp_path: Path, how: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "RECORD", tmp_path / "images.json")
    spoil(record.RECORD, how)
    assert record.read_record() == {"images": {}, "superseded": []}
    assert warned(record.RECORD)
    record.write_record({"images": {"a": {"digest": "sha256:1"}}, "superseded": []})
    assert record.read_record()["images"]["a"]["digest"] == "sha256:1"


def test_the_manifest_of_a_model(tmp_path: Path, how: bytes | None) -> None:
    manifest = tmp_path / "owner" / "name" / manifests.MANIFEST
    spoil(manifest, how)
    assert manifests.read_manifest(manifest.parent) is None
    assert models.observe(tmp_path) == {}
    assert warned(manifest)
    good: dict[str, Any] = {"source": "url", "id": None, "revision": None, "include": [], "lock": "", "files": {}}
    manifests.write_manifest(manifest.parent, good)
    assert str(manifest.parent) in models.observe(tmp_path)


def test_the_record_of_a_build(tmp_path: Path, how: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "ENGINES", tmp_path)
    tree = tmp_path / "llama.cpp" / "1-abc"
    tree.mkdir(parents=True)
    (tree.parent / "1").symlink_to(tree.name)
    spoil(tree / finished.NAME, how)
    assert finished.read(tree) is None
    assert observe._builds() == {}
    assert warned(tree / finished.NAME)


@pytest.mark.parametrize("name", ["result.json", "job.json", "progress.json", "spec.json", "earlier.json"])
def test_the_files_of_a_job(tmp_path: Path, how: bytes | None, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "JOBS", tmp_path)
    monkeypatch.setattr(jobs, "is_running", lambda _name: False)
    folder = tmp_path / "toy"
    folder.mkdir()
    records.write(folder / "spec.json", {"target": "toy", "spec": {}})
    (folder / name).unlink(missing_ok=True)
    spoil(folder / name, how)
    assert jobs.status("toy", 0)["state"] == "lost"
    monkeypatch.setattr(jobs, "is_running", lambda _name: True)
    assert jobs.status("toy", 0)["state"] == "running"
    monkeypatch.setattr(jobs, "is_running", lambda _name: False)
    jobs.main("toy")  # no such work: it fails, and says so in words
    result = jobs.status("toy", 0)["result"]
    assert result["msg"].startswith("THOR-JOB-FAILED")
    if name == "spec.json":
        assert any("spec.json is damaged" in line for line in result["warnings"])


def test_the_journal_of_a_download(tmp_path: Path, how: bytes | None) -> None:
    spec = {"source": "url", "staging": str(tmp_path / "staging")}
    journal = staging.staging_folder(spec, tmp_path / "target") / "journal.json"
    spoil(journal, how)
    with staging.Staging(spec, tmp_path / "target") as stage:
        assert stage.journal == {}
        stage.journal = {"of": ["a", "b"], "verified": {}}
        stage.record()
    assert warned(journal)
    with staging.Staging(spec, tmp_path / "target") as stage:
        assert stage.journal["of"] == ["a", "b"]


def test_the_records_of_the_container_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_host, "PENDING", tmp_path / "pending.json")
    for how in filter(None, DAMAGE.values()):
        spoil(docker_host.PENDING, how)
        assert docker_host.pending("1") == {}
    assert warned(docker_host.PENDING)


def test_a_record_is_written_with_its_schema_and_for_its_owner_alone(tmp_path: Path) -> None:
    records.write(tmp_path / "x.json", {"a": 1})
    assert json.loads((tmp_path / "x.json").read_text()) == {"schema": 1, "a": 1}
    assert (tmp_path / "x.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("data", "shape", "reason"),
    [
        ({"a": 1}, {"a": int}, None),
        ({"a": True}, {"a": int}, "a is a bool, not int"),
        ({}, {"a": int}, "a is missing"),
        ({}, {"a?": int}, None),
        ({"a": [1, "x"]}, {"a": [int]}, "a[1] is a str, not int"),
        ({"a": {"x": {"b": 1}, "y": {}}}, {"a": {str: {"b": int}}}, "a.y.b is missing"),
        ({"a": None}, {"a": (str, type(None))}, None),
    ],
)
def test_a_shape_is_what_is_read_of_a_record(data: Any, shape: Any, reason: str | None, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(data))
    assert (records.read(tmp_path / "x.json", shape) is None) == (reason is not None)
    assert records.warnings() == (
        [f"{tmp_path / 'x.json'} is damaged and counts as absent: {reason}."] if reason else []
    )


def test_a_changed_program_does_not_count_as_built(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "llama-server"
    program.parent.mkdir()

    def build() -> None:
        program.write_bytes(b"machine code")
        content = {"fingerprint": "x", "inputs": {}, "programs": {"llama-server": finished.measure(program)}}
        records.write(tmp_path / finished.NAME, content)
        assert finished.read(tmp_path) is not None

    def replace_by_a_folder() -> None:
        program.unlink()
        program.mkdir()

    changes: list[Callable[[], object]] = [
        lambda: program.write_bytes(b"machine"),
        lambda: program.write_bytes(b"machine gun!"),
        program.unlink,
        replace_by_a_folder,
    ]
    for change in changes:
        build()
        change()
        assert finished.read(tmp_path) is None
        assert warned(program)
        if program.is_dir():
            program.rmdir()
    # As noted by earlier versions.
    program.write_bytes(b"machine code")
    records.write(tmp_path / finished.NAME, {"fingerprint": "x", "inputs": {}, "programs": {"llama-server": 12}})
    assert finished.read(tmp_path) is not None
    program.write_bytes(b"machine")
    assert finished.read(tmp_path) is None


# Who else reads JSON, and whose. Nothing of this is a record of ours on a host.
OTHERS = {
    "module_utils/bounded.py": "answers of others, of a bounded size",
    "module_utils/daemon_json.py": "Docker's daemon.json",
    "module_utils/services/definitions.py": "the supervisor's configuration, which may be a person's by now",
    "module_utils/models/client.py": "what the hub client prints",
    "module_utils/flags.py": "files of this collection",
    "module_utils/real_parser.py": "the question that it is asked",
    "module_utils/clients/api.py": "answers of engines",
    "module_utils/clients/gateway_check.py": "answers of the gateway",
    "module_utils/services/journal.py": "what journalctl prints",
    "module_utils/problems.py": "values of the inventory",
    "module_utils/records.py": "this is who reads records",
    "plugin_utils/report/result_files.py": "results of measurements on the controller, which a person may have brought",
    "plugin_utils/catalog/files.py": "files of this collection",
    "plugin_utils/catalog/json_values.py": "values of the inventory",
}


def test_nobody_else_reads_records() -> None:
    found = set()
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in {"load", "loads"} and ast.unparse(node.value) == "json":
                found.add(str(path.relative_to(ROOT / "plugins")))
    assert found == set(OTHERS), "read records with module_utils/records.py; the list above is who reads others"
