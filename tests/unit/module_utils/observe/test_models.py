# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a host tells of its models: trees that wait beside them, code that they bring, and models of persons."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import model_trees
from ansible_collections.jetson.thor.plugins.module_utils.model_trees import Trees
from ansible_collections.jetson.thor.plugins.module_utils.models import kept_about, local
from ansible_collections.jetson.thor.plugins.module_utils.observe import models
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import shapes
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.schema import MODEL
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.models import exchanges, missing
from model_trees_helper import make
from switch_helper import Silent

NEW = "b" * 40


@pytest.fixture(name="root")
def _root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of models that everybody may enter: pytest's own is root's alone."""
    root = Path(tempfile.mkdtemp(dir="/dev/shm"))
    root.chmod(0o755)
    monkeypatch.setattr(local, "RECORDS", root / "records")
    monkeypatch.setattr(model_trees, "RECORD", str(root / "beside.json"))
    yield root
    shutil.rmtree(root)


def service(path: Path, revision: str) -> dict[str, Any]:
    """A service that wants a revision of the model there."""
    source = {"hub": "huggingface", "id": "org/name", "revision": revision}
    model = {
        "key": "m",
        "source": "hub",
        "sources": [source],
        "include": ["*"],
        "exclude": [],
        "path": str(path),
        "bytes": 3,
    }
    return {"name": "chat", "model": model, "files": []}


def test_a_revision_that_waits_is_seen_and_exchanged_and_the_old_one_waits_afterwards(root: Path) -> None:
    path = make(root / "models/org/name", {"w.bin": "old"}, revision="v1")
    trees = Trees()
    old = trees.current(str(path))
    new = trees.put(make(root / "staged", {"w.bin": "new"}, revision="v2", commit=NEW, supersedes=old), str(path))
    wanted = [service(path, "v2")]
    found = models.observe(root / "models")
    entry = found[str(path)]
    assert (entry["hub"], entry["commit"], entry["identity"]) == ("huggingface", "a" * 40, old)
    [waiting] = entry["beside"]
    assert (waiting["identity"], waiting["revision"], waiting["commit"]) == (new, "v2", NEW)
    assert waiting["intact"]
    assert missing(wanted, found) == []
    assert exchanges(wanted, found) == [{"path": str(path), "identity": new}]
    trees.bring(str(path), new)
    found = models.observe(root / "models")
    assert (missing(wanted, found), exchanges(wanted, found)) == ([], [])
    assert [one["identity"] for one in found[str(path)]["beside"]] == [old]
    assert exchanges([service(path, "v1")], found) == [{"path": str(path), "identity": old}]


def test_what_waits_says_what_it_is_and_is_read_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_about, "KEPT", root / "kept")
    said = {"config.json": '{"architectures": ["X"], "max_position_embeddings": 77}'}
    path = make(root / "models/org/name", {"config.json": "{}"}, revision="v1")
    Trees().put(make(root / "staged", said, revision="v2", commit=NEW), str(path))
    [waiting] = models.observe(root / "models", keep=True)[str(path)]["beside"]
    assert waiting["about"][""]["context"] == 77
    assert len(list(kept_about.KEPT.iterdir())) == 2, "the records of the directory and of the tree are kept"
    assert models.observe(root / "models", keep=True)[str(path)]["beside"] == [waiting]


def test_python_files_are_counted_and_those_that_nobody_hashed_are_named(root: Path) -> None:
    plain = make(root / "models/org/plain", {"w.bin": "w"})
    (plain / "extra.py").write_text("pass")
    code = make(root / "models/org/code", {"modeling.py": "pass", "sub/tools.py": "pass", "w.bin": "w"})
    found = models.observe(root / "models")
    assert found[str(plain)]["code"] == {"files": 0, "unlisted": []}
    assert found[str(code)]["code"] == {"files": 2, "unlisted": []}
    (code / "sub/evil.py").write_text("pass")
    assert models.observe(root / "models")[str(code)]["code"]["unlisted"] == ["sub/evil.py"]


def test_a_model_of_a_person_is_known_by_stat(root: Path) -> None:
    own = root / "data"
    own.mkdir()
    (own / "a.gguf").write_text("weights")
    (own / "b.gguf").write_text("others")
    spec = {"place": f"{own}/a.gguf", "path": str(own), "names": ["a.gguf"], "verify_checksums": False}
    local.run_job(spec, Silent())
    entry = models.observe(root / "models")[str(own)]
    assert (entry["source"], entry["local"], entry["bytes"]) == ("local", {f"{own}/a.gguf": True}, 7)
    (own / "a.gguf").write_text("changed")
    os.utime(own / "a.gguf", ns=(1, 1))
    assert models.observe(root / "models")[str(own)]["local"] == {f"{own}/a.gguf": False}


@pytest.mark.parametrize(("path", "seen"), [("a", True), ("a/b", True), ("a/b/c", False)])
def test_the_inventory_may_name_what_a_host_looks_at_and_nothing_else(root: Path, path: str, seen: bool) -> None:
    made = make(root / "models" / path, {"w.bin": "x"}, revision="v1")
    assert (str(made) in models.observe(root / "models")) is seen
    problems = shapes.check(path, shapes.MODEL_FOLDER, "thor_extra_models['m'].path")
    assert [problem.code for problem in problems] == ([] if seen else ["THOR-VALUE-INVALID"])
    assert problems or (MODEL.keys or {})["path"].pattern == shapes.MODEL_FOLDER.pattern
