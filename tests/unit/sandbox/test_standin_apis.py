# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The stand-in as an embedder, a reranker, with tools, adapters and speculation, asked by our own clients."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import (
    api,
    embedding,
    rerank,
    smallest_request,
    speculation,
    tool_calls,
    verify,
)
from standin_runs import Engine, Start

QUESTIONS = verify.Questions(prompt="Who are you?", max_tokens=64, timeout=10)


def serve(launch: Start, model: Path, *argv: str, **fields: Any) -> tuple[Engine, dict[str, Any]]:
    """A vLLM that serves, and its service."""
    engine = launch("vllm", "serve", str(model), "--served-model-name", "qwen3", *argv)
    kind = fields.get("api", "chat")
    engine.service |= {
        "name": "one",
        "unit": "thor-one.service",
        "engine": "vllm",
        "api_path": api.API_PATHS[kind],
        "thinking": None,
        **fields,
    }
    engine.wait()
    return engine, engine.service


def verified(service: dict[str, Any]) -> list[tuple[str, str]]:
    results = verify.verify_services([service], QUESTIONS)
    return [(one["request"], " ".join(one["messages"])) for one in results]


def test_an_embedder_passes_verify_and_does_not_chat(launch: Start, model: Path) -> None:
    engine, service = serve(launch, model, "--runner", "pooling", api="embedding")
    assert verified(service) == [("embedding", "")]
    assert engine.ask("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}) == (
        404,
        {"detail": "Not Found"},
    )
    assert engine.ask("/v1/embeddings", {"model": "other", "input": "a"})[0] == 404
    assert engine.ask("/v1/embeddings", {"model": "qwen3"})[0] == 400
    floats = embedding.embed(service, ["one word"], timeout=5)
    _status, answer = engine.ask("/v1/embeddings", {"input": "one word", "encoding_format": "base64"})
    packed = base64.b64decode(answer["data"][0]["embedding"])
    assert struct.unpack(f"<{len(packed) // 4}f", packed) == pytest.approx(floats.vectors[0])
    with pytest.raises(api.ProbeError, match="Not Found"):
        smallest_request.ready({**service, "api": "rerank", "api_path": "/v1/rerank"}, 5)


def test_a_chat_model_has_no_vectors(launch: Start, model: Path) -> None:
    engine, service = serve(launch, model)
    assert engine.ask("/v1/embeddings", {"input": "a"}) == (404, {"detail": "Not Found"})
    assert "HTTP 404: Not Found" in verified({**service, "api": "embedding", "api_path": "/v1/embeddings"})[0][1]


@pytest.mark.parametrize(
    "argv", [["--convert", "classify"], ["--hf-overrides", '{"architectures": ["Qwen3ForSequenceClassification"]}']]
)
def test_a_reranker_passes_verify(launch: Start, model: Path, argv: list[str]) -> None:
    _engine, service = serve(launch, model, *argv, api="rerank")
    assert verified(service) == [("rerank", "")]
    ranking = rerank.rank(service, "boil an egg", ["nails", "an egg", "boil an egg"], timeout=5)
    assert ranking.scores == tuple(sorted(ranking.scores)) and ranking.prompt_tokens


def test_tools_are_called_only_with_a_parser(launch: Start, model: Path) -> None:
    parser = ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
    _engine, service = serve(launch, model, *parser, tools=True)
    assert verified(service) == [("chat", ""), ("tool call", "")]
    _engine, service = serve(launch, model, tools=True)
    assert '"auto" tool choice requires --enable-auto-tool-choice' in verified(service)[1][1]
    forced = tool_calls.ask(service, forced=True, max_tokens=64, timeout=5)
    assert tool_calls.wrong_call(forced) is None, "structured output needs no parser"


def test_sglang_leaves_a_call_in_the_text_without_a_parser(launch: Start, model: Path) -> None:
    for argv, wrong in ((["--tool-call-parser", "qwen25"], False), ([], True)):
        engine = launch("sglang", "--model-path", str(model), "--served-model-name", "qwen3", *argv)
        engine.wait()
        answer = tool_calls.ask(engine.service, forced=False, max_tokens=64, timeout=5)
        assert bool(tool_calls.wrong_call(answer)) == wrong


def test_adapters_are_listed_and_answer_by_name(launch: Start, model: Path, tmp_path: Path) -> None:
    (tmp_path / "poet").mkdir()
    path = str(tmp_path / "poet")
    loras = [{"name": "poet", "path": path}]
    argv = ["--enable-lora", "--lora-modules", f"poet={path}"]
    _engine, service = serve(launch, model, *argv, loras=loras)
    assert verified(service) == [("chat", ""), ("adapter poet", "")]
    gone = verified({**service, "loras": [{"name": "gone", "path": "/x"}]})[1][1]
    assert "THOR-LORA-MISSING" in gone and "it lists qwen3, poet" in gone
    engine = launch("vllm", "serve", str(model), "--enable-lora", "--lora-modules", "poet=/no/such")
    assert engine.process.wait(10) == 1


def test_vllm_counts_what_it_drafts(launch: Start, model: Path) -> None:
    config = ["--speculative-config", '{"method": "ngram", "num_speculative_tokens": 4}']
    dotted = ["--speculative_config.method", "ngram", "--speculative_config.num_speculative_tokens=4"]
    for argv in (config, dotted):
        engine, service = serve(launch, model, *argv)
        before = speculation.read(service)
        engine.chat(max_tokens=30, ignore_eos=True)
        found = speculation.summary([], before, speculation.read(service))
        assert found == {"drafted_tokens": 40, "accepted_tokens": 20, "acceptance": 0.5, "tokens_per_step": 3.0}
    _engine, service = serve(launch, model)
    assert speculation.read(service) == speculation.Counters(), "no draft, no counters"
    engine = launch("vllm", "serve", str(model), "--speculative-config", '{"method": "ngram"}')
    assert engine.process.wait(10) == 1


def test_sglang_says_the_mean_of_what_a_step_yields(launch: Start, model: Path) -> None:
    argv = ["--speculative-algorithm", "EAGLE3", "--speculative-num-draft-tokens", "4"]
    engine = launch("sglang", "--model-path", str(model), "--served-model-name", "qwen3", *argv)
    engine.wait()
    engine.chat(max_tokens=30, ignore_eos=True)
    service = {**engine.service, "engine": "sglang"}
    assert speculation.read(service).tokens_per_step == pytest.approx(3.0)
    assert json.dumps(engine.ask("/server_info")[1]) == '{"detail": "Not Found"}'
