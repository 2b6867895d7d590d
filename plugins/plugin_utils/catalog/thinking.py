# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How a service is told to think, or with which effort: default arguments of the model's chat template. Pure.

A model says what it can (``thinking``, docs/catalog.md): ``never``, ``always``, ``switchable`` (the argument enable_thinking), or a
mapping with the argument for efforts, the efforts, and the arguments that switch thinking off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SWITCH = "enable_thinking"
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


def arguments(said: Any, wanted: Any) -> dict[str, Any]:
    """The arguments of the template for what a service wants, which the model must be able to do."""
    if not isinstance(said, Mapping):
        return {SWITCH: wanted} if said == "switchable" and isinstance(wanted, bool) else {}
    off = off_of(said) or {}
    if wanted is False:
        return dict(off)
    on = {name: not value for name, value in off.items() if isinstance(value, bool)}
    word = said.get("default") if wanted is True else wanted
    return {**on, said["argument"]: word} if isinstance(word, str) else on
