# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The rerank API: its request, the shape of its answer, and the smallest request.

Jina's request, as llama.cpp (tools/server/server-context.cpp, post_rerank) and vLLM (entrypoints/pooling/scoring) take it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api, embedding

WHAT = "ranking"


@dataclass(frozen=True)
class Ranking:
    """The score of each document, in the order of the documents. ``prompt_tokens`` is None where the service does not count them."""

    scores: tuple[float, ...]
    seconds: float
    model: str = ""
    prompt_tokens: int | None = None


def parse(content: bytes, seconds: float, documents: int) -> Ranking:
    """Read the body of an answer for ``documents`` documents; raise ProbeError of kind ``shape`` if it is not one."""

    def wrong(reason: str) -> api.ProbeError:
        return api.wrong_shape(WHAT, reason, content)

    document = api.json_object(WHAT, content)
    found = document.get("results")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise wrong("it has no results")
    scores = {index: one.get("relevance_score") for one in found if (index := api.count(one.get("index"))) is not None}
    if len(found) != documents or sorted(scores) != list(range(documents)):
        raise wrong(f"it does not name each of {documents} documents once")
    odd = next((index for index, score in scores.items() if not embedding.is_number(score)), None)
    if odd is not None:
        raise wrong(
            f"the score of document {odd} is {scores[odd]!r}, which is not a finite number: the engine computes garbage"
        )
    return Ranking(
        scores=tuple(float(scores[index]) for index in range(documents)),
        seconds=seconds,
        model=api.text(document.get("model")),
        prompt_tokens=api.prompt_tokens(document),
    )


def rank(service: Mapping[str, Any], query: str, documents: Sequence[str], *, timeout: float) -> Ranking:
    """How well each document answers the query; raise ProbeError.

    Of ``service`` the keys ``address``, ``port``, ``api_path`` and ``served_name`` are read.
    """
    body = {"model": service["served_name"], "query": query, "documents": list(documents)}
    content, seconds = api.post(service, json.dumps(body).encode(), api.JSON, timeout)
    return parse(content, seconds, len(documents))


def smallest(config: Mapping[str, Any], timeout: float) -> None:
    """The score of one document; raise ProbeError."""
    wrong = api.wrong_model(rank(config, "Hi", ["Hi"], timeout=timeout).model, config["served_name"])
    if wrong:
        raise api.ProbeError("shape", wrong)
