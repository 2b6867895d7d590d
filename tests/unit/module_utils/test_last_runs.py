# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The records of the last verify and bench."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import last_runs, records


def answer(name: str, state: str = "ok", **more: Any) -> dict[str, Any]:
    problems = [] if state == "ok" else [{"code": "THOR-ANSWER-MISSING", "reason": "the question was Say hello"}]
    return {"name": name, "state": state, "seconds": 0.5, "tokens_per_second": None, "problems": problems, **more}


def test_the_worst_answer_of_a_service_counts_and_the_slowest(tmp_path: Path) -> None:
    answers = [
        answer("chat", seconds=0.2, tokens_per_second=41.0, answer="Hello, my secret friend"),
        answer("chat", "failed", seconds=3.25),
        answer("chat", "unverified", seconds=None),
        answer("speech"),
    ]
    last_runs.write_verify(answers, tmp_path)
    found = last_runs.read(tmp_path)["verify"]
    chat, speech = found["results"]
    assert (chat["state"], chat["ok"], chat["seconds"], chat["tokens_per_second"]) == ("failed", False, 3.25, 41.0)
    assert chat["wrong"] == ["THOR-ANSWER-MISSING"] and speech["ok"] is True
    text = (tmp_path / "verify.json").read_text(encoding="utf-8")
    assert "Hello" not in text and "Say hello" not in text, "neither answers nor questions are kept"


def test_a_measurement_is_kept_by_the_number_of_clients(tmp_path: Path) -> None:
    loads = [
        {"concurrency": 8, "decode_tokens_per_s": {"median": 20.12345}},
        {"concurrency": 1, "decode_tokens_per_s": None},
    ]
    failed = {"name": "speech", "state": "failed", "reason": "THOR-BENCH-FAILED: it hung", "loads": []}
    last_runs.write_bench([{"name": "chat", "state": "measured", "reason": None, "loads": loads}, failed], tmp_path)
    chat, speech = last_runs.read(tmp_path)["bench"]["results"]
    assert [(one["concurrency"], one["decode_tokens_per_s"]["median"]) for one in chat["loads"]] == [
        (8, 20.123),
        (1, None),
    ]
    assert speech["ok"] is False and speech["wrong"] == ["THOR-BENCH-FAILED"]


def test_without_records_there_is_nothing(tmp_path: Path) -> None:
    assert last_runs.read(tmp_path / "nowhere") == {"verify": None, "bench": None}
    assert records.warnings() == []


@pytest.mark.parametrize("text", ["{", '{"at": "today", "results": []}', '{"at": 1, "results": [{"name": 5}]}', "[]"])
def test_a_damaged_record_counts_as_absent_and_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "verify.json").write_text(text, encoding="utf-8")
    assert last_runs.read(tmp_path)["verify"] is None
    assert "verify.json is damaged" in records.warnings()[0]


def test_a_full_disk_keeps_the_last_record_and_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last_runs.write_verify([answer("chat")], tmp_path)
    before = json.loads((tmp_path / "verify.json").read_text(encoding="utf-8"))

    def full(*_arguments: Any, **_more: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records, "write", full)
    last_runs.write_verify([answer("chat", "failed")], tmp_path)
    assert json.loads((tmp_path / "verify.json").read_text(encoding="utf-8")) == before
