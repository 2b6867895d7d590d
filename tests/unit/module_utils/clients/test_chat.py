# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests to a chat service, and the shape of its answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import api, chat
from answering_server import GOOD, Server, running, service


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


def ask(server: Server, timeout: float = 5) -> api.Answer:
    return chat.ask(service(server), "Hi", max_tokens=7, timeout=timeout)


def test_a_chat_is_sent_and_parsed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")
    server.content = json.dumps(GOOD).encode()
    got = ask(server)
    assert (got.text, got.finish, got.model, got.completion_tokens) == ("Hello there.", "stop", "qwen3", 4)
    assert got.tokens_per_second == 37.4
    path, body = server.asked[0]
    assert path == "/v1/chat/completions"
    assert (body["model"], body["max_tokens"], body["stream"]) == ("qwen3", 7, False)


def test_without_timings_the_speed_is_that_of_the_whole_request() -> None:
    document = {key: value for key, value in GOOD.items() if key != "timings"}
    assert chat.parse(json.dumps(document).encode(), 2.0).tokens_per_second == 2.0


FIGURES = ["true", "-5", "1" + "0" * 400, "9007199254740993", "NaN", "Infinity", "1e400", '"4"', "null"]


@pytest.mark.parametrize("figure", FIGURES)
def test_an_invalid_count_is_refused(figure: str) -> None:
    content = json.dumps(GOOD).replace('"completion_tokens": 4', f'"completion_tokens": {figure}').encode()
    with pytest.raises(api.ProbeError, match=r"no valid usage\.completion_tokens") as caught:
        chat.parse(content, 1.0)
    assert caught.value.kind == "shape"
    content = json.dumps(GOOD).replace('"prompt_tokens": 9', f'"prompt_tokens": {figure}').encode()
    assert chat.parse(content, 1.0).prompt_tokens == 0


@pytest.mark.parametrize("figure", FIGURES)
def test_an_invalid_speed_is_ignored(figure: str) -> None:
    content = json.dumps(GOOD).replace("37.4", figure).encode()
    assert chat.parse(content, 2.0).tokens_per_second == 2.0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not json", "not JSON"),
        (b"[]", "no choices"),
        (b'{"choices": []}', "no choices"),
        (b'{"choices": [{"message": {"content": "x"}}]}', "role assistant"),
        (b'{"choices": [{"message": {"role": "assistant", "content": ["x"]}}]}', "not a text"),
        (b'{"choices": [{"message": {"role": "assistant", "content": "x"}}]}', "usage.completion_tokens"),
    ],
)
def test_a_malformed_chat_completion_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(api.ProbeError, match=reason) as caught:
        chat.parse(content, 1.0)
    assert caught.value.kind == "shape"


def test_tool_calls_are_read() -> None:
    document = json.loads(json.dumps(GOOD))
    message = document["choices"][0]["message"]
    nothing: list[Any] = [None, []]
    for one in nothing:
        message["tool_calls"] = one
        assert chat.parse(json.dumps(document).encode(), 1.0).tool_calls == ()
    message["tool_calls"] = [{"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    assert chat.parse(json.dumps(document).encode(), 1.0).tool_calls == (api.ToolCall("f", "{}"),)
    wrongs: list[Any] = ["f", [1], [{}], [{"function": {"name": "f", "arguments": {}}}], [{"function": {"name": "f"}}]]
    for wrong in wrongs:
        message["tool_calls"] = wrong
        with pytest.raises(api.ProbeError, match="not a list of calls of functions"):
            chat.parse(json.dumps(document).encode(), 1.0)
