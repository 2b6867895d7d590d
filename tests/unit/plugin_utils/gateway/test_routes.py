# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of where requests go."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import resolved
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Lora
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import routes

CHAT = resolved.service(resolved.LLAMA, name="chat")
EARS = resolved.service(resolved.WHISPER, name="ears")


def test_a_chat_has_all_its_endpoints() -> None:
    assert routes.paths(CHAT) == {
        "chat/completions": "/v1/chat/completions",
        "completions": "/v1/completions",
        "responses": "/v1/responses",
        "messages": "/v1/messages",
    }


def test_a_prefix_of_the_engine_holds_for_all_of_them() -> None:
    found = routes.paths(replace(CHAT, api_path="/llm/v1/chat/completions"))
    assert found["messages"] == "/llm/v1/messages"


def test_whisper_is_asked_at_its_own_path() -> None:
    assert routes.paths(EARS) == {"audio/transcriptions": "/inference"}


@pytest.mark.parametrize(("api", "endpoint"), [("embedding", "embeddings"), ("rerank", "rerank")])
def test_other_services_have_one_endpoint(api: str, endpoint: str) -> None:
    assert routes.paths(replace(CHAT, api=api, api_path=f"/v1/{endpoint}")) == {endpoint: f"/v1/{endpoint}"}


@pytest.mark.parametrize(
    ("address", "backend"),
    [
        ("127.0.0.1", "127.0.0.1:8000"),
        ("0.0.0.0", "127.0.0.1:8000"),
        ("::", "[::1]:8000"),
        ("10.0.0.7", "10.0.0.7:8000"),
    ],
)
def test_the_gateway_asks_a_service_where_it_listens(address: str, backend: str) -> None:
    (found,) = routes.services([replace(CHAT, address=address, port=8000)])
    assert found["backend"] == backend


def test_adapters_are_models_of_their_service() -> None:
    lora = Lora(name="drives", key="k", path="/models/k")
    (found,) = routes.services([replace(CHAT, loras=(lora,))])
    assert [model["id"] for model in found["models"]] == [CHAT.served_name, "drives"]


def test_an_entry_says_what_a_model_can_do() -> None:
    entry = json.loads(routes.entry(replace(CHAT, tools=True), "qwen3"))
    assert entry["id"] == "qwen3" and entry["object"] == "model" and entry["owned_by"] == "llama.cpp"
    assert (entry["api"], entry["vision"], entry["tools"]) == ("chat", False, True)
    assert entry["context"] == CHAT.context and "thinking" in entry


def test_metrics_are_those_of_engines_that_have_a_page_and_of_the_node() -> None:
    page = replace(CHAT, port=8000, metrics_path="/metrics")
    assert routes.metrics([page, replace(EARS, metrics_path=None)], node=False) == {
        "chat": {"backend": "127.0.0.1:8000", "path": "/metrics"}
    }
    assert routes.metrics([], node=True) == {"node": {"backend": "127.0.0.1:9100", "path": "/metrics"}}
