# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Measuring a host: against a server whose speed is known, and one that fails, hangs or dies in the middle."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import (
    bench,
    load_generator,
    transcription,
)
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter
from ansible_collections.jetson.thor.plugins.module_utils.observe import host
from ansible_collections.jetson.thor.plugins.module_utils.services import plain_run
from ansible_collections.jetson.thor.plugins.plugin_utils.report import result_files
from streaming_engine import METHOD, TOKEN_SECONDS, Engine, running


@pytest.fixture
def engine() -> Iterator[Engine]:
    with running() as engine:
        yield engine


def spec(*services: dict[str, Any], **more: Any) -> dict[str, Any]:
    audio = base64.b64encode(transcription.silence()).decode()
    values = {
        "method": METHOD,
        "audio": audio,
        "audio_file": "a.wav",
        "timeout": 5,
        "timeout_all": 60,
        "tools": False,
        "speculation": False,
        "facts_root": "",
    }
    return {"services": list(services), **values, **more}


def run(tmp_path: Path, *services: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    result = bench.run_job(spec(*services, **more), Reporter(tmp_path))
    named = {"host": "thor01", "run": "20261125T200000Z", "measured_at": "2026-11-25T20:00:00Z"}
    document = {"schema": result_files.SCHEMA, **named, **result["result"]}
    (tmp_path / "one.json").write_text(json.dumps(document))
    read, problems = result_files.read(tmp_path / "one.json")
    assert problems == [], "what is measured is what the schema says"
    assert read is not None and result["changed"] is False
    services_of: list[dict[str, Any]] = read["services"]
    return services_of


def test_each_service_is_measured_at_each_load(engine: Engine, tmp_path: Path) -> None:
    ear = engine.service(name="ear", api="transcription", api_path="/inference")
    chat, heard = run(tmp_path, engine.service(), ear)
    assert (chat["state"], heard["state"]) == ("measured", "measured")
    one, four = chat["loads"]
    assert (one["concurrency"], one["requests"], one["failed"]) == (1, 3, 0)
    assert (four["concurrency"], four["requests"]) == (4, 4), "as many as are sent at once, at least"
    assert engine.most_at_once == 4
    assert one["decode_tokens_per_s"]["median"] == pytest.approx(1 / TOKEN_SECONDS, rel=0.2)
    assert one["tpot_s"]["median"] == pytest.approx(TOKEN_SECONDS, rel=0.2)
    assert one["engine_decode_tokens_per_s"]["median"] == 99
    assert one["input_tokens"] == pytest.approx(64, abs=2) and one["output_tokens"] == 16
    assert four["output_tokens_per_s"] > 2 * one["output_tokens_per_s"]
    # two to find the length, a warm-up, three and four
    assert len(engine.asked) == 2 + 1 + 3 + 4
    assert heard["loads"][0]["audio_s"] == 3.0
    assert heard["loads"][0]["rtf"]["median"] == pytest.approx(0.05 / 3, rel=0.5)
    assert heard["loads"][0]["audio_s_per_s"] > 20
    assert heard["model"] == {
        "key": "m",
        "id": "a/m",
        "revision": "master",
        "precision": "Q8_0",
        "bytes": 1000,
        "active_bytes": None,
    }


def test_a_service_that_dies_fails_and_the_others_keep_their_figures(engine: Engine, tmp_path: Path) -> None:
    with Engine() as other:
        threading.Thread(target=other.serve_forever, args=(0.01,), daemon=True).start()
        other.fault, other.after = "die", 2 + 1 + 1
        gone, stands = run(tmp_path, other.service(name="gone"), engine.service(name="stands"))
        other.shutdown()
    assert gone["state"] == "failed"
    assert gone["reason"].startswith("2 of 3 requests failed at 1 at once:")
    assert gone["loads"][0]["decode_tokens_per_s"]["median"] > 0, "what was measured before stays"
    assert len(gone["loads"]) == 1
    assert stands["state"] == "measured" and len(stands["loads"]) == 2


def test_a_service_whose_answers_arrive_in_one_piece_fails(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_generator, "FASTEST_TOKENS_PER_S", 0.5 / TOKEN_SECONDS)
    (service,) = run(tmp_path, engine.service())
    assert service["state"] == "failed" and "arrived in one piece" in service["reason"]


def test_a_missing_service_fails(engine: Engine, tmp_path: Path) -> None:
    gone, stands = run(tmp_path, engine.service(port=1), engine.service())
    assert (gone["state"], stands["state"]) == ("failed", "measured")
    assert "nothing listens at http://127.0.0.1:1/v1/chat/completions" in gone["reason"]


def test_a_hung_endpoint_costs_only_its_timeout(engine: Engine, tmp_path: Path) -> None:
    engine.fault, engine.after = "hang", 3
    begin = time.monotonic()
    (hung,) = run(tmp_path, engine.service(), timeout=0.6, method={**METHOD, "requests": 20, "concurrency": [1]})
    assert time.monotonic() - begin < 6, "after three failures the rest is not sent"
    assert hung["state"] == "failed" and "did not answer within" in hung["reason"]
    assert hung["loads"][0]["failed"] == 20


def test_a_recording_in_an_unknown_format_fails_only_its_service(engine: Engine, tmp_path: Path) -> None:
    ear = engine.service(name="ear", api="transcription")
    audio = base64.b64encode(b"ID3\x04").decode()
    heard, chat = run(tmp_path, ear, engine.service(), audio=audio, audio_file="song.mp3")
    assert heard["state"] == "failed" and "song.mp3 is not a WAV file" in heard["reason"]
    assert chat["state"] == "measured"


def test_a_bug_fails_only_its_service(engine: Engine, tmp_path: Path) -> None:
    broken, stands = run(tmp_path, engine.service(served_name=object.__new__), engine.service())
    assert broken["state"] == "failed" and "TypeError" in broken["reason"]
    assert stands["state"] == "measured"


def test_only_the_running_version_is_measured(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serves = {"old": "old, a/m@master with llama.cpp 0", "chat": "chat, a/m@master with llama.cpp 1"}
    monkeypatch.setattr(host, "units", lambda: {f"thor-{name}.service": {"serves": it} for name, it in serves.items()})
    old, chat = run(tmp_path, engine.service(name="old"), engine.service())
    assert old["state"] == "failed" and "what runs is old, a/m@master with llama.cpp 0. Run site.yml" in old["reason"]
    assert chat["state"] == "measured"


def test_a_service_whose_turn_comes_too_late_fails(engine: Engine, tmp_path: Path) -> None:
    (late,) = run(tmp_path, engine.service(), timeout_all=-1)
    assert late["state"] == "failed" and "bench_timeout" in late["reason"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"output_tokens": 1}, "bench_output_tokens = 1"),
        ({"requests": 0}, "bench_requests = 0"),
        ({"timeout": 0}, "bench_timeout = 0"),
        ({"request_timeout": float("nan")}, "bench_request_timeout = nan"),
        ({"request_timeout": 0}, "bench_request_timeout = 0"),
        ({"concurrency": []}, r"bench_concurrency = \[\]"),
        ({"concurrency": [0, 1]}, r"bench_concurrency = \[0, 1\]"),
        ({}, None),
    ],
)
def test_an_invalid_method_is_refused(change: dict[str, Any], words: str | None) -> None:
    found = bench.wrong({**METHOD, "timeout": 60, "request_timeout": 5, **change})
    assert len(found) == (words is not None)
    assert words is None or re.match(f"THOR-BENCH-METHOD: {words}: write ", found[0])


