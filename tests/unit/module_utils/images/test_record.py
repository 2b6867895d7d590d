# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What is recorded about images, and what dockerd has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.images import record
from fake_dockerd import Dockerd
from image_runs import ONE, SGLANG, TWO, VLLM


def test_observation_compares_the_record_with_dockerd(dockerd: Dockerd) -> None:
    assert record.observe() == {"images": {}, "superseded_images": []}
    held = record.read_record()
    record.note(held, VLLM, ONE, "arm64")
    record.note(held, SGLANG, TWO, "arm64")
    record.write_record(held)
    dockerd.add(VLLM, f"hub:5000/nvidia/vllm@{ONE}")
    dockerd.add(SGLANG, f"hub:5000/nvidia/sglang@{ONE}")  # the tag is there, on another image
    found = record.observe()["images"]
    unknown: dict[str, Any] = {"proof": None, "extras": {}, "confirmed": None}
    assert found[VLLM] == {"digest": ONE, "present": True, "architecture": "arm64", **unknown}
    assert not found[SGLANG]["present"]


def test_a_stopped_dockerd_is_not_started_by_observation(dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch) -> None:
    record.write_record({"images": {VLLM: {"digest": ONE}}, "superseded": []})
    monkeypatch.setattr(record, "dockerd_runs", lambda: False)
    assert record.observe()["images"][VLLM]["present"] is False
    assert dockerd.asked == []


def test_a_running_dockerd_is_recognised_by_its_process(tmp_path: Path) -> None:
    assert not record.dockerd_runs()
    for text in ("", "0", "no number", str(os.getpid()), "999999999"):
        (tmp_path / "docker.pid").write_text(text)
        assert not record.dockerd_runs(), "that is another process, or none"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": []}', '{"images": {"a": 1, "b": {"digest": 5}}}'])
def test_a_damaged_record_counts_as_empty(text: str) -> None:
    record.RECORD.write_text(text)
    assert record.read_record() == {"images": {}, "superseded": []}


def test_a_new_digest_keeps_the_old_one_for_pruning() -> None:
    held = record.read_record()
    record.note(held, VLLM, ONE, "arm64")
    held["images"][VLLM]["proof"] = {"gpu": True}
    record.note(held, VLLM, ONE, "arm64")
    assert held["images"][VLLM]["proof"] == {"gpu": True}
    record.note(held, VLLM, TWO, "arm64")
    assert held["images"][VLLM]["proof"] is None
    assert held["superseded"] == [{"reference": VLLM, "digest": ONE}]
    record.note(held, VLLM, ONE, "arm64")
    assert held["superseded"] == [{"reference": VLLM, "digest": TWO}]
