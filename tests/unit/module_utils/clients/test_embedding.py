# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests to an embedding service, and the shape of its answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import api, embedding
from answering_server import Server, running, service


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


def item(index: Any, *vector: Any) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": list(vector)}


def answer(*items: dict[str, Any], **more: Any) -> bytes:
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return json.dumps({"object": "list", "model": "embed", "data": items, "usage": usage, **more}).encode()


def test_texts_are_sent_and_their_vectors_come_back_in_their_order(server: Server) -> None:
    server.content = answer(item(1, 3, 4.5), item(0, 1, 2))
    got = embedding.embed(service(server, api_path="/v1/embeddings", served_name="embed"), ["a", "b"], timeout=5)
    assert (got.vectors, got.model, got.prompt_tokens) == (((1.0, 2.0), (3.0, 4.5)), "embed", 7)
    assert server.asked == [("/v1/embeddings", {"model": "embed", "input": ["a", "b"], "encoding_format": "float"})]


def test_a_service_need_not_count_tokens() -> None:
    assert embedding.parse(answer(item(0, 1.0), usage=None), 1.0, 1).prompt_tokens is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>", "an embedding: it is not JSON"),
        (b"[]", "no data"),
        (answer(), "one vector for each of 2 texts"),
        (answer(item(0, 1.0)), "one vector for each of 2 texts"),
        (answer(item(0, 1.0), item(0, 1.0)), "one vector for each of 2 texts"),
        (answer(item(0, 1.0), item(1, 1.0), item(1, 1.0)), "one vector for each of 2 texts"),
        (answer(item(0, 1.0), item(2, 1.0)), "one vector for each of 2 texts"),
        (answer(item(0, 1.0), item("1", 1.0)), "one vector for each of 2 texts"),
        (answer(item(0, 1.0), item(1)), r"data\[1\].embedding is not a list"),
        (answer(item(0, 1.0), {"index": 1, "embedding": "AAAA"}), r"data\[1\].embedding is not a list"),
        (answer(item(0, 1.0), item(1, 1.0, None)), r"data\[1\].embedding holds None, which is not a finite number"),
        (answer(item(0, 1.0), item(1, float("nan"))), "holds nan, which is not a finite number"),
        (answer(item(0, 1.0), item(1, True)), "holds True"),
    ],
)
def test_a_malformed_embedding_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(api.ProbeError, match=reason) as caught:
        embedding.parse(content, 1.0, 2)
    assert caught.value.kind == "shape"


def test_an_answer_may_be_longer_than_that_of_a_chat(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MAX_BODY", 100)
    server.content = answer(item(0, *range(100)))
    asked = service(server, api_path="/v1/embeddings", served_name="embed")
    assert len(embedding.embed(asked, ["a"], timeout=5).vectors[0]) == 100
    monkeypatch.setattr(embedding, "MAX_BODY", 100)
    with pytest.raises(api.ProbeError, match="more than 100 bytes"):
        embedding.embed(asked, ["a"], timeout=5)