@pytest.mark.parametrize("api", ["embedding", "rerank"])
def test_embedders_and_rerankers_are_measured_by_documents(engine: Engine, tmp_path: Path, api: str) -> None:
    (found,) = run(tmp_path, engine.service(api=api))
    assert found["state"] == "measured", found["reason"]
    one, four = found["loads"]
    assert (one["documents"], one["requests"], four["requests"]) == (4, 3, 4)
    assert one["document_tokens"] == pytest.approx(32, abs=2)
    assert 0.3 / (2 * TOKEN_SECONDS) < one["documents_per_s"] <= 1 / (2 * TOKEN_SECONDS)
    assert 8 * TOKEN_SECONDS <= one["request_s"]["median"] < 0.5
    assert one["input_tokens_per_s"] == pytest.approx(32 * one["documents_per_s"], rel=0.1)
    assert four["documents_per_s"] > 1.5 * one["documents_per_s"]
    assert engine.looked == [] and "speculation" not in one


def test_what_a_draft_was_worth_joins_each_load(engine: Engine, tmp_path: Path) -> None:
    engine.timings = {"predicted_per_second": 99.0, "draft_n": 12, "draft_n_accepted": 6}
    (found,) = run(tmp_path, engine.service())
    assert [load["speculation"]["acceptance"] for load in found["loads"]] == [0.5, 0.5]
    assert found["loads"][0]["speculation"]["tokens_per_step"] == pytest.approx(16 / 10)
    engine.timings = {}
    (found,) = run(tmp_path, engine.service(engine="vllm"))
    assert [load["speculation"] for load in found["loads"]] == [None, None]
    assert set(engine.looked) == {"/metrics"}


DRAFT = {"method": "draft", "tokens": 4, "model": {"key": "small"}}


def test_a_service_that_speculates_is_measured_without_it_too(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    @contextlib.contextmanager
    def plainly(service: Any, tell: Any, systemctl: Any) -> Iterator[None]:
        del tell, systemctl
        told.append(f"without {service['name']}")
        engine.timings = {}
        yield
        told.append("with")

    monkeypatch.setattr(plain_run, "plainly", plainly)
    engine.timings = {"draft_n": 12, "draft_n_accepted": 6}
    guessing = engine.service(speculative=DRAFT, plain_argv=["x"])
    found, plain = run(tmp_path, guessing, engine.service(name="plain"), speculation=True)
    assert told == ["without chat", "with"]
    assert found["speculative"] == {"method": "draft", "tokens": 4, "model": "small"}
    assert found["loads"][0]["speculation"] and found["without_speculation"]["loads"][0]["speculation"] is None
    assert found["without_speculation"]["state"] == "measured"
    assert plain["without_speculation"] is None and plain["speculative"] is None
    (found,) = run(tmp_path, guessing)
    assert found["without_speculation"] is None and len(told) == 2, "only where it is asked for"


@pytest.mark.parametrize(
    ("words", "state"),
    [("Not measured without speculation: it did not start.", "measured"), ("THOR-BENCH-RESTORE: thor01: x", "failed")],
)
def test_a_service_that_cannot_do_without_keeps_its_figures(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, state: str
) -> None:
    @contextlib.contextmanager
    def plainly(*_arguments: Any) -> Iterator[None]:
        raise plain_run.Failed(words)
        yield

    monkeypatch.setattr(plain_run, "plainly", plainly)
    (found,) = run(tmp_path, engine.service(speculative=DRAFT, plain_argv=["x"]), speculation=True)
    assert (found["state"], len(found["loads"])) == (state, 2)
    assert found["without_speculation"] == {"state": "failed", "reason": words, "loads": []}
    assert found["reason"] == (words if state == "failed" else None)
