# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The computed cache of vLLM is what vLLM's own code pages, to the byte: models that we know, and random ones."""

from __future__ import annotations

import json
import random
from typing import Any

import memory_loads
import model_configs
from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import Attention, Geometry, State
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import vllm_memory
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import GIB, Load
from contract_helper import ROOT, STORED, run

NEWEST = STORED["vllm-0.33.0"]["package"]
KNOWN = [getattr(model_configs, name) for name in dir(model_configs) if name.isupper()]


def loads() -> list[tuple[Load, int]]:
    """Loads with the length of a sequence: known models, with and without drafting, and 200 random geometries."""
    found = []
    for config in KNOWN:
        load = memory_loads.load("vllm", config)
        found += [(load, length) for length in (1000, vllm_memory.context(load) or 0)]
    drafting = memory_loads.load("vllm", model_configs.QWEN3_8_27B, method="mtp", draft_tokens=3)
    chance = random.Random(12)
    return [*found, (drafting, 50_000), *((_random(chance), chance.randint(1, 300_000)) for _ in range(200))]


def _random(chance: random.Random) -> Load:
    """Some layers of full attention, and perhaps windows, perhaps states, whose pages seldom fit each other."""

    def attention(window: int | None) -> Attention:
        size = chance.choice([64, 96, 128, 256, 512])
        heads = chance.choice([1, 2, 3, 4, 8, 16])
        return Attention(layers=chance.randint(1, 60), kv_heads=heads, key_dim=size, value_dim=size, window=window)

    groups = [attention(None)]
    state = None
    if chance.random() < 0.5:
        groups.append(attention(chance.choice([128, 512, 1025, 4096])))
    else:
        state = State(
            layers=chance.randint(1, 60),
            values=chance.choice([128 * 128, 64 * 64 * 128]) * chance.randint(1, 48),
            channels=chance.randint(1, 80) * 128,
            width=3,
            dtype=chance.choice(["float32", "bfloat16"]),
        )
    geometry = Geometry(attention=tuple(groups), state=state, layers=60, hidden=4096, context=300_000)
    drafts = chance.choice([0, 0, 3]) if state else 0
    return Load(
        like="vllm",
        device_bytes=chance.choice([61, 122]) * GIB,
        overhead_bytes=0,
        weights=0,
        geometry=geometry,
        draft_tokens=drafts,
    )


def case(load: Load, length: int) -> dict[str, Any]:
    """The same for vLLM's code (pages.py)."""
    assert load.geometry
    facts = load.geometry.to_facts()
    if load.method == "mtp":
        facts["attention"] = [
            {**facts["attention"][0], "layers": facts["attention"][0]["layers"] + load.geometry.draft_layers}
        ]
    return {
        "attention": facts["attention"],
        "state": facts.get("state"),
        "length": length,
        "drafts": load.draft_tokens,
        "in_flight": 2 * vllm_memory.batch_tokens(load),
    }


def ours(load: Load, length: int) -> int:
    """Bytes of one sequence, as we compute them."""
    one, none = (
        sum(vllm_memory.pool(vllm_memory.pages(load, length, drafts=True), number).values()) for number in (1, 0)
    )
    return one - none


def test_pages() -> None:
    all_loads = loads()
    theirs = run(NEWEST, ROOT / "tests/contract/pages.py", text=json.dumps([case(*one) for one in all_loads]))
    assert len(theirs) == len(all_loads) > 200
    wrong = [
        (load, length, ours(load, length), bytes_) for (load, length), bytes_ in zip(all_loads, theirs, strict=True)
    ]
    assert [one for one in wrong if one[2] != one[3]] == []
