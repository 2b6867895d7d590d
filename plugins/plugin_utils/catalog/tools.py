# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The parsers of tool calls and of reasoning, as options of the engine. Pure.

A model says which parsers read its answers (``parsers``), by the names that each engine has for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REASONING, TOOLS = "reasoning-parser", "tool-call-parser"
# What tool calls need beside a parser. vLLM decides by itself whether to call a tool only with this switch
# (vllm/entrypoints/openai/cli_args.py); llama.cpp has its parsers in common/chat.cpp and needs the model's own template.
SWITCHES: Mapping[str, Mapping[str, Any]] = {
    "vllm": {"enable-auto-tool-choice": True},
    "sglang": {},
    "llama.cpp": {"jinja": True},
}
# Engines whose parsers are chosen by name.
NAMED = ("vllm", "sglang")


def options(dialect: str | None, parsers: Mapping[str, Any], wanted: bool | None) -> dict[str, Any]:
    """The options for a service whose clients may have it call tools, and the parser of reasoning in any case."""
    found: dict[str, Any] = {}
    if dialect in NAMED and (name := (parsers.get("reasoning") or {}).get(dialect)):
        found[REASONING] = name
    if wanted and dialect:
        found.update(SWITCHES[dialect])
        if dialect in NAMED and (name := (parsers.get("tools") or {}).get(dialect)):
            found[TOOLS] = name
    return found
