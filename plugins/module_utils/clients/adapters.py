# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests about the LoRA adapters of a service: which ones it has, and an answer by one of them.

vLLM and SGLang list an adapter like a model, and a request names it as its model. llama.cpp has a list of its own, and a request
names an adapter by its number there (tools/server/README.md, /lora-adapters).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api, chat

LLAMA = "llama.cpp"


def loaded(service: Mapping[str, Any], timeout: float) -> list[str]:
    """The names under which the engine has adapters and models (llama.cpp: paths of adapters, in their order); raise ProbeError."""
    is_llama = service["engine"] == LLAMA
    status, content = api.request(
        service["address"], service["port"], "/lora-adapters" if is_llama else "/v1/models", timeout=timeout
    )
    if status != 200:
        raise api.ProbeError("status", api.error_text(status, content), status)
    try:
        document = api.parse_json(content)
    except ValueError:
        raise api.wrong_shape("list of models", "it is not JSON", content) from None
    entries = document if is_llama else document.get("data") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise api.wrong_shape("list of models", "it has no entries", content)
    return [api.text(one.get("path" if is_llama else "id")) for one in entries]


def known_as(service: Mapping[str, Any], adapter: Mapping[str, Any]) -> str:
    """What an adapter of a service is called in that list."""
    return str(adapter["path"] if service["engine"] == LLAMA else adapter["name"])


def ask(
    service: Mapping[str, Any],
    adapter: Mapping[str, Any],
    names: list[str],
    *,
    prompt: str,
    max_tokens: int,
    timeout: float,
) -> api.Answer:
    """A chat with the model as the adapter changes it; ``names`` is what ``loaded`` has returned. Raise ProbeError."""
    if service["engine"] == LLAMA:
        chosen = {"lora": [{"id": names.index(known_as(service, adapter)), "scale": 1.0}]}
        return chat.ask(service, prompt, max_tokens=max_tokens, timeout=timeout, more=chosen)
    return chat.ask({**service, "served_name": adapter["name"]}, prompt, max_tokens=max_tokens, timeout=timeout)


def answers_as(service: Mapping[str, Any], adapter: Mapping[str, Any]) -> str:
    """The model's name in such an answer: that of the adapter, in llama.cpp always its own."""
    return str(service["served_name"] if service["engine"] == LLAMA else adapter["name"])
