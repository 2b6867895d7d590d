# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A request that wants a tool called, and what is wrong with the call. Pure, except for ``ask``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api, chat

NAME = "switch_light"
# Only choices: a grammar can finish every one of them, whatever the model would like to write.
ARGUMENTS: Mapping[str, tuple[str, ...]] = {"room": ("kitchen", "garage"), "state": ("on", "off")}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": NAME,
        "description": "Switch the light in a room on or off.",
        "parameters": {
            "type": "object",
            "properties": {name: {"type": "string", "enum": list(choices)} for name, choices in ARGUMENTS.items()},
            "required": list(ARGUMENTS),
            "additionalProperties": False,
        },
    },
}
PROMPT = f"Switch the light in the kitchen on. Call the tool {NAME} for it, and write nothing else."
SHOWN = 80  # characters of what came instead


def ask(service: Mapping[str, Any], *, forced: bool, max_tokens: int, timeout: float) -> api.Answer:
    """Ask for a call of TOOL; raise ProbeError.

    Without ``forced`` the model decides, and the engine's parser has to find the call in its text: what clients do. ``forced``
    makes the engine demand a call (``tool_choice: required``), for a model that knows no language: vLLM and SGLang by structured output,
    llama.cpp by a grammar, which does allow other text before the call (common/chat-auto-parser-generator.cpp).
    """
    more = {"tools": [TOOL], "tool_choice": "required" if forced else "auto"}
    return chat.ask(service, PROMPT, max_tokens=max_tokens, timeout=timeout, more=more)


def wrong_call(answer: api.Answer) -> str | None:
    """Why the answer is not a call of TOOL, or None."""
    if not answer.tool_calls:
        said = (answer.text or answer.reasoning).strip()[:SHOWN]
        return (
            f"the answer has no tool call (finish reason {answer.finish!r}; it begins {said!r}): the engine's tool parser does not "
            "find one, or the model does not call tools"
        )
    for call in answer.tool_calls:
        if call.name != NAME:
            return f"the answer calls the tool {call.name[:SHOWN]!r}, and only {NAME} was offered"
        try:
            given = api.parse_json(call.arguments)
        except ValueError:
            return f"the arguments of the tool call are not JSON ({call.arguments[:SHOWN]!r}, finish reason {answer.finish!r})"
        if not isinstance(given, dict) or set(given) != set(ARGUMENTS):
            return f"the arguments of the tool call are not {' and '.join(ARGUMENTS)} ({call.arguments[:SHOWN]!r})"
        for name, choices in ARGUMENTS.items():
            if given[name] not in choices:
                return f"the argument {name} of the tool call is {str(given[name])[:SHOWN]!r}, and only {' or '.join(choices)} is allowed"
    return None


def shown(answer: api.Answer) -> str:
    """The calls of an answer, for people."""
    return "; ".join(f"{call.name} {call.arguments}" for call in answer.tool_calls)
