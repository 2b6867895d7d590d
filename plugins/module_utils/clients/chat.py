# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The chat API: its request, the shape of its answer, and the smallest request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api


def parse(content: bytes, seconds: float) -> api.Answer:
    """Read the body of a chat completion; raise ProbeError of kind ``shape`` if it is not one."""

    def wrong(reason: str) -> api.ProbeError:
        return api.wrong_shape("chat completion", reason, content)

    document = api.json_object("chat completion", content)
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise wrong("it has no choices")
    message = choices[0].get("message")
    if not isinstance(message, dict) or message.get("role") != "assistant":
        raise wrong("choices[0].message does not have the role assistant")
    text = message.get("content") or ""
    # llama.cpp and older vLLM say reasoning_content, newer vLLM says reasoning
    reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
    usage, calls = document.get("usage"), _tool_calls(message.get("tool_calls"))
    if not isinstance(text, str) or not isinstance(reasoning, str):
        raise wrong("choices[0].message.content is not a text")
    if calls is None:
        raise wrong("choices[0].message.tool_calls is not a list of calls of functions")
    tokens = api.count(usage.get("completion_tokens")) if isinstance(usage, dict) else None
    if tokens is None:
        raise wrong("it has no valid usage.completion_tokens")
    timings = document.get("timings")
    speed = api.rate(timings.get("predicted_per_second")) if isinstance(timings, dict) else None
    if speed is None:
        # of the whole request, including the prompt: a lower bound if the engine reports no timings
        speed = tokens / seconds if seconds > 0 and tokens else None
    return api.Answer(
        text=text,
        reasoning=reasoning,
        finish=api.text(choices[0].get("finish_reason")),
        model=api.text(document.get("model")),
        prompt_tokens=api.prompt_tokens(document) or 0,
        completion_tokens=tokens,
        seconds=seconds,
        tokens_per_second=speed,
        tool_calls=calls,
    )


def _tool_calls(value: Any) -> tuple[api.ToolCall, ...] | None:
    """The calls of an answer, which has none where the key is missing, null or empty; None if they are not valid."""
    calls = []
    for one in value if isinstance(value, list) else [value] if value else []:
        function = one.get("function") if isinstance(one, dict) else None
        texts = [function.get(key) for key in ("name", "arguments")] if isinstance(function, dict) else [None]
        if not all(isinstance(text, str) for text in texts):
            return None
        calls.append(api.ToolCall(*texts))
    return tuple(calls)


def ask(
    service: Mapping[str, Any],
    prompt: str,
    *,
    image: str | None = None,
    max_tokens: int,
    timeout: float,
    more: Mapping[str, Any] | None = None,
) -> api.Answer:
    """Ask a service with the OpenAI chat API one question, about the image at the URL ``image`` if there is one; raise ProbeError.

    Of ``service`` the keys ``address``, ``port``, ``api_path`` and ``served_name`` are read. ``more`` joins the request.
    """
    content: Any = prompt
    if image is not None:
        content = [{"type": "image_url", "image_url": {"url": image}}, {"type": "text", "text": prompt}]
    body = {
        "model": service["served_name"],
        "messages": [{"role": "user", "content": content}],
        "max_tokens": max_tokens,
        "temperature": 0,
        "stream": False,
        **(more or {}),
    }
    return parse(*api.post(service, json.dumps(body).encode(), api.JSON, timeout))


def smallest(config: Mapping[str, Any], timeout: float) -> None:
    """One token of the served model; raise ProbeError."""
    answer = ask(config, "Hi", max_tokens=1, timeout=timeout)
    wrong = api.wrong_model(answer.model, config["served_name"])
    if wrong:
        raise api.ProbeError("shape", wrong)
