# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the plan for a directory refuses, and what a lock changes."""

from __future__ import annotations

from pathlib import Path

import hub_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import lock_digest
from model_store import BIG, FILES, ID, content, manifest, model, problem_of, run, sha, url


def test_a_lock_that_the_hub_contradicts_is_refused_before_any_transfer(hub: hub_server.Hub, place: Path) -> None:
    problem = problem_of(model(hub, place, sha256={"model.gguf": "0" * 64}))
    assert problem["code"] == "THOR-LOCK-MISMATCH"
    assert sha(BIG) in problem["reason"]
    assert hub.transfers == []
    assert problem_of(model(hub, place, sha256={"gone.gguf": "0" * 64}))["code"] == "THOR-LOCK-MISMATCH"


def test_a_lock_applies_if_the_hub_states_no_hash(hub: hub_server.Hub, place: Path) -> None:
    hub.hide_sha256 = True
    assert problem_of(model(hub, place, sha256={"model.gguf": "0" * 64}))["code"] == "THOR-CHECKSUM"
    assert not place.exists()
    run(model(hub, place, sha256={"model.gguf": sha(BIG)}))
    assert manifest(place)["files"]["model.gguf"]["trusted"] == "lock"


def test_a_new_lock_over_the_same_files_is_recorded_without_network(hub: hub_server.Hub, place: Path) -> None:
    run(model(hub, place))
    hub.forget()
    lock = {"model.gguf": sha(BIG)}
    assert run(model(hub, place, sha256=lock))["changed"] is False
    assert manifest(place)["lock"] == lock_digest(lock)
    assert hub.requests == []
    hub.put(ID, FILES | {"config.json": b"{}"})
    assert run(model(hub, place, sha256={"config.json": sha(b"{}")}))["changed"] is True
    assert content(place)["config.json"] == b"{}"


def test_a_missing_file_suggests_the_nearest_name(hub: hub_server.Hub, place: Path) -> None:
    problem = problem_of(model(hub, place, include=["model.guf", "*.json"]))
    assert problem["code"] == "THOR-MODEL-EMPTY"
    assert "model.gguf" in problem["remedy"]
    assert problem_of(model(hub, place, include=["*.bin"]))["code"] == "THOR-MODEL-EMPTY"
    result = run(model(hub, place, include=["*.bin", "*.json"]))
    assert any("*.bin" in warning for warning in result["warnings"])


@pytest.mark.parametrize(
    ("include", "missing"),
    [
        (["q[[]4]/x-?????-of-00003.gguf"], "q[4]/x-00002-of-00003.gguf"),
        (["y-?????-of-00002.gguf", "mmproj.gguf"], "y-00001-of-00002.gguf"),
        (["q[[]5]/z.gguf", "mmproj.gguf"], "q[5]/z.gguf"),
    ],
)
def test_a_named_file_or_part_that_the_hub_lacks_is_refused(
    hub: hub_server.Hub, place: Path, include: list[str], missing: str
) -> None:
    hub.put(ID, {f"q[4]/x-0000{number}-of-00003.gguf": b"GGUF" for number in (1, 3)} | {"mmproj.gguf": b"GGUF"})
    problem = problem_of(model(hub, place, include=include))
    assert problem["code"] == "THOR-MODEL-EMPTY" and f"has no file {missing}" in problem["reason"]
    assert hub.transfers == []


def test_a_file_where_the_directory_belongs(hub: hub_server.Hub, place: Path) -> None:
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    assert problem_of(model(hub, place))["code"] == "THOR-STORE-PATH"
    assert place.read_text() == "mine"


def test_a_directory_of_urls_does_not_take_a_model(hub: hub_server.Hub, place: Path) -> None:
    hub.files["/t.jinja"] = b"x"
    run(url(hub, place))
    assert problem_of(model(hub, place))["code"] == "THOR-STORE-PATH"
