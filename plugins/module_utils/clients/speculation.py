# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How many of the tokens that a draft proposes the model accepts, as each engine says it.

- llama.cpp adds ``draft_n`` and ``draft_n_accepted`` to the ``timings`` of an answer (tools/server/server-common.cpp).
- vLLM counts in its metrics, for all requests since its start (v1/spec_decode/metrics.py of 0.33.0).
- SGLang says how many tokens one step has yielded on average since its start, in its server info
  (managers/scheduler_components/internal_state.py of 0.5.23; earlier versions have it under /get_server_info).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api
from ansible_collections.jetson.thor.plugins.module_utils.clients.load_generator import Sample

SECONDS = 10.0  # for a page of figures
INFO_PAGES = ("/server_info", "/get_server_info")
# With the prefix that the Prometheus client gives to counters. Its *_created and *_per_pos series have other names.
COUNTERS = {
    "steps": "vllm:spec_decode_num_drafts_total",
    "drafted": "vllm:spec_decode_num_draft_tokens_total",
    "accepted": "vllm:spec_decode_num_accepted_tokens_total",
}


@dataclass(frozen=True)
class Counters:
    """What an engine has counted since its start; None where it does not count, or not in this way."""

    steps: float | None = None
    drafted: float | None = None
    accepted: float | None = None
    tokens_per_step: float | None = None


def read(service: Mapping[str, Any]) -> Counters:
    """The counters of the engine; empty where it has none, or they cannot be read."""
    try:
        if service["engine"] == "vllm":
            return of_metrics(_page(service, "/metrics"))
        if service["engine"] == "sglang":
            return of_server_info(_info(service))
    except api.ProbeError:
        pass
    return Counters()


def _page(service: Mapping[str, Any], path: str) -> bytes:
    status, content = api.request(service["address"], service["port"], path, timeout=SECONDS)
    if status != 200:
        raise api.ProbeError("status", api.error_text(status, content), status)
    return content


def _info(service: Mapping[str, Any]) -> bytes:
    first, then = INFO_PAGES
    try:
        return _page(service, first)
    except api.ProbeError as error:
        if error.status != 404:
            raise
        return _page(service, then)


def of_metrics(content: bytes) -> Counters:
    """vLLM's counters in a page of Prometheus' text; the sum over its engines."""
    page = content.decode("utf-8", "replace")
    found: dict[str, float] = {}
    for key, name in COUNTERS.items():
        numbers = [api.rate(_number(text)) for text in re.findall(rf"^{name}(?:{{.*}})? (\S+)", page, re.MULTILINE)]
        valid = [number for number in numbers if number is not None]
        if valid:
            found[key] = sum(valid)
    return Counters(**found)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def of_server_info(content: bytes) -> Counters:
    """SGLang's mean over its schedulers."""
    try:
        document = api.parse_json(content)
    except ValueError:
        return Counters()
    states = document.get("internal_states") if isinstance(document, dict) else None
    schedulers = [one for one in states if isinstance(one, dict)] if isinstance(states, list) else []
    lengths = [api.rate(one.get("avg_spec_accept_length")) for one in schedulers]
    valid = [length for length in lengths if length]
    return Counters(tokens_per_step=sum(valid) / len(valid)) if valid else Counters()


def summary(samples: Iterable[Sample], before: Counters, after: Counters) -> dict[str, Any] | None:
    """What was accepted during a load; None if nothing was drafted.

    ``acceptance`` is the share of the drafted tokens that the model took over. ``tokens_per_step`` is how many tokens one step of the
    model has yielded, with its own one. Of SGLang it is the mean since its start.
    """
    answers = [sample for sample in samples if sample.drafted is not None]
    steps: float | None = None
    if answers:
        drafted: float = sum(sample.drafted or 0 for sample in answers)
        accepted: float = sum(sample.accepted or 0 for sample in answers)
        # Every step yields one token of the model itself, beside the accepted ones.
        steps = sum(sample.output_tokens for sample in answers) - accepted
    elif after.drafted is not None and after.accepted is not None:
        drafted = after.drafted - (before.drafted or 0)
        accepted = after.accepted - (before.accepted or 0)
        steps = None if after.steps is None else after.steps - (before.steps or 0)
    elif after.tokens_per_step is not None:
        return {
            "drafted_tokens": None,
            "accepted_tokens": None,
            "acceptance": None,
            "tokens_per_step": round(after.tokens_per_step, 3),
        }
    else:
        return None
    if drafted <= 0 or not 0 <= accepted <= drafted:  # nothing was drafted, or the engine has started again in between
        return None
    return {
        "drafted_tokens": round(drafted),
        "accepted_tokens": round(accepted),
        "acceptance": round(accepted / drafted, 4),
        "tokens_per_step": round(1 + accepted / steps, 3) if steps and steps > 0 else None,
    }
