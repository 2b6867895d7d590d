# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A memory budget becomes the engine's own fraction."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Memory
from real_catalog import CHAT, run


def test_the_budget_becomes_the_engines_own_fraction_rounded_down() -> None:
    vllm = run({"profile": "qwen3-8b-vllm", "memory_gib": 36.5}).services[0]
    assert vllm.argv[vllm.argv.index("--gpu-memory-utilization") + 1] == "0.250"  # (36.5 - 6) / 122
    assert vllm.memory == Memory(option="--gpu-memory-utilization", of="total", budget_bytes=int(30.5 * 2**30))
    sglang = run({"profile": "qwen3-8b-sglang", "memory_gib": 33}, device_memory_gib=100).services[0]
    assert sglang.argv[sglang.argv.index("--mem-fraction-static") + 1] == "0.270"  # (33 - 6) / 100
    assert sglang.memory == Memory(option="--mem-fraction-static", of="free", budget_bytes=27 * 2**30)
    small = run({"profile": "qwen3-8b-sglang", "memory_gib": 33}, device_memory_gib=100.1).services[0]
    assert small.argv[small.argv.index("--mem-fraction-static") + 1] == "0.269"
    assert run(CHAT).services[0].memory is None
