# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The README's table of what can be served."""

from __future__ import annotations

import pytest
import real_catalog
import resolved
import served_table

ROWS = {
    cells[0].strip("`"): cells[1:]
    for row in served_table.rows(real_catalog.FILES)[len(served_table.HEAD) :]
    if (cells := [cell.strip() for cell in row.strip("|").split("|")])
}


def test_every_profile_has_a_row() -> None:
    assert list(ROWS) == list(real_catalog.BUILT_IN.profiles)


@pytest.mark.parametrize("name", ROWS)
def test_memory_is_what_the_catalog_computes(name: str) -> None:
    budget = resolved.service(name).memory_gib
    assert ROWS[name][3] == ("unknown" if budget is None else f"{budget:g}")


@pytest.mark.parametrize(
    ("name", "engine", "size", "can", "speed", "state"),
    [
        ("qwen3-8b-vllm", "vLLM 0.10.2 (25.10)", "16.4", "thinking", "10.5 (the post)", "works"),
        ("qwen3-8b-fp8-vllm", "vLLM 0.10.2 (25.10)", "9.4", "thinking", "", "broken"),
        (
            "qwen3-6-35b-a3b-nvfp4-vllm",
            "vLLM 0.33.0",
            "24",
            "thinking, tools, vision",
            "42, 136 for 8 clients (NVIDIA)",
            "untested",
        ),
        ("nemotron-3-5-lightning-nvfp4-vllm", "vLLM 0.27.1", "21.58", "thinking, tools", "115 (NVIDIA)", "untested"),
        (
            "gemma-4-26b-a4b-nvfp4-vllm",
            "vLLM 0.33.0",
            "unknown",
            "thinking, tools, vision",
            "50, 180 for 8 clients (NVIDIA)",
            "untested",
        ),
        ("qwen3-reranker-0-6b-q4-k-m-llama-cpp", "llama.cpp 0c1e570", "0.4", "rerank", "", "untested"),
    ],
)
def test_a_row(name: str, engine: str, size: str, can: str, speed: str, state: str) -> None:
    _model, own_engine, own_size, _memory, *rest = ROWS[name]
    assert [own_engine, own_size, *rest] == [engine, size, can, speed, state]
