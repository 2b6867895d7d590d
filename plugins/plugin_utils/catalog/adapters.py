# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""LoRA adapters as options of the engine. Pure.

Clients choose an adapter by its name (vLLM, SGLang) or by its number (llama.cpp, in the order of ``loras``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Lora

DIALECTS = ("vllm", "sglang", "llama.cpp")


def options(dialect: str | None, loras: Sequence[Lora]) -> dict[str, Any]:
    """The options that load the adapters of a service."""
    named = [f"{one.name}={one.path}" for one in loras]
    if not loras or dialect not in DIALECTS:
        return {}
    if dialect == "vllm":
        return {"enable-lora": True, "lora-modules": named}
    if dialect == "sglang":
        return {"lora-paths": named}
    # Without the second option, all of them would change every answer that names none (common/arg.cpp).
    return {"lora": [one.path for one in loras], "lora-init-without-apply": True}


def chosen_by_name(argv: Sequence[str]) -> bool:
    """Whether the ``model`` of a request alone decides which adapter an engine with this command applies.

    llama.cpp has the field ``lora`` beside it (tools/server/README.md), SGLang ``lora_path`` (entrypoints/openai/protocol.py).
    """
    return any(word.partition("=")[0] == "--lora-modules" for word in argv)
