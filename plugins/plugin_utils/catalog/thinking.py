# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How a service is told to think, or with which effort: default arguments of the model's chat template. Pure.

A model says what it can (``thinking``, docs/catalog.md): ``never``, ``always``, ``switchable`` (the argument enable_thinking), or a
mapping with the argument for efforts, the efforts, and the arguments that switch thinking off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.chat_template import SWITCH
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import json_values

# What clients and engines know (common/arg.cpp of llama.cpp, --reasoning-effort); a template may have other words.
EFFORTS = ("minimal", "low", "medium", "high", "xhigh", "max")
# The option with the default arguments, by the engine's dialect: vllm/entrypoints/openai/cli_args.py (from 0.20.1 on, of the stored
# versions), sglang/srt/server_args.py (from 0.5.19 on), common/arg.cpp of llama.cpp. A request can override them.
OPTIONS: Mapping[str, str] = {
    "vllm": "default-chat-template-kwargs",
    "sglang": "default-chat-template-kwargs",
    "llama.cpp": "chat-template-kwargs",
}
# Parsers of tool calls of models whose prompt the engine builds without a template: their effort comes from each request alone
# (vLLM's "openai" is gpt-oss: entrypoints/openai/parser/harmony_utils.py, renderers/online_renderer.py).
WITHOUT_TEMPLATE: Mapping[str, frozenset[str]] = {"vllm": frozenset({"openai"})}


def chosen(said: Any, wanted: Any, can: bool, own_way: bool) -> bool | str | None:
    """Whether a service thinks, or its effort; None where that cannot be chosen, or not like this.

    ``said`` is the model's, ``wanted`` the service's (None: nothing). ``can``: the engine's version takes default arguments; ``own_way``:
    the profile has options of its own without thinking.
    """
    if isinstance(said, Mapping):
        if wanted is False:
            return False if can and off_of(said) is not None else None
        if wanted in (None, True):
            default: bool | str = said.get("default", True)
            return default
        return str(wanted) if can and wanted in said["efforts"] else None
    if said != "switchable" or isinstance(wanted, str):
        return None
    return False if wanted is False and (can or own_way) else None if wanted is False else True


def off_of(said: Mapping[Any, Any]) -> Mapping[str, Any] | None:
    """The arguments that switch thinking off; None where nothing does. YAML 1.1 reads the key off as false."""
    off: Mapping[str, Any] | None = said.get("off", said.get(False))
    return off


def written(value: Any) -> bool | None:
    """Whether the default arguments that somebody has written switch thinking on or off; None where they do not say it."""
    found = json_values.decoded(value)
    switch = found.get(SWITCH) if isinstance(found, Mapping) else None
    return switch if isinstance(switch, bool) else None


def arguments(said: Any, asked: Any, wanted: Any) -> dict[str, Any]:
    """The arguments of the template for a service. ``asked`` is its key, ``wanted`` also what its options say (``written``).

    A template that switches is always told: some think unless they are told not to, and others (Gemma 4) the other way round.
    """
    if not isinstance(said, Mapping):
        if said != "switchable" or (asked is None and wanted is not None):
            return {}
        return {SWITCH: asked is not False}
    if asked is None:
        return {}
    off = off_of(said) or {}
    if asked is False:
        return dict(off)
    on = {name: not value for name, value in off.items() if isinstance(value, bool)}
    word = said.get("default") if asked is True else asked
    return {**on, said["argument"]: word} if isinstance(word, str) else on
