# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""One load of a service: requests, several at once, and the figures of their answers."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api, speculation
from ansible_collections.jetson.thor.plugins.module_utils.clients.load_generator import Sample

Method = Mapping[str, Any]
ERRORS_KEPT = 3


@dataclass(frozen=True)
class Request:
    """What a load sends again and again. ``described`` joins the result of each load: what a request consists of.

    ``counters`` reads what the engine counts of its speculation.
    """

    send: Callable[[], Sample]
    described: Mapping[str, Any]
    counters: Callable[[], speculation.Counters] = speculation.Counters


def load(request: Request, concurrency: int, method: Method, tell: Callable[[str], None]) -> dict[str, Any]:
    """The requests of one load, ``concurrency`` of them at once."""
    count = max(method["requests"], concurrency)
    samples: list[Sample] = []
    errors: dict[int, str] = {}  # by the request's number, because they end in any order

    def one(number: int) -> None:
        if len(errors) >= ERRORS_KEPT:
            errors[number] = "not sent: too many have failed"
            return
        try:
            samples.append(request.send())
        except api.ProbeError as error:
            errors[number] = str(error)
        tell(f"request {len(samples) + len(errors)} of {count}, {concurrency} at once")

    before, begin = request.counters(), time.monotonic()
    with ThreadPoolExecutor(max_workers=concurrency) as pool:
        list(pool.map(one, range(count)))
    seconds = time.monotonic() - begin
    return {
        "concurrency": concurrency,
        "requests": count,
        "failed": len(errors),
        "errors": list(dict.fromkeys(error for _number, error in sorted(errors.items())))[:ERRORS_KEPT],
        "seconds": round(seconds, 3),
        **request.described,
        **figures(samples, seconds, request.described),
        **({} if request.described else {"speculation": speculation.summary(samples, before, request.counters())}),
    }


def figures(samples: Sequence[Sample], seconds: float, described: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a load that took ``seconds``; which ones depends on what its requests consist of."""
    if audio_s := described.get("audio_s"):
        return {
            "rtf": spread([sample.seconds / audio_s for sample in samples]),
            "audio_s_per_s": round(len(samples) * audio_s / seconds, 3) if samples else None,
        }
    if documents := described.get("documents"):
        tokens = sum(sample.input_tokens for sample in samples)
        return {
            "document_tokens": _mean([sample.input_tokens / documents for sample in samples]),
            "request_s": spread([sample.seconds for sample in samples]),
            "documents_per_s": round(len(samples) * documents / seconds, 3) if samples else None,
            "input_tokens_per_s": round(tokens / seconds, 3) if tokens else None,
        }
    rates = [rate for sample in samples if (rate := sample.decode_rate) is not None]
    told = [sample.engine_rate for sample in samples if sample.engine_rate is not None]
    tokens = sum(sample.output_tokens for sample in samples)
    return {
        "input_tokens": _mean([sample.input_tokens for sample in samples]),
        "output_tokens": _mean([sample.output_tokens for sample in samples]),
        "ttft_s": spread([sample.first for sample in samples]),
        "tpot_s": spread([1 / rate for rate in rates]),
        "decode_tokens_per_s": spread(rates),
        "engine_decode_tokens_per_s": spread(told),
        "output_tokens_per_s": round(tokens / seconds, 3) if tokens else None,
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(statistics.fmean(values), 1) if values else None


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Mean, median, minimum and maximum; None without values."""
    if not values:
        return None
    found = {
        "mean": statistics.fmean(values),
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
    }
    return {name: float(f"{value:.5g}") for name, value in found.items()}
