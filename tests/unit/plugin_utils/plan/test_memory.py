# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether services fit a host's memory, which context would, and what the plan says of it."""

from __future__ import annotations

import re
from typing import Any

import memory_loads
import model_configs
import pytest
import resolved
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import budget
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import GIB
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import memory


def service(profile: str = resolved.LLAMA, **changes: Any) -> dict[str, Any]:
    return resolved.service(profile, **changes).to_facts()


def test_parts_and_sum() -> None:
    """In words, with the length that they are for."""
    lines = memory.text([service(name="chat"), service(resolved.VLLM, name="big", port=8001)], 122, 8)
    assert lines == [
        "memory of chat: 5.4 weights + 5.6 KV cache + 8.0 prompt cache + 1.9 process = 21 GiB (40,960 tokens, shared by 4 slots)",
        "memory of big: 15.3 weights + 11.3 KV cache + 1.0 CUDA graphs + 8.0 process = 36 GiB (2 sequences of 40,960 tokens)",
        "memory: 21 + 36 = 57 GiB of services and 8 GiB kept for the system, of 122 GiB: 57 GiB still free",
        "on a T4000 (61 GiB): 21 + 36 = 57 GiB of services, 4 GiB too much",
    ]
    small = memory.text([service(name="chat", options={"parallel": 1})], 61, 8)
    assert small[0].endswith(" = 21 GiB (40,960 tokens)")
    assert small[-1] == "on a T5000 (122 GiB): 21 GiB of services, 93 GiB still free"


def test_given_and_unknown() -> None:
    """What a person gave is said to be given, and what is not known is not added up."""
    given = service(name="chat", memory_gib=30)
    assert memory.text([given], 122, 8)[0] == "memory of chat: 30 GiB, as given (memory_gib)"
    unknown = {**service(name="new"), "memory_gib": None, "memory_parts": None, "memory_load": None}
    lines = memory.text([given, unknown], 122, 8)
    assert lines[1] == "memory of new: known after contact, once its model has been looked at"
    assert lines[2].startswith("memory: 30 + unknown: at least 30 GiB of services")
    assert "still free" not in lines[2] and lines[2].endswith("whether that fits is known once all of it is")
    assert memory.text([given, unknown], 32, 8)[2].endswith("6 GiB too much")
    assert len(lines) == 3, "nothing is said of another module"
    assert memory.over([unknown], 1, 8) == []


def test_the_context_that_fits() -> None:
    """It really does: with the named context, and no more, the same services fit."""
    coder = "qwen3-coder-30b-a3b-q5-k-m-llama-cpp"
    (problem,) = memory.over([service(coder, name="coder")], 61, 8)
    assert problem.code == "THOR-MEMORY-OVER"
    found = re.search(r"coder with ctx-size: (\d+) \(now 262144\)", problem.remedy)
    assert found, problem.remedy
    length = int(found[1])
    assert memory.over([service(coder, name="coder", options={"ctx-size": length})], 61, 8) == []
    assert memory.over([service(coder, name="coder", options={"ctx-size": length + 256})], 61, 8) != []


@pytest.mark.parametrize(
    ("profile", "option"),
    [(resolved.VLLM, "max-model-len"), (resolved.SGLANG, "context-length"), (resolved.LLAMA, "ctx-size")],
)
def test_each_engine_is_told_by_its_own_option(profile: str, option: str) -> None:
    one = service(profile, name="chat")
    (problem,) = memory.over([one], one["memory_gib"] + 7, 8)
    found = re.search(rf"chat with {option}: (\d+)", problem.remedy)
    assert found, problem.remedy
    assert memory.over([service(profile, name="chat", options={option: int(found[1])})], one["memory_gib"] + 7, 8) == []


def bound(**changes: Any) -> dict[str, Any]:
    """A service of whose model nobody has described the architecture."""
    one = service(name="new", **changes)
    load = one["memory_load"]
    return {**one, "memory_load": {**load, "geometry": {**load["geometry"], "is_bound": True}}}


def test_upper_bound() -> None:
    """It is called one in the plan, and where it is too much; a number that somebody gave is none."""
    assert "upper bound" not in memory.text([service(name="new")], 122, 8)[0]
    assert memory.text([bound()], 122, 8)[0].endswith(
        "shared by 4 slots); an upper bound, every layer counted as full attention (the geometry of this architecture is not known)"
    )
    assert "upper bound" not in memory.text([bound(memory_gib=30)], 122, 8)[0]
    (problem,) = memory.over([bound()], 28, 8)
    assert "new: an upper bound" in problem.remedy
    assert "give a memory_gib" in problem.remedy
    (problem,) = memory.over([service(name="new")], 28, 8)
    assert "upper bound" not in problem.remedy


def test_no_context_is_short_enough() -> None:
    (problem,) = memory.over([service(name="chat")], 16, 8)
    assert problem.remedy == "Serve less, or a smaller model."
    (given,) = memory.over([service(name="chat", memory_gib=200)], 122, 8)
    assert "lower what was given to chat (memory_gib" in given.remedy, (
        "a context changes nothing of a number that was given"
    )


def test_other_device() -> None:
    """vLLM's batches depend on the device's memory, and with them what sliding windows take."""
    qwen = service(resolved.VLLM, name="chat")
    assert memory.on_module(qwen, 61) == (qwen["memory_gib"], qwen["memory_parts"])
    assert memory.on_module(service(name="chat", memory_gib=30), 61) == (30, None)
    windows = memory_loads.load("vllm", model_configs.GEMMA_4_31B, weights=GIB)
    parts = budget.parts_of(windows)
    assert parts is not None
    changes = {"memory_gib": budget.gibibytes(parts), "memory_parts": parts, "memory_load": windows.to_facts()}
    own, there, total = memory.text([{**qwen, **changes}], 122, 8)[0], *memory.text([{**qwen, **changes}], 122, 8)[2:]
    assert own.startswith("memory of chat: 1.0 weights + 66.6 KV cache + 1.0 CUDA graphs")
    assert there == "memory of chat on a T4000: 1.0 weights + 47.8 KV cache + 1.0 CUDA graphs = 50 GiB"
    assert total.startswith("on a T4000 (61 GiB): 50 GiB of services")


def test_unknown_after_contact() -> None:
    """The reason is that of the file, and the way out names both keys."""
    fault = "the geometry of this architecture is not known (NewForCausalLM)"
    one = {**service(name="new"), "memory_gib": None, "about": {"geometry_fault": fault}}
    (problem,) = memory.unknown([one, {**one, "unclear": ["memory_gib"]}])
    assert (problem.code, problem.variable) == ("THOR-MEMORY-UNKNOWN", "thor_services['new'].memory_gib")
    assert fault in problem.reason
    (of_file,) = memory.unknown([{**one, "about": {"geometry_fault": "", "fault": "config.json is not JSON (x)."}}])
    assert of_file.reason.endswith("config.json is not JSON (x).")
    assert "memory_gib" in problem.remedy
    assert "thor_extra_models['qwen3-8b-q5-k-m'].geometry" in problem.remedy
    assert memory.unknown([service(name="chat")]) == []
    drafting = {**one, "about": {"geometry_fault": ""}, "speculative": {"model": {"key": "small"}}}
    (problem,) = memory.unknown([drafting])
    assert "its draft model small" in problem.reason
    assert "thor_extra_models['small'].geometry" in problem.remedy
