# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Measuring: against a server whose speed is known, and one that fails, hangs or dies in the middle."""

from __future__ import annotations

import base64
import fcntl
import io
import json
import random
import re
import threading
import time
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import api, bench, load_generator, transcription
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter
from ansible_collections.jetson.thor.plugins.module_utils.observe import host
from ansible_collections.jetson.thor.plugins.plugin_utils.report import result_files

TOKEN_SECONDS = 0.01
METHOD = {
    "input_tokens": 64,
    "output_tokens": 16,
    "concurrency": [1, 4],
    "requests": 3,
    "warmups": 1,
    "audio_seconds": 3.0,
    "seed": 7,
}


class Engine(ThreadingHTTPServer):
    """Streams an answer at a known pace; a word of a prompt is one token and a half, and the chat's own are nine."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []
        self.counts = True
        self.silent = 0  # tokens without text before the answer: the end of a thought
        self.fault = ""
        self.after = 10**9  # requests that go well before the fault
        self.most_at_once = 0
        self.at_once = 0
        self.lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client may give up."""
        del request, client_address

    def service(self, **fields: Any) -> dict[str, Any]:
        """A service of this engine."""
        return {
            "name": "chat",
            "profile": "p",
            "engine": "llama.cpp",
            "version": "1",
            "api": "chat",
            "api_path": "/v1/chat/completions",
            "address": "127.0.0.1",
            "port": self.server_port,
            "served_name": "m",
            "thinking": None,
            "memory_gib": 1,
            "bench_argv": [],
            "model": {"key": "m", "id": "a/m", "revision": "master", "precision": "Q8_0", "bytes": 1000},
            **fields,
        }


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Engine
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer, or fail as the server says."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        with server.lock:
            server.after -= 1
            faulty = bool(server.fault) and server.after < 0
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            if faulty and server.fault == "hang":
                time.sleep(20)
            elif faulty and server.fault == "refuse":
                self.whole(500, {"error": {"message": "CUDA error: an illegal memory access was encountered"}})
            elif self.headers["Content-Type"].startswith("multipart"):
                time.sleep(0.05)
                self.whole(200, {"text": "a"})
            else:
                server.asked.append(json.loads(body))
                self.stream(json.loads(body), dies=faulty and server.fault == "die")
        finally:
            with server.lock:
                server.at_once -= 1

    def whole(self, status: int, document: dict[str, Any]) -> None:
        """One JSON document."""
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def stream(self, asked: dict[str, Any], dies: bool) -> None:
        """A token at a time; an empty piece first, as engines send it."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        count = asked["max_tokens"]
        pieces: list[dict[str, Any]] = [{"choices": [{"delta": {"role": "assistant", "content": ""}}]}]
        pieces += [{"choices": [{"delta": {"reasoning_content" if n < 2 else "content": "x"}}]} for n in range(count)]
        pieces[1 : 1 + self.server.silent] = []
        for number, piece in enumerate(pieces):
            if dies and number == 4:
                self.connection.close()
                return
            self.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())
            self.wfile.flush()
            time.sleep(TOKEN_SECONDS)
        words = len(asked["messages"][0]["content"].split())
        usage = {"prompt_tokens": 9 + round(1.5 * words), "completion_tokens": count}
        last = {"choices": [], "usage": usage, "timings": {"predicted_per_second": 99.0}} if self.server.counts else {}
        self.wfile.write(f": a comment\n\ndata: {json.dumps(last)}\n\ndata: [DONE]\n\n".encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        threading.Thread(target=engine.serve_forever, args=(0.01,), daemon=True).start()
        yield engine
        engine.shutdown()


def sound(seconds: float = 1.0) -> bytes:
    return transcription.silence(seconds)


def spec(*services: dict[str, Any], **more: Any) -> dict[str, Any]:
    audio = base64.b64encode(sound()).decode()
    values = {
        "method": METHOD,
        "audio": audio,
        "audio_file": "a.wav",
        "timeout": 5,
        "timeout_all": 60,
        "tools": False,
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


# The client


def test_the_rate_counts_from_the_first_token(engine: Engine) -> None:
    sample = load_generator.stream_chat(engine.service(), "one two three", 21, 5)
    assert (sample.output_tokens, sample.input_tokens, sample.engine_rate) == (21, 13, 99.0)
    assert sample.decode_rate == pytest.approx(1 / TOKEN_SECONDS, rel=0.15)
    assert TOKEN_SECONDS <= sample.first < 5 * TOKEN_SECONDS, (
        "the piece that only names the role is not part of the answer"
    )
    assert sample.decode_rate == pytest.approx(20 / (sample.last - sample.first))
    body = engine.asked[0]
    assert (body["max_tokens"], body["ignore_eos"], body["stream_options"]) == (21, True, {"include_usage": True})


def test_an_answer_in_one_piece_has_no_rate() -> None:
    assert load_generator.Sample(seconds=1, first=0.5, last=0.5, output_tokens=9).decode_rate is None
    assert load_generator.Sample(seconds=1, first=0.5, last=0.9, output_tokens=1).decode_rate is None
    out_of_a_buffer = load_generator.Sample(seconds=1, first=0.5, last=0.501, output_tokens=64)
    assert out_of_a_buffer.decode_rate is None, "no engine is as fast as that for one client"


@pytest.mark.parametrize("tokens", [16, 64, 2048])
def test_the_service_counts_the_length_of_a_prompt(engine: Engine, tokens: int) -> None:
    source = random.Random(1)
    words = load_generator.words_for(engine.service(), tokens, source, 5)
    prompt = load_generator.random_prompt(source, words)
    assert 9 + round(1.5 * len(prompt.split())) == pytest.approx(tokens, abs=2)


def test_a_prompt_is_counted_even_if_the_first_token_is_not_text(engine: Engine) -> None:
    engine.silent = 1
    words = load_generator.words_for(engine.service(), 500, random.Random(1), 5)
    assert 9 + round(1.5 * words) == pytest.approx(500, abs=4)
    with pytest.raises(api.ProbeError, match="without a piece"):
        load_generator.stream_chat(engine.service(), "x", 1, 5)


def test_no_two_prompts_begin_alike() -> None:
    source = random.Random(1)
    assert len({load_generator.random_prompt(source, 5).split()[0] for _ in range(50)}) == 50


def test_a_service_that_does_not_count_tokens_is_reported(engine: Engine) -> None:
    engine.counts = False
    with pytest.raises(api.ProbeError, match="does not count the tokens of a prompt"):
        load_generator.words_for(engine.service(), 64, random.Random(1), 5)
    assert load_generator.stream_chat(engine.service(), "Hi", 5, 5).output_tokens == 5, "a piece is taken for a token"


@pytest.mark.parametrize(("fault", "kind"), [("refuse", "status"), ("hang", "timeout"), ("die", "unreachable")])
def test_errors_of_a_stream_are_reported(engine: Engine, fault: str, kind: str) -> None:
    engine.fault, engine.after = fault, 0
    begin = time.monotonic()
    with pytest.raises(api.ProbeError) as caught:
        load_generator.stream_chat(engine.service(), "Hi", 9, 0.5)
    assert caught.value.kind == kind
    assert time.monotonic() - begin < 2


def stream(*lines: bytes) -> Any:
    """A response that has these lines."""
    return io.BytesIO(b"".join(lines))


def test_an_endless_stream_is_abandoned() -> None:
    piece = b'data: {"choices": [{"delta": {"content": "x"}}]}\n'
    with pytest.raises(api.ProbeError, match="more than 8 pieces") as caught:
        load_generator._read_stream(stream(*[piece] * 50), 0.0, 8)
    assert caught.value.kind == "shape"


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 50_000,
        b'{"choices": {"a": 1}}',
        b'{"choices": [7]}',
        b'{"choices": [{"delta": [1]}]}',
        b'{"usage": [1], "timings": 5}',
    ],
)
def test_a_malformed_piece_is_not_our_bug(line: bytes) -> None:
    with pytest.raises(api.ProbeError):
        load_generator._read_stream(stream(b"data: " + line + b"\n"), 0.0, 8)


def test_a_count_that_is_not_a_number_is_ignored() -> None:
    lines = [
        b'data: {"choices": [{"delta": {"content": "x"}}], "usage": {"prompt_tokens": "9", "completion_tokens": -4}}\n'
    ]
    sample = load_generator._read_stream(stream(*lines, b"data: [DONE]\n"), 0.0, 8)
    assert (sample.input_tokens, sample.output_tokens) == (0, 1)


@pytest.mark.parametrize("figure", ["true", "-5", "1" + "0" * 400, "NaN", "Infinity", "1e400", "[]"])
def test_an_invalid_figure_is_left_out(figure: str) -> None:
    told = f'"usage": {{"prompt_tokens": {figure}, "completion_tokens": {figure}}}, "timings": {{"predicted_per_second": {figure}}}'
    lines = [f'data: {{"choices": [{{"delta": {{"content": "x"}}}}], {told}}}\n'.encode(), b"data: [DONE]\n"]
    sample = load_generator._read_stream(stream(*lines), 0.0, 8)
    assert (sample.input_tokens, sample.output_tokens, sample.engine_rate) == (0, 1, None)


def test_a_recording_is_repeated_until_it_is_long_enough() -> None:
    longer, seconds = load_generator.lengthen(sound(0.7), 3)
    with wave.open(io.BytesIO(longer)) as read:
        assert read.getnframes() / read.getframerate() == pytest.approx(seconds) == pytest.approx(2.8)
    for wrong in (b"ID3", b"", transcription.silence(0)):
        with pytest.raises(ValueError, match=r"\w"):
            load_generator.lengthen(wrong, 3)


# The job


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


def test_a_recording_without_a_length_in_its_header_is_read_to_its_end() -> None:
    # As ffmpeg writes into a pipe.
    longer, seconds = load_generator.lengthen(sound(1.0)[:40] + b"\xff\xff\xff\xff" + sound(1.0)[44:], 3.0)
    with wave.open(io.BytesIO(longer)) as read:
        assert read.getnframes() / read.getframerate() == seconds == pytest.approx(3.0)


@pytest.mark.parametrize("cut", [slice(0, 30), slice(0, 44)], ids=["header", "frames"])
def test_a_truncated_recording_is_refused(cut: slice) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        load_generator.lengthen(sound(1.0)[cut], 3.0)


def test_a_recording_without_a_sample_rate_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\w"):
        load_generator.lengthen(sound(1.0)[:24] + bytes(4) + sound(1.0)[28:], 3.0)


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


# The engines' own tools


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A llama-bench that says what the real one says."""
    program = tmp_path / "engines" / "llama.cpp" / "1" / "bin" / "llama-bench"
    program.parent.mkdir(parents=True)
    tests = [
        {"n_prompt": 64, "n_gen": 0, "avg_ts": 900.12345, "stddev_ts": 1.5, "samples_ts": [900]},
        {"n_prompt": 0, "n_gen": 16, "avg_ts": 37.4, "stddev_ts": 0.1, "samples_ts": [37]},
    ]
    program.write_text(f"#!/bin/sh\necho \"$@\" >{tmp_path}/asked\necho '{json.dumps(tests)}'\n")
    program.chmod(0o755)
    monkeypatch.setattr(host, "ENGINES", tmp_path / "engines")
    monkeypatch.setattr(bench, "_as_service", dict)
    return program


