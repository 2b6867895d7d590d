# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""One request of a load: against a server whose speed is known."""

from __future__ import annotations

import io
import random
import time
import wave
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import (
    api,
    load_generator,
    transcription,
)
from streaming_engine import TOKEN_SECONDS, Engine, running


@pytest.fixture
def engine() -> Iterator[Engine]:
    with running() as engine:
        yield engine


def stream(*lines: bytes) -> Any:
    """A response that has these lines."""
    return io.BytesIO(b"".join(lines))


def test_the_rate_counts_from_the_first_token(engine: Engine) -> None:
    sample = load_generator.stream_chat(engine.service(), "one two three", 21, 5)
    assert (sample.output_tokens, sample.input_tokens, sample.engine_rate) == (21, 13, 99.0)
    assert sample.decode_rate and sample.decode_rate < 1.15 / TOKEN_SECONDS, "a loaded machine is only slower"
    assert sample.first >= TOKEN_SECONDS, "the piece that only names the role is not part of the answer"
    assert sample.last - sample.first > 15 * TOKEN_SECONDS, "the first token is not the last one"
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
    sample = load_generator.chat_request(engine.service(), tokens, 3, source, 5)()
    assert sample.input_tokens == pytest.approx(tokens, abs=2) and sample.output_tokens == 3
    assert [one["max_tokens"] for one in engine.asked] == [1, 1, 3], "two requests find the length"


def test_the_length_is_right_even_if_each_letter_is_a_token() -> None:
    """As with the tiny models of the tests. Short and long words must not be mistaken for few and many."""
    for seed in range(500):
        source = random.Random(seed)
        words = load_generator.words_for(lambda text: len(text) + 20, 256, source)
        lengths = [len(load_generator.random_prompt(source, words)) + 20 for _prompt in range(6)]
        assert sum(lengths) / 6 == pytest.approx(256, rel=0.1), seed


def test_a_prompt_is_counted_even_if_the_first_token_is_not_text(engine: Engine) -> None:
    engine.silent = 1
    sample = load_generator.chat_request(engine.service(), 500, 8, random.Random(1), 5)()
    assert sample.input_tokens == pytest.approx(500, abs=4)
    with pytest.raises(api.ProbeError, match="without a piece"):
        load_generator.stream_chat(engine.service(), "x", 1, 5)


def test_no_two_prompts_begin_alike() -> None:
    source = random.Random(1)
    assert len({load_generator.random_prompt(source, 5).split()[0] for _ in range(50)}) == 50


def test_a_service_that_does_not_count_tokens_is_reported(engine: Engine) -> None:
    engine.counts = False
    with pytest.raises(api.ProbeError, match="does not count the tokens of a prompt"):
        load_generator.chat_request(engine.service(), 64, 8, random.Random(1), 5)
    assert load_generator.stream_chat(engine.service(), "Hi", 5, 5).output_tokens == 5, "a piece is taken for a token"


@pytest.mark.parametrize(("fault", "kind"), [("refuse", "status"), ("hang", "timeout"), ("die", "unreachable")])
def test_errors_of_a_stream_are_reported(engine: Engine, fault: str, kind: str) -> None:
    engine.fault, engine.after = fault, 0
    begin = time.monotonic()
    with pytest.raises(api.ProbeError) as caught:
        load_generator.stream_chat(engine.service(), "Hi", 9, 0.5)
    assert caught.value.kind == kind
    assert time.monotonic() - begin < 2


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
    longer, seconds = load_generator.lengthen(transcription.silence(0.7), 3)
    with wave.open(io.BytesIO(longer)) as read:
        assert read.getnframes() / read.getframerate() == pytest.approx(seconds) == pytest.approx(2.8)
    for wrong in (b"ID3", b"", transcription.silence(0)):
        with pytest.raises(ValueError, match=r"\w"):
            load_generator.lengthen(wrong, 3)


def test_a_recording_without_a_length_in_its_header_is_read_to_its_end() -> None:
    # As ffmpeg writes into a pipe.
    longer, seconds = load_generator.lengthen(
        transcription.silence(1.0)[:40] + b"\xff\xff\xff\xff" + transcription.silence(1.0)[44:], 3.0
    )
    with wave.open(io.BytesIO(longer)) as read:
        assert read.getnframes() / read.getframerate() == seconds == pytest.approx(3.0)


@pytest.mark.parametrize("cut", [slice(0, 30), slice(0, 44)], ids=["header", "frames"])
def test_a_truncated_recording_is_refused(cut: slice) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        load_generator.lengthen(transcription.silence(1.0)[cut], 3.0)


def test_a_recording_without_a_sample_rate_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\w"):
        load_generator.lengthen(transcription.silence(1.0)[:24] + bytes(4) + transcription.silence(1.0)[28:], 3.0)


@pytest.mark.parametrize("api_name", ["embedding", "rerank"])
def test_documents_have_the_wanted_length_and_are_others_each_time(engine: Engine, api_name: str) -> None:
    send = load_generator.document_request(engine.service(api=api_name), 4, 100, random.Random(1), 5)
    sample = send()
    assert sample.input_tokens / 4 == pytest.approx(100, abs=2) and sample.seconds >= 8 * TOKEN_SECONDS
    send()
    texts = [one.get("input") or one["documents"] for one in engine.asked]
    assert [len(one) for one in texts] == [1, 1, 4, 4]
    assert len({text for one in texts for text in one}) == 10
    engine.counts = False
    with pytest.raises(api.ProbeError, match="does not count the tokens"):
        load_generator.document_request(engine.service(api=api_name), 4, 100, random.Random(1), 5)


def test_what_a_draft_has_proposed_is_read_from_the_last_piece(engine: Engine) -> None:
    assert load_generator.stream_chat(engine.service(), "Hi", 5, 5).drafted is None
    # result_timings::to_json in tools/server/server-common.cpp
    engine.timings = {"predicted_per_second": 99.0, "draft_n": 12, "draft_n_accepted": 3}
    sample = load_generator.stream_chat(engine.service(), "Hi", 5, 5)
    assert (sample.drafted, sample.accepted) == (12, 3)
