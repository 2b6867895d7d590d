# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The smallest request of each API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import api, smallest_request
from answering_server import GOOD, Server, running, service


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


def test_ready_refuses_an_api_without_a_request() -> None:
    with pytest.raises(api.ProbeError, match="no request is known for the API 'telepathy'") as caught:
        smallest_request.ready({"api": "telepathy"}, 1)
    assert caught.value.hopeless


def test_ready_requires_the_served_model(server: Server) -> None:
    server.content = json.dumps(GOOD).encode()
    config = service(server, address="0.0.0.0")
    smallest_request.ready(config, 5)
    with pytest.raises(api.ProbeError, match="from the model 'qwen3', and 'other' should be served"):
        smallest_request.ready({**config, "served_name": "other"}, 5)


def test_a_configuration_of_an_older_version_is_a_chat_at_the_default_path(server: Server) -> None:
    server.content = json.dumps(GOOD).encode()
    config = service(server)
    del config["api_path"]
    smallest_request.ready(config, 5)
    assert server.asked[0][0] == "/v1/chat/completions"


def test_a_transcription_service_is_ready_after_transcribing_silence(server: Server) -> None:
    listener = service(server, api="transcription", api_path="/inference")
    server.content = b'{"text": ""}'
    smallest_request.ready(listener, 5)
    sound = server.asked[0][1].split(b"RIFF", 1)[1]
    assert sound.startswith(b"$}\0\0WAVE"), "32036 bytes follow: one second of 16 bits at 16 kHz"
    server.content = b"{}"
    with pytest.raises(api.ProbeError):
        smallest_request.ready(listener, 5)


ANSWERS: dict[str, dict[str, Any]] = {
    "embedding": {"model": "qwen3", "data": [{"index": 0, "embedding": [0.5]}]},
    "rerank": {"model": "qwen3", "results": [{"index": 0, "relevance_score": 0.5}]},
}


@pytest.mark.parametrize("kind", sorted(ANSWERS))
def test_an_embedder_and_a_reranker_are_ready_after_one_text(server: Server, kind: str) -> None:
    asked = service(server, api=kind, api_path=api.API_PATHS[kind])
    server.content = json.dumps(ANSWERS[kind]).encode()
    smallest_request.ready(asked, 5)
    assert server.asked[0][0] == f"/v1/{'embeddings' if kind == 'embedding' else 'rerank'}"
    with pytest.raises(api.ProbeError, match="from the model 'qwen3', and 'other' should be served"):
        smallest_request.ready({**asked, "served_name": "other"}, 5)


@pytest.mark.parametrize("kind", sorted(ANSWERS))
def test_a_server_without_that_api_is_hopeless(server: Server, kind: str) -> None:
    # llama-server without --embeddings or --reranking: ERROR_TYPE_NOT_SUPPORTED, tools/server/server-common.cpp
    server.status = 501
    server.content = (
        b'{"error": {"code": 501, "message": "This server does not support it.", "type": "not_supported_error"}}'
    )
    with pytest.raises(api.ProbeError, match="does not support it") as caught:
        smallest_request.ready(service(server, api=kind, api_path=api.API_PATHS[kind]), 5)
    assert caught.value.hopeless


def test_every_api_has_a_path_and_a_request() -> None:
    assert set(smallest_request.SMALLEST_REQUEST) == set(api.API_PATHS)