def measures(service: dict[str, Any]) -> dict[str, Any]:
    argv = ["llama-bench", "--model", "/m.gguf", "--n-prompt", "{input}", "--n-gen", "{output}"]
    found = bench.engine_tool({**service, "bench_argv": argv}, METHOD, lambda _text: None)
    assert found is not None
    return found


def test_the_engines_own_tool_gets_the_same_lengths(engine: Engine, tool: Path, tmp_path: Path) -> None:
    found = measures(engine.service())
    assert (found["tool"], found["state"]) == ("llama-bench", "measured")
    assert found["tests"] == [
        {"input_tokens": 64, "output_tokens": 0, "tokens_per_s": 900.123, "deviation": 1.5},
        {"input_tokens": 0, "output_tokens": 16, "tokens_per_s": 37.4, "deviation": 0.1},
    ]
    assert (tmp_path / "asked").read_text().split() == ["--model", "/m.gguf", "--n-prompt", "64", "--n-gen", "16"]
    tool.write_text("#!/bin/sh\necho cannot load the model >&2\nexit 3\n")
    assert measures(engine.service())["reason"] == "it ended with code 3: cannot load the model"
    tool.write_text("#!/bin/sh\necho no json\n")
    assert measures(engine.service())["state"] == "failed"
    good = '{"n_prompt": 64, "n_gen": 0, "avg_ts": 900, "stddev_ts": 1}'
    for wrong in (good.replace("900", "NaN"), good.replace("64", "true"), good.replace("1}", "1e400}"), "5", "{}"):
        tool.write_text(f"#!/bin/sh\necho '[{wrong}]'\n")
        assert "not a measurement" in measures(engine.service())["reason"]


