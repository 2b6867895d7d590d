# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The parts of a service's memory, their sum, and the largest context that fits."""

from __future__ import annotations

import json
from dataclasses import replace

import memory_loads
import model_configs as configs
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import Geometry
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import budget
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import GIB, MIB, Load, count

QWEN = memory_loads.load("llama.cpp", configs.QWEN3_8B, {"ctx-size": 0}, weights=5 * GIB, overhead_bytes=GIB)


def test_parts() -> None:
    """In the order in which they are shown, without what takes nothing."""
    parts = budget.parts_of(QWEN)
    assert parts is not None
    assert list(parts) == ["weights", "kv_cache", "prompt_cache", "overhead"]
    assert parts["weights"] == 5 * GIB
    assert parts["kv_cache"] == 5760 * MIB
    assert GIB < parts["overhead"] < 1.5 * GIB, "the process, and buffers for 512 tokens and 151,936 scores each"
    assert budget.gibibytes(parts) == 21
    more = budget.parts_of(replace(QWEN, projector=3, draft=4, adapters=5, draft_geometry=QWEN.geometry))
    assert more is not None
    assert [more[one] for one in ("projector", "draft", "adapters")] == [3, 4, 5]


@pytest.mark.parametrize("like", ["vllm", "sglang", "llama.cpp"])
def test_unknown(like: str) -> None:
    """Without a geometry, or without any length, nothing is said."""
    load = replace(QWEN, like=like, options={})
    assert budget.parts_of(load) is not None
    assert budget.parts_of(replace(load, geometry=None)) is None
    endless = Geometry(attention=QWEN.geometry.attention, layers=36, hidden=4096) if QWEN.geometry else None
    assert budget.parts_of(replace(load, geometry=endless)) is None
    assert budget.parts_of(replace(load, geometry=endless), 4096) is not None
    assert budget.context_of(replace(load, geometry=None)) is None
    assert budget.parts_of(replace(load, draft=GIB)) is None, "a draft of unknown layers"
    assert budget.parts_of(replace(load, draft=GIB, draft_geometry=load.geometry)) is not None


def test_weights_only() -> None:
    """whisper.cpp and FunASR keep nothing that grows with requests."""
    load = Load(like="weights", device_bytes=122 * GIB, overhead_bytes=2 * GIB, weights=GIB)
    assert budget.parts_of(load) == {"weights": GIB, "overhead": 2 * GIB}
    assert (budget.context_of(load), budget.sequences_of(load), budget.largest_context(load, 9 * GIB)) == (
        None,
        None,
        None,
    )


def test_largest_context() -> None:
    """The largest in steps of 256 with which the sum, in whole GiB, still fits."""
    assert budget.largest_context(QWEN, 21 * GIB) == 40960
    found = budget.largest_context(QWEN, 19 * GIB)
    assert found is not None
    assert found % 256 == 0
    fits, larger = budget.parts_of(QWEN, found), budget.parts_of(QWEN, found + 256)
    assert fits is not None
    assert larger is not None
    assert (budget.gibibytes(fits), budget.gibibytes(larger)) == (19, 20)
    assert budget.largest_context(QWEN, 10 * GIB) is None, "not even the weights and the prompt cache"


@pytest.mark.parametrize(
    "config", [configs.QWEN3_8_27B, configs.GEMMA_4_31B, configs.GPT_OSS_20B, configs.NEMOTRON_3_NANO]
)
@pytest.mark.parametrize("like", ["vllm", "sglang", "llama.cpp"])
def test_longer_is_never_less(like: str, config: dict[str, object]) -> None:
    load = memory_loads.load(like, config)
    sums = [sum((budget.parts_of(load, length) or {}).values()) for length in (256, 4096, 65536, 131072)]
    assert sums == sorted(sums)
    assert sums[0] < sums[-1]


def test_facts() -> None:
    """A load is plain data between the roles, and computes the same afterwards."""
    drafting = replace(QWEN, draft_geometry=memory_loads.geometry(configs.QWEN3_8_27B), method="draft", draft_tokens=3)
    for load in (QWEN, drafting, replace(QWEN, geometry=None)):
        again = Load.from_facts(json.loads(json.dumps(load.to_facts())))
        assert again == load
        assert budget.parts_of(again) == budget.parts_of(load)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (8, 8),
        ("8", 8),
        ("64k", 64000),
        ("64K", 65536),
        ("1.5k", 1500),
        ("auto", None),
        (True, None),
        (None, None),
        (-1, -1),
    ],
)
def test_numbers(written: object, number: int | None) -> None:
    assert count(written) == number
    assert replace(QWEN, options={"n": written}).count("n", 7) == (number if number not in (None, -1) else 7)


@pytest.mark.parametrize("like", ["vllm", "sglang", "llama.cpp"])
@pytest.mark.parametrize("length", [4096, 8192, 32768, 131072])
@pytest.mark.parametrize("options", [{}, {"parallel": 1}])
def test_an_upper_bound_is_one(like: str, length: int, options: dict[str, int]) -> None:
    """A model with windows, once as it is and once as if nobody had described its architecture: never less, copies of windows included."""
    known = memory_loads.load(like, configs.GPT_OSS_20B, options)
    bound = memory_loads.load(like, {**configs.GPT_OSS_20B, "architectures": ["NewForCausalLM"]}, options)
    assert bound.geometry is not None and bound.is_bound and not known.is_bound
    bound = replace(bound, geometry=replace(bound.geometry, looks_back=128))
    exact, most = budget.parts_of(known, length), budget.parts_of(bound, length)
    assert exact is not None and most is not None
    for part in ("kv_cache", "prompt_cache", "overhead"):
        # vLLM may keep one page of 16 tokens more where a window begins within a page.
        assert most.get(part, 0) * 1.001 >= exact.get(part, 0), part
    assert Load.from_facts(json.loads(json.dumps(bound.to_facts()))) == bound
