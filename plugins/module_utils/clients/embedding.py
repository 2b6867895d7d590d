# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The embedding API: its request, the shape of its answer, and the smallest request.

OpenAI's request, as llama.cpp (tools/server/server-context.cpp, handle_embeddings_impl) and vLLM (entrypoints/pooling/embed) take it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api

WHAT = "embedding"
MAX_BODY = 64 * 1024 * 1024  # bytes; 256 texts of 4096 numbers with 20 characters each are 21 million


@dataclass(frozen=True)
class Vectors:
    """One vector for each text, in the order of the texts. ``prompt_tokens`` is None where the service does not count them."""

    vectors: tuple[tuple[float, ...], ...]
    seconds: float
    model: str = ""
    prompt_tokens: int | None = None


def parse(content: bytes, seconds: float, texts: int) -> Vectors:
    """Read the body of an answer for ``texts`` texts; raise ProbeError of kind ``shape`` if it is not one."""

    def wrong(reason: str) -> api.ProbeError:
        return api.wrong_shape(WHAT, reason, content)

    document = api.json_object(WHAT, content)
    data = document.get("data")
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        raise wrong("it has no data")
    by_index = {index: one.get("embedding") for one in data if (index := api.count(one.get("index"))) is not None}
    if len(data) != texts or sorted(by_index) != list(range(texts)):
        raise wrong(f"it does not have one vector for each of {texts} texts")
    for index, vector in by_index.items():
        if not isinstance(vector, list) or not vector:
            raise wrong(f"data[{index}].embedding is not a list of numbers")
        odd = next((value for value in vector if not is_number(value)), 0.0)
        if odd != 0.0:
            # llama.cpp and vLLM write null for a number that JSON does not have.
            raise wrong(
                f"data[{index}].embedding holds {odd!r}, which is not a finite number: the engine computes garbage"
            )
    return Vectors(
        vectors=tuple(tuple(map(float, by_index[index])) for index in range(texts)),
        seconds=seconds,
        model=api.text(document.get("model")),
        prompt_tokens=api.prompt_tokens(document),
    )


def is_number(value: Any) -> bool:
    """Whether an engine's value is a finite number. NaN and Infinity are not JSON, but Python reads them."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def embed(service: Mapping[str, Any], texts: Sequence[str], *, timeout: float) -> Vectors:
    """The vectors of some texts; raise ProbeError.

    Of ``service`` the keys ``address``, ``port``, ``api_path`` and ``served_name`` are read.
    """
    body = {"model": service["served_name"], "input": list(texts), "encoding_format": "float"}
    content, seconds = api.post(service, json.dumps(body).encode(), api.JSON, timeout, MAX_BODY)
    return parse(content, seconds, len(texts))


def smallest(config: Mapping[str, Any], timeout: float) -> None:
    """The vector of one word; raise ProbeError."""
    wrong = api.wrong_model(embed(config, ["Hi"], timeout=timeout).model, config["served_name"])
    if wrong:
        raise api.ProbeError("shape", wrong)