def test_the_tool_does_not_wait_forever_for_starting_engines(
    engine: Engine, tool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del tool
    lock = tmp_path / "gpu.lock"
    monkeypatch.setattr(bench, "GPU_LOCK", lock)
    monkeypatch.setattr(bench, "GPU_LOCK_SECONDS", 0.5)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        found = measures(engine.service())
    assert found["state"] == "failed" and found["reason"].startswith("THOR-START-LOCK: an engine has been starting")
    assert measures(engine.service())["state"] == "measured"


def test_the_tool_is_skipped_if_the_model_does_not_fit_twice(engine: Engine, tool: Path) -> None:
    del tool
    large = engine.service(model={"bytes": 10**15})
    found = measures(large)
    assert found["state"] == "skipped" and "a second time" in found["reason"]
    assert bench.engine_tool(engine.service(), METHOD, lambda _text: None) is None, "an engine without one"


def test_errors_are_in_the_order_of_the_requests() -> None:
    numbers = iter(range(3))
    taken = threading.Lock()

    def ask() -> load_generator.Sample:
        with taken:
            number = next(numbers)
        time.sleep(0.3 if number == 0 else 0)
        raise api.ProbeError("http", f"request {number} failed")

    method = {**METHOD, "requests": 3}
    told = bench._load(ask, 3, method, {}, lambda _text: None)
    assert told["errors"] == ["request 0 failed", "request 1 failed", "request 2 failed"]
