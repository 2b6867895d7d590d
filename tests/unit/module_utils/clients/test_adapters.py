# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests about LoRA adapters."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import adapters, api
from answering_server import GOOD, Server, running, service

ADAPTER = {"name": "poet", "path": "/models/org/poet.gguf"}


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.mark.parametrize(
    ("engine", "path", "content", "names"),
    [
        ("vllm", "/v1/models", {"data": [{"id": "qwen3"}, {"id": "poet", "parent": "qwen3"}]}, ["qwen3", "poet"]),
        ("sglang", "/v1/models", {"data": []}, []),
        # tools/server/server-context.cpp, server_task_result_get_lora
        ("llama.cpp", "/lora-adapters", [{"id": 0, "path": "/models/org/poet.gguf", "scale": 1.0}], [ADAPTER["path"]]),
    ],
)
def test_each_engine_has_its_list(server: Server, engine: str, path: str, content: object, names: list[str]) -> None:
    server.content = json.dumps(content).encode()
    assert adapters.loaded(service(server, engine=engine), 5) == names
    assert server.asked[0][0] == path


@pytest.mark.parametrize("content", [b"x", b"[]", b'{"data": [1]}', b"{}"])
def test_a_malformed_list_is_refused(server: Server, content: bytes) -> None:
    server.content = content
    with pytest.raises(api.ProbeError) as caught:
        adapters.loaded(service(server, engine="vllm"), 5)
    assert caught.value.kind == "shape"


def test_an_engine_without_a_list_is_a_failure(server: Server) -> None:
    server.status, server.content = 404, b'{"detail": "Not Found"}'
    with pytest.raises(api.ProbeError, match="HTTP 404: Not Found"):
        adapters.loaded(service(server, engine="vllm"), 5)


def test_vllm_is_asked_by_the_name_and_llama_cpp_by_the_number(server: Server) -> None:
    server.content = json.dumps(GOOD).encode()
    for engine, names in (("vllm", ["qwen3", "poet"]), ("llama.cpp", ["/models/other.gguf", ADAPTER["path"]])):
        one = service(server, engine=engine)
        adapters.ask(one, ADAPTER, names, prompt="Hi", max_tokens=5, timeout=5)
        assert adapters.known_as(one, ADAPTER) in names
    of_vllm, of_llama = (body for _path, body in server.asked)
    assert of_vllm["model"] == "poet" and "lora" not in of_vllm
    assert of_llama["model"] == "qwen3" and of_llama["lora"] == [{"id": 1, "scale": 1.0}]
