# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A memory budget becomes the engine's own fraction, and some engines exceed theirs."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Memory
from real_catalog import CHAT, CODER, codes, only, run

OTHER = {"profile": CODER, "port": 8001}


def test_the_budget_becomes_the_engines_own_fraction_rounded_down() -> None:
    vllm = run({"profile": "qwen3-8b-vllm", "memory_gib": 32.5}).services[0]
    assert vllm.argv[vllm.argv.index("--gpu-memory-utilization") + 1] == "0.250"  # (32.5 - 2) / 122
    assert vllm.memory == Memory(option="--gpu-memory-utilization", of="total", budget_bytes=int(30.5 * 2**30))
    sglang = run("qwen3-8b-sglang", device_memory_gib=100).services[0]
    assert sglang.argv[sglang.argv.index("--mem-fraction-static") + 1] == "0.270"  # (31 - 4) / 100
    assert sglang.memory == Memory(option="--mem-fraction-static", of="free", budget_bytes=27 * 2**30)
    small = run("qwen3-8b-sglang", device_memory_gib=100.1).services[0]
    assert small.argv[small.argv.index("--mem-fraction-static") + 1] == "0.269"
    assert run(CHAT).services[0].memory is None


def test_a_version_that_exceeds_its_budget_must_run_alone() -> None:
    pair = ["qwen3-8b-fp4-vllm", {"profile": CHAT, "name": "small", "port": 8001}]
    problem = only(run(*pair))
    assert (problem.code, problem.value) == ("THOR-MEMORY-UNBOUNDED", "25.10")
    assert "qwen3-8b-fp4-vllm" in problem.variable and "small" in problem.reason and "tends to 1.0" in problem.reason
    assert '{vllm: "26.05"}' in problem.remedy and "thor_allow_unbounded_memory" in problem.remedy
    assert not run(*pair, allow_unbounded_memory=True).problems
    assert not run(*pair, engine_versions={"vllm": "26.05"}).problems
    assert not run(pair[0]).problems
    assert not run("qwen3-8b-sglang", pair[1]).problems


def test_an_inventorys_own_image_does_not_inherit_the_memory_fault() -> None:
    two = ["qwen3-8b-vllm", OTHER]
    assert codes(run(*two)) == ["THOR-MEMORY-UNBOUNDED"]
    assert not run(*two, extra={"engines": {"vllm": {"versions": {"25.10": {"image": "mine:1"}}}}}).problems
