# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The request for a tool call, and what is wrong with the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import api, tool_calls
from answering_server import GOOD, Server, running, service

RIGHT = '{"room": "kitchen", "state": "on"}'


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


def answer(*calls: tuple[str, str], text: str = "", finish: str = "tool_calls") -> api.Answer:
    return api.Answer(text=text, seconds=1.0, finish=finish, tool_calls=tuple(api.ToolCall(*call) for call in calls))


@pytest.mark.parametrize(("forced", "choice"), [(False, "auto"), (True, "required")])
def test_the_request_offers_one_tool(server: Server, forced: bool, choice: str) -> None:
    function = {"name": "switch_light", "arguments": RIGHT}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": function}],
    }
    choices = [{"finish_reason": "tool_calls", "message": message}]
    server.content = json.dumps({**GOOD, "choices": choices}).encode()
    got = tool_calls.ask(service(server), forced=forced, max_tokens=99, timeout=5)
    assert tool_calls.wrong_call(got) is None
    assert tool_calls.shown(got) == f"switch_light {RIGHT}"
    body = server.asked[0][1]
    assert (body["tool_choice"], body["tools"], body["max_tokens"]) == (choice, [tool_calls.TOOL], 99)


def test_every_argument_is_a_choice_so_that_a_grammar_can_finish_it() -> None:
    parameters = tool_calls.TOOL["function"]["parameters"]
    assert all(one["enum"] for one in parameters["properties"].values())
    assert parameters["required"] == list(parameters["properties"])


@pytest.mark.parametrize(
    ("got", "reason"),
    [
        (
            answer(text="<tool_call>x", finish="stop"),
            r"no tool call \(finish reason 'stop'; it begins '<tool_call>x'\)",
        ),
        (answer(("open_door", RIGHT)), "calls the tool 'open_door', and only switch_light was offered"),
        (answer(("switch_light", '{"room": "kit'), finish="length"), "not JSON .*finish reason 'length'"),
        (answer(("switch_light", "[]")), "are not room and state"),
        (answer(("switch_light", '{"room": "kitchen"}')), "are not room and state"),
        (answer(("switch_light", '{"room": "kitchen", "state": "on", "x": 1}')), "are not room and state"),
        (answer(("switch_light", '{"room": "kitchen", "state": true}')), "state of the tool call is 'True'"),
        (answer(("switch_light", '{"room": ["kitchen"], "state": "on"}')), "room of the tool call is"),
        (answer(("switch_light", RIGHT), ("switch_light", "{}")), "are not room and state"),
    ],
)
def test_a_wrong_call(got: api.Answer, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(tool_calls.wrong_call(got))
