# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Speeds that others measured on a Jetson Thor and published: the rows of ``roles/catalog/files/speeds.yml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import shapes
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.shapes import Field, needed

_TEXT = needed(shapes.TEXT)
_TOKENS = shapes.whole(1, 10**7)
SHAPE = Field(
    (list,),
    items=Field(
        (dict,),
        keys={
            "source": _TEXT,
            "rows": Field(
                (list,),
                required=True,
                items=Field(
                    (dict,),
                    keys={
                        "title": _TEXT,
                        "model": shapes.NAME,
                        "precision": _TEXT,
                        "engine": _TEXT,
                        "module": Field((str,), required=True, choices=("T5000", "T4000")),
                        "speculative": Field((bool,)),
                        "concurrency": shapes.whole(1, 1024),
                        "input": _TOKENS,
                        "output": _TOKENS,
                        "tokens_per_s": needed(shapes.number(0.01, 10**6)),
                    },
                ),
            ),
        },
    ),
)


@dataclass(frozen=True)
class Speed:
    """One published measurement; None is what the source does not say.

    ``tokens_per_s`` counts the tokens of all answers together, ``input`` and ``output`` are tokens of a request. ``model`` is the
    catalog's key where the row is about that model in that precision; ``engine`` is the catalog's key for vLLM and llama.cpp, and the
    source's own word for any other.
    """

    title: str
    precision: str
    engine: str
    module: str  # T5000 or T4000
    tokens_per_s: float
    source: str
    model: str | None = None
    concurrency: int | None = None
    input: int | None = None
    output: int | None = None
    speculative: bool = False


def speeds(groups: Sequence[Mapping[str, Any]]) -> tuple[Speed, ...]:
    """The rows of a document of this ``SHAPE``, which groups them by source."""
    return tuple(Speed(source=group["source"], **row) for group in groups for row in group["rows"])
