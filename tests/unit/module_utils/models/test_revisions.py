# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Revisions of a model: the commit is kept, a new one waits beside the old one, and what is on the disk is linked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import hub_server
import huggingface_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import model_trees
from ansible_collections.jetson.thor.plugins.module_utils.model_trees import Trees, identity
from ansible_collections.jetson.thor.plugins.module_utils.models import fetch
from ansible_collections.jetson.thor.plugins.module_utils.models import model as models
from ansible_collections.jetson.thor.plugins.module_utils.models.errors import FetchError
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import MANIFEST
from model_store import BIG, FILES, ID, content, manifest, model, problem_of, run, staged

NEW = dict(FILES) | {"config.json": b'{"layers": 3}', "added.json": b"{}"}


@pytest.fixture(autouse=True)
def _record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_trees, "RECORD", str(tmp_path / "beside.json"))


def moved(hub: huggingface_server.HuggingFace) -> None:
    """The branch has other files now."""
    hub.push(ID, dict(NEW))
    hub.forget()


def beside(place: Path) -> dict[str, Path]:
    return Trees().waiting(str(place))


def test_a_branch_that_moves_is_followed_only_when_somebody_asks_for_it(
    face: huggingface_server.HuggingFace, place: Path
) -> None:
    first = run(model(face, place))["commit"]
    assert manifest(place)["revision"] == "main"
    moved(face)
    assert run(model(face, place))["changed"] is False
    assert face.requests == [], "nobody was asked"
    result = run(model(face, place, update=True))
    assert (result["changed"], content(place)) == (True, NEW)
    assert result["commit"] not in (None, first)
    face.forget()
    again = run(model(face, place, update=True))
    assert (again["changed"], again["fetched_bytes"]) == (False, 0)
    assert face.requests != [], "the branch was looked up"


def test_a_repair_fetches_from_the_commit_that_was_fetched_first(
    face: huggingface_server.HuggingFace, place: Path
) -> None:
    first = run(model(face, place))["commit"]
    moved(face)
    (place / "config.json").write_bytes(b"broken")
    result = run(model(face, place))
    assert (result["changed"], result["commit"], content(place)) == (True, first, FILES)


def test_a_pinned_commit_is_not_looked_up(face: huggingface_server.HuggingFace, place: Path) -> None:
    commit = run(model(face, place))["commit"]
    moved(face)
    result = run(model(face, place, revision=commit, update=True))
    assert (result["changed"], face.requests) == (False, [])


def test_a_commit_that_the_hub_no_longer_has_is_named_with_the_way_out(
    face: huggingface_server.HuggingFace, place: Path
) -> None:
    commit = run(model(face, place))["commit"]
    (place / "config.json").unlink()
    data = manifest(place)
    data["commit"] = "0" * 40
    (place / MANIFEST).write_text(json.dumps(data))
    problem = problem_of(model(face, place))
    assert commit != "0" * 40
    assert problem["code"] == "THOR-MODEL-REVISION"
    assert "no longer has commit 0000" in problem["reason"]
    assert "thor_update_models=true" in problem["remedy"]


def test_a_manifest_of_an_earlier_version_is_one_of_modelscope_and_nothing_is_fetched(
    hub: hub_server.Hub, place: Path
) -> None:
    """As version 0.1 wrote it, when there was one hub."""
    run(model(hub, place))
    data = manifest(place)
    for key in ("hub", "commit", "exclude"):
        del data[key]
    old = json.dumps({**data, "source": "modelscope"}, indent=1)
    (place / MANIFEST).write_text(old)
    hub.forget()
    result = run(model(hub, place, beside=True))
    assert (result["changed"], result["hub"], hub.requests) == (False, "modelscope", [])
    assert (place / MANIFEST).read_text() == old, "not even rewritten"


@pytest.mark.parametrize("how", ["revision", "branch"])
def test_a_new_revision_waits_beside_the_old_one(face: huggingface_server.HuggingFace, place: Path, how: str) -> None:
    run(model(face, place))
    before = {name: (place / name).stat().st_ino for name in FILES}
    old = identity(place)
    (place / "mine.txt").write_text("a person's")
    face.push(ID, dict(NEW), "v2" if how == "revision" else "main")
    face.forget()
    spec = model(face, place, beside=True, **({"revision": "v2"} if how == "revision" else {"update": True}))
    result = run(spec)
    assert result["changed"] is True
    assert content(place) == {**FILES, "mine.txt": b"a person's"}, "what serves is untouched"
    assert identity(place) == old
    [tree] = beside(place).values()
    assert content(tree) == {**NEW, "mine.txt": b"a person's"}
    assert (tree / "model.gguf").stat().st_ino == before["model.gguf"], "equal files are the same file"
    assert manifest(tree)["supersedes"] == old
    assert [name for name in staged(place) if name == "journal.json"] == []
    assert result["fetched_bytes"] == sum(len(NEW[name]) for name in ("config.json", "added.json"))
    again = run(spec)
    assert (again["changed"], len(beside(place))) == (False, 1)


