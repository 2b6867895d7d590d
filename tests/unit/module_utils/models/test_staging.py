# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Staging: one job at a time, kills, and full disks."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import hub_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models import client
from ansible_collections.jetson.thor.plugins.module_utils.models import model as models
from ansible_collections.jetson.thor.plugins.module_utils.models.staging import Staging
from model_store import (
    BIG,
    BUFFER,
    FILES,
    ID,
    arrived,
    content,
    in_process,
    journal,
    model,
    problem_of,
    run,
    run_out_of_space,
    small_disk,
    staged,
    url,
    wait_for,
)


def test_two_jobs_at_the_same_place(hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 20))
    spec = model(hub, place)
    with Staging(spec, place):
        monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
        problem = problem_of(spec)
    assert problem["code"] == "THOR-STORE-BUSY"


@pytest.mark.parametrize("position", [1, 100_000, 1_500_000, len(BIG) - 1])
def test_a_kill_at_any_byte_loses_no_byte(hub: hub_server.Hub, place: Path, position: int) -> None:
    hub.hold = {"model.gguf": position}
    with in_process(model(hub, place, idle_timeout=30)):
        assert hub.held.wait(30)
        wait_for(lambda: arrived(place, "model.gguf") >= position - BUFFER)
        wait_for(lambda: len(journal(place).get("verified", {})) == len(FILES) - 1)
        assert not place.exists()
    assert hub.fetched("model.gguf") == position
    assert not place.exists()
    hub.hold = {}
    hub.resume.set()
    hub.forget()
    result = run(model(hub, place))
    assert content(place) == FILES
    assert hub.fetched("model.gguf") <= len(BIG) - position + BUFFER
    assert all(one.path == "model.gguf" for one in hub.transfers), "what was verified is not fetched again"
    assert result["fetched_bytes"] <= len(BIG) - position + BUFFER
    assert staged(place) == []


def test_what_was_verified_before_a_kill_is_not_hashed_again(
    hub: hub_server.Hub,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.put(ID, {"a.bin": BIG, "model.gguf": BIG[::-1]})
    hub.hold = {"model.gguf": 1_000_000}
    with in_process(model(hub, place, idle_timeout=30)):
        assert hub.held.wait(30)
        wait_for(lambda: "a.bin" in journal(place).get("verified", {}))
    hub.resume.set()
    hub.forget()
    hashed: list[str] = []

    def hash_file(path: Path, *_rest: Any) -> Any:
        hashed.append(path.name)
        raise AssertionError(path)

    monkeypatch.setattr(models, "content_hashes", hash_file)
    monkeypatch.setattr(client, "hash_file", hash_file)
    run(model(hub, place))
    assert hashed == []
    assert {one.path for one in hub.transfers} == {"model.gguf"}
    assert (place / "a.bin").read_bytes() == BIG


def test_a_disk_without_enough_space_is_refused_before_any_transfer(
    hub: hub_server.Hub,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**9, 10**9, 1_000_000))
    problem = problem_of(model(hub, place))
    assert problem["code"] == "THOR-DISK-FULL"
    assert "3,000,019" in problem["reason"]
    assert "1,000,000" in problem["reason"]
    assert hub.transfers == []
    hub.files["/t.jinja"] = BIG
    assert problem_of(url(hub, place))["code"] == "THOR-DISK-FULL"


@pytest.mark.parametrize("kind", ["model", "url"])
def test_a_disk_that_fills_up_during_the_transfer(hub: hub_server.Hub, tmp_path: Path, kind: str) -> None:
    hub.files["/t.jinja"] = BIG
    with small_disk(tmp_path / "disk", 2_000_000) as limit:
        place = tmp_path / "disk" / "models" / "acme" / "small"
        spec = model(hub, place, retries=0) if kind == "model" else url(hub, place, retries=0)
        problem = run_out_of_space(spec, limit)
        assert problem["code"] == "THOR-DISK-FULL"
        assert problem["value"] == str(place)
        assert not place.exists()
