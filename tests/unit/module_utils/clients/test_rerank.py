# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests to a rerank service, and the shape of its answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import api, rerank
from answering_server import Server, running, service


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


def answer(*scores: tuple[Any, Any], **more: Any) -> bytes:
    results = [{"index": index, "relevance_score": score} for index, score in scores]
    usage = {"prompt_tokens": 30, "total_tokens": 30}
    return json.dumps({"model": "rank", "results": results, "usage": usage, **more}).encode()


def test_documents_are_sent_and_their_scores_come_back_in_their_order(server: Server) -> None:
    server.content = answer((2, 0.9), (0, 0), (1, -3.5))
    got = rerank.rank(service(server, api_path="/v1/rerank", served_name="rank"), "q", ["a", "b", "c"], timeout=5)
    assert (got.scores, got.model, got.prompt_tokens) == ((0.0, -3.5, 0.9), "rank", 30)
    assert server.asked == [("/v1/rerank", {"model": "rank", "query": "q", "documents": ["a", "b", "c"]})]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>", "a ranking: it is not JSON"),
        (b"[]", "no results"),
        (b'{"results": [1, 2]}', "no results"),
        (answer((0, 0.5)), "each of 2 documents once"),
        (answer((0, 0.5), (0, 0.5)), "each of 2 documents once"),
        (answer((0, 0.5), (1, 0.5), (1, 0.4)), "each of 2 documents once"),
        (answer((0, 0.5), (2, 0.5)), "each of 2 documents once"),
        (answer((0, 0.5), (1, None)), "the score of document 1 is None, which is not a finite number"),
        (answer((0, 0.5), (1, float("inf"))), "the score of document 1 is inf"),
        (answer((0, 0.5), (1, "0.5")), "the score of document 1 is '0.5'"),
    ],
)
def test_a_malformed_ranking_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(api.ProbeError, match=reason) as caught:
        rerank.parse(content, 1.0, 2)
    assert caught.value.kind == "shape"
