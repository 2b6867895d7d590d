# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The load generator: streamed chats with random prompts of a given length, and transcriptions of a recording, both timed.

We have our own, because it runs on the device beside the service that it measures. Existing ones (vllm bench serve, GenAI-Perf,
guidellm) bring a tokenizer library and hundreds of megabytes, and fetch tokenizers by name; here the service itself counts the
tokens. The method is that of ``vllm bench serve --dataset-name random``: random prompts, and end-of-text ignored, so that each
answer has exactly as many tokens as requested.
"""

from __future__ import annotations

import io
import json
import random
import struct
import time
import wave
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api, embedding, rerank, transcription

Service = Mapping[str, Any]
# Short and common, so that most are a single token in most vocabularies. Their meaning does not matter.
_COMMON = """
about after again all also any back been before big black blue book both boy but call came can car city cold come day did door down each
earth end even eye far few find first fish five food for form four from game girl give glass good great green had half hand hard have
head hear help here high hill him home hot house idea into iron just keep kind know land large last late learn left less letter life
"""
WORDS = _COMMON.split()
QUERY = "Which of these documents is about the last year?"
# No engine generates faster for one client. A higher rate means that this process was delayed and read from a buffer.
FASTEST_TOKENS_PER_S = 10_000
# A piece holds at least one token, so this many pieces per requested token mean an endless stream.
MOST_PIECES = 16


@dataclass(frozen=True)
class Sample:
    """One measured answer; times are seconds since the request was sent.

    ``first`` and ``last`` are the arrival of the first and the last piece of the answer; equal for a single piece.
    ``engine_rate`` is the speed of generation that the engine itself reports, in tokens per second, if it does. ``drafted`` and
    ``accepted`` are the tokens that a draft has proposed and that the model has taken over, where the answer says so.
    """

    seconds: float
    first: float = 0.0
    last: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    engine_rate: float | None = None
    drafted: int | None = None
    accepted: int | None = None

    @property
    def decode_rate(self) -> float | None:
        """Tokens per second after the first: (n - 1) / (last - first). None for an answer in one piece."""
        spent = self.last - self.first
        rate = (self.output_tokens - 1) / spent if spent > 0 else 0.0
        return rate if 0 < rate < FASTEST_TOKENS_PER_S else None


def random_prompt(source: random.Random, words: int) -> str:
    """Random words. No two prompts begin alike, so no prefix cache helps."""
    return " ".join([str(source.getrandbits(64)), *source.choices(WORDS, k=max(0, words - 1))])


def words_for(count: Callable[[str], int], tokens: int, source: random.Random) -> int:
    """How many words make a text of about ``tokens`` tokens, as the service counts them with what its template adds.

    ``count`` sends a text and returns its tokens; it is called twice. Raises ProbeError, of kind ``shape`` if the service does not
    count tokens.
    """
    seed = source.getrandbits(64)

    def counted(words: int) -> int:
        # The longer text begins with the shorter one: of two unlike texts the lengths of their words would be compared, too.
        return count(random_prompt(random.Random(seed), words))

    few = max(1, tokens // 8)  # short enough even if a word is eight tokens
    counted_few = counted(few)
    many = max(few + 1, few * tokens // max(1, counted_few))
    counted_many = counted(many)
    if counted_many <= counted_few:
        raise api.ProbeError("shape", "the service does not count the tokens of a prompt (usage.prompt_tokens)")
    return max(1, round(many + (tokens - counted_many) * (many - few) / (counted_many - counted_few)))


def chat_request(
    service: Service, input_tokens: int, output_tokens: int, source: random.Random, timeout: float
) -> Callable[[], Sample]:
    """A request of these lengths, with another prompt each time it is sent; raise ProbeError."""

    def count(text: str) -> int:
        # The one token need not be text: without thinking, llama.cpp begins with the end of a thought.
        return stream_chat(service, text, 1, timeout, silent=True).input_tokens

    words = words_for(count, input_tokens, source)
    return lambda: stream_chat(service, random_prompt(source, words), output_tokens, timeout)


def document_request(
    service: Service, documents: int, tokens: int, source: random.Random, timeout: float
) -> Callable[[], Sample]:
    """A request to an embedder or a reranker, with other documents of ``tokens`` tokens each time it is sent; raise ProbeError."""

    def send(texts: list[str]) -> Sample:
        if service["api"] == "embedding":
            found: embedding.Vectors | rerank.Ranking = embedding.embed(service, texts, timeout=timeout)
        else:
            found = rerank.rank(service, QUERY, texts, timeout=timeout)
        return Sample(seconds=found.seconds, input_tokens=found.prompt_tokens or 0)

    words = words_for(lambda text: send([text]).input_tokens, tokens, source)
    return lambda: send([random_prompt(source, words) for _document in range(documents)])


def stream_chat(service: Service, prompt: str, output_tokens: int, timeout: float, *, silent: bool = False) -> Sample:
    """Request ``output_tokens`` tokens and time them; raise ProbeError. ``silent``: none of them needs to be text."""
    body = {
        "model": service["served_name"],
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": output_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    begin = time.monotonic()
    content = json.dumps(body).encode()
    with api.exchange(
        service["address"], service["port"], service["api_path"], content=content, timeout=timeout
    ) as response:
        if response.status != 200:
            raise api.ProbeError(
                "status", api.error_text(response.status, response.read(api.MAX_BODY)), response.status
            )
        return _read_stream(response, begin, MOST_PIECES * output_tokens, silent=silent)


def _read_stream(response: HTTPResponse, begin: float, most: int, *, silent: bool = False) -> Sample:
    first = last = 0.0
    pieces = 0
    usage: Mapping[str, Any] = {}
    rate: float | None = None
    drafted: int | None = None
    accepted: int | None = None
    for event in _events(response):
        now = time.monotonic() - begin
        if isinstance(event.get("error"), dict):
            raise api.ProbeError("status", f"the answer broke off: {event['error'].get('message')}", 500)
        if _has_text(event):
            first, last, pieces = first or now, now, pieces + 1
            if pieces > most:
                raise api.ProbeError("shape", f"the stream has more than {most} pieces and does not end")
        usage = _mapping(event.get("usage")) or usage
        timings = _mapping(event.get("timings"))
        told = api.rate(timings.get("predicted_per_second"))
        rate = rate if told is None else told
        if "draft_n" in timings:  # the last piece has the sums of the whole answer
            drafted, accepted = (api.count(timings.get(key)) for key in ("draft_n", "draft_n_accepted"))
    if not pieces and not silent:
        raise api.ProbeError("shape", "the stream ended without a piece of an answer")
    return Sample(
        seconds=time.monotonic() - begin,
        first=first,
        last=last,
        input_tokens=api.count(usage.get("prompt_tokens")) or 0,
        # Without a count, each piece counts as a token, which is right for most engines.
        output_tokens=api.count(usage.get("completion_tokens")) or pieces,
        engine_rate=rate,
        drafted=drafted,
        accepted=accepted,
    )


def _events(response: HTTPResponse) -> Iterator[dict[str, Any]]:
    """The documents of a stream of server-sent events; raises ProbeError if it breaks off."""
    while line := response.readline(api.MAX_BODY):
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        try:
            document = api.parse_json(data)
        except ValueError:
            raise api.ProbeError("shape", f"a piece of the stream is not JSON: {data[:100]!r}") from None
        if isinstance(document, dict):
            yield document
    raise api.ProbeError("unreachable", "the stream broke off before its end")


def _has_text(event: Mapping[str, Any]) -> bool:
    """Whether an event holds a piece of the answer, thinking included."""
    choices = event.get("choices")
    delta = _mapping(_mapping(choices[0] if isinstance(choices, list) and choices else None).get("delta"))
    return any(delta.get(key) for key in ("content", "reasoning_content", "reasoning"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def transcribed(service: Service, name: str, sound: bytes, timeout: float) -> Sample:
    """Time the transcription of a recording; raise ProbeError."""
    answer = transcription.transcribe(service, name, sound, timeout=timeout)
    return Sample(seconds=answer.seconds)


def lengthen(sound: bytes, seconds: float) -> tuple[bytes, float]:
    """A WAV file that repeats the recording to about ``seconds``, and its duration.

    Raises ValueError if the recording is not a WAV file of samples.
    """
    try:
        with wave.open(io.BytesIO(sound)) as given:
            parameters = given.getparams()
            frames = given.readframes(parameters.nframes)
        # The header may promise more than there is, because a program that writes to a pipe does not know the length.
        count = len(frames) // (parameters.nchannels * parameters.sampwidth)
        if not count:
            raise ValueError("it contains no samples")
        times = max(1, round(seconds * parameters.framerate / count))
        stream = io.BytesIO()
        with wave.open(stream, "wb") as longer:
            longer.setparams(parameters._replace(nframes=0))
            longer.writeframes(frames * times)
    except (wave.Error, EOFError, struct.error, ZeroDivisionError) as error:
        raise ValueError(str(error) or "it ends too soon") from None
    return stream.getvalue(), times * count / parameters.framerate
