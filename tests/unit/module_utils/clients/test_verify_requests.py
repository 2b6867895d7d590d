# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Verification of embedders, rerankers, tool calls, LoRA adapters and thinking."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import verify
from answering_server import GOOD, Server, running, service

QUESTIONS = verify.Questions(prompt="Hi", max_tokens=8, timeout=5)
RIGHT = '{"room": "kitchen", "state": "on"}'
VECTORS = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        server.content = json.dumps(GOOD).encode()
        yield server


def one(server: Server, **fields: Any) -> dict[str, Any]:
    return service(server, **{"name": "one", "unit": "thor-one.service", "engine": "vllm", "thinking": None, **fields})


def verified(server: Server, **fields: Any) -> list[tuple[str, str, str]]:
    """Of each request its name, its answer, and the codes and reasons of its problems."""
    results = verify.verify_services([one(server, **fields)], QUESTIONS)
    return [
        (found["request"], found["answer"], " ".join(f"{it['code']} {it['reason']}" for it in found["problems"]))
        for found in results
    ]


def vectors(*found: list[float], model: str = "qwen3") -> bytes:
    data = [{"index": index, "embedding": vector} for index, vector in enumerate(found)]
    return json.dumps({"model": model, "data": data, "usage": {"prompt_tokens": 30}}).encode()


def scores(*found: float) -> bytes:
    results = [{"index": index, "relevance_score": score} for index, score in enumerate(found)]
    return json.dumps({"model": "qwen3", "results": results, "usage": {"prompt_tokens": 30}}).encode()


def called(arguments: str, reasoning: str = "") -> bytes:
    call = {"id": "1", "type": "function", "function": {"name": "switch_light", "arguments": arguments}}
    message = {"role": "assistant", "content": None, "reasoning_content": reasoning, "tool_calls": [call]}
    return json.dumps({**GOOD, "choices": [{"finish_reason": "tool_calls", "message": message}]}).encode()


def test_an_embedder_is_asked_for_related_and_unrelated_sentences(server: Server) -> None:
    server.content = vectors(*VECTORS)
    embedder = {"api": "embedding", "api_path": "/v1/embeddings"}
    assert verified(server, **embedder) == [("embedding", "2 numbers", "")]
    assert len(server.asked[0][1]["input"]) == 3
    known = {"about": {"model_type": "qwen3", "geometry": {"hidden": 1024}}}
    # A layer of its own may give it any length (EmbeddingGemma and others have one).
    other = {"about": {"model_type": "gemma3_text", "geometry": {"hidden": 1024}}}
    assert verified(server, **embedder, **other)[0][2] == ""
    of_gguf = {"about": {"model_type": None, "architectures": ["qwen3"], "geometry": {"hidden": 2}}}
    assert verified(server, **embedder, **of_gguf)[0][2] == ""
    assert "THOR-EMBEDDING-WRONG embedding: the vectors have 2 numbers" in verified(server, **embedder, **known)[0][2]
    server.content = vectors(VECTORS[0], VECTORS[2], VECTORS[1])
    assert "related sentences are as far" in verified(server, **embedder)[0][2]
    assert verified(server, **embedder, trained=False)[0][2] == ""
    server.content = vectors(*VECTORS, model="other")
    assert "from the model 'other'" in verified(server, **embedder)[0][2]
    server.content = vectors(VECTORS[0])
    assert "THOR-EMBEDDING-WRONG" in verified(server, **embedder)[0][2]
    server.status, server.content = 501, b'{"error": {"message": "This server does not support embeddings."}}'
    assert "THOR-ANSWER-MISSING embedding: HTTP 501: This server" in verified(server, **embedder)[0][2]


def test_a_reranker_must_find_the_relevant_document(server: Server) -> None:
    server.content = scores(-4.0, 3.0, -9.0)
    reranker = {"api": "rerank", "api_path": "/v1/rerank"}
    assert verified(server, **reranker) == [("rerank", "-4, 3, -9", "")]
    server.content = scores(0.5, 0.4, 0.3)
    assert "THOR-RERANK-WRONG rerank: the relevant document (number 1)" in verified(server, **reranker)[0][2]
    assert verified(server, **reranker, trained=False)[0][2] == ""
    server.content = scores(0.5, 0.4)
    assert "does not name each of 3 documents once" in verified(server, **reranker, trained=False)[0][2]


def test_a_service_with_tools_must_call_one(server: Server) -> None:
    server.content = called(RIGHT)
    (_chat, call) = verified(server, tools=True)
    assert call == ("tool call", f"switch_light {RIGHT}", "")
    choices = {body["tool_choice"] for _path, body in server.asked if "tools" in body}
    assert choices == {"auto"}
    server.asked.clear()
    server.content = called("{}")
    assert "THOR-TOOL-WRONG tool call: the arguments" in verified(server, tools=True, trained=False)[1][2]
    assert {body["tool_choice"] for _path, body in server.asked if "tools" in body} == {"required"}
    server.content = json.dumps(GOOD).encode()
    assert "THOR-TOOL-WRONG tool call: the answer has no tool call" in verified(server, tools=True)[1][2]
    assert [request for request, _answer, _wrong in verified(server, tools=None)] == ["chat"]
    server.status, server.content = (
        400,
        b'{"error": {"message": "\\"auto\\" tool choice requires --enable-auto-tool-choice"}}',
    )
    assert 'THOR-TOOL-WRONG tool call: HTTP 400: "auto" tool choice requires' in verified(server, tools=True)[1][2]


def test_each_adapter_is_listed_and_answers(server: Server) -> None:
    loras = [{"name": "poet", "path": "/models/a/poet"}, {"name": "gone", "path": "/models/a/gone"}]
    server.contents["/v1/models"] = json.dumps({"data": [{"id": "qwen3"}, {"id": "poet"}]}).encode()
    server.content = json.dumps({**GOOD, "model": "poet"}).encode()
    _chat, poet, gone = verified(server, loras=loras)
    assert poet == ("adapter poet", "Hello there.", "")
    assert "THOR-LORA-MISSING the engine does not list gone (it lists qwen3, poet)" in gone[2]
    server.content = json.dumps(GOOD).encode()
    assert "from the model 'qwen3', and 'poet' should be served" in verified(server, loras=loras)[1][2]
    server.contents["/lora-adapters"] = json.dumps([{"id": 0, "path": "/models/a/poet", "scale": 1.0}]).encode()
    of_llama = verified(server, loras=loras, engine="llama.cpp")
    assert of_llama[1][2] == "" and "does not list /models/a/gone" in of_llama[2][2]


@pytest.mark.parametrize(
    ("thinking", "wrong"),
    [(True, True), ("high", True), ("medium", True), ("low", False), (False, False), (None, False)],
)
def test_a_service_that_shall_think_must_reason(server: Server, thinking: Any, wrong: bool) -> None:
    found = verified(server, thinking=thinking)[0][2]
    assert found.startswith("THOR-ANSWER-UNTHINKING chat: the answer carries no reasoning") == wrong
    assert bool(found) == wrong
    assert verified(server, thinking=thinking, trained=False)[0][2] == ""