def test_files_that_only_come_in_addition_do_not_wait(face: huggingface_server.HuggingFace, place: Path) -> None:
    run(model(face, place, include=["config.json"]))
    result = run(model(face, place, include=["model.gguf"], beside=True))
    assert (result["changed"], beside(place)) == (True, {})
    assert set(content(place)) == {"config.json", "model.gguf"}


def test_a_damaged_file_is_repaired_in_its_place(face: huggingface_server.HuggingFace, place: Path) -> None:
    run(model(face, place))
    (place / "config.json").write_bytes(b"broken")
    run(model(face, place, beside=True))
    assert (content(place), beside(place)) == (FILES, {})


def test_a_new_lock_is_noted_where_its_files_wait(face: huggingface_server.HuggingFace, place: Path) -> None:
    run(model(face, place))
    face.push(ID, dict(NEW), "v2")
    run(model(face, place, revision="v2", beside=True))
    [tree] = beside(place).values()
    locked = {name: one["sha256"] for name, one in manifest(tree)["files"].items()}
    face.forget()
    assert run(model(face, place, revision="v2", beside=True, sha256=locked))["changed"] is False
    assert face.requests == []
    [tree] = beside(place).values()
    assert manifest(tree)["lock"]
    assert not manifest(place)["lock"]


def test_what_another_model_has_is_linked_and_not_fetched(face: huggingface_server.HuggingFace, place: Path) -> None:
    """The same weights under another name: the other hub's copy, a fine-tune's tokenizer, a quantization in a second repository."""
    run(model(face, place))
    face.push("other/copy", {"weights.gguf": BIG, "own.json": b"{ }"})
    face.forget()
    other = place.parents[1] / "other/copy"
    forecast = fetch.settled(spec := model(face, other, id="other/copy"), check_mode=True) or models.predict(spec)
    assert forecast["fetched_bytes"] == 3
    result = run(spec)
    assert result["fetched_bytes"] == 3
    assert (other / "weights.gguf").stat().st_ino == (place / "model.gguf").stat().st_ino
    assert not [path for path in face.requests if path.endswith("weights.gguf")]


def test_a_file_that_has_changed_since_is_not_linked(face: huggingface_server.HuggingFace, place: Path) -> None:
    run(model(face, place))
    (place / "model.gguf").write_bytes(b"x" * len(BIG))
    face.push("other/copy", {"weights.gguf": BIG})
    result = run(model(face, place.parents[1] / "other/copy", id="other/copy"))
    assert result["fetched_bytes"] == len(BIG)


def test_a_store_that_cannot_link_fetches(
    face: huggingface_server.HuggingFace, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(model(face, place))
    face.push("other/copy", {"weights.gguf": BIG})
    real = os.link

    def link(source: Any, target: Any, **more: Any) -> None:
        if str(target).endswith("weights.gguf"):
            raise OSError(18, "Invalid cross-device link")
        real(source, target, **more)

    monkeypatch.setattr(os, "link", link)
    result = run(model(face, place.parents[1] / "other/copy", id="other/copy"))
    assert result["fetched_bytes"] == len(BIG)


def test_the_commit_that_was_looked_at_is_fetched_although_the_branch_has_moved(
    face: huggingface_server.HuggingFace, place: Path
) -> None:
    looked_at = face.repositories[ID].branches["main"]
    moved(face)
    result = run(model(face, place, commit=looked_at))
    assert (result["commit"], content(place)) == (looked_at, FILES)
    assert manifest(place)["revision"] == "main"
    newer = face.repositories[ID].branches["main"]
    # What is there is kept, whatever was looked at, unless somebody asks for the branch.
    (place / "config.json").unlink()
    assert run(model(face, place, commit=newer))["commit"] == looked_at
    assert run(model(face, place, commit=newer, update=True))["commit"] == newer
    with pytest.raises(FetchError, match="THOR-FETCH-ARGUMENT"):
        model(face, place, commit="main")
