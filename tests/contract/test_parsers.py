# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Every profile against the real parsers of the stored versions of vLLM and SGLang, and the stored lists against them too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from contract_helper import REAL, REAL_PARSER, STORED, arguments_of, check, render, run, services, versions

TEMPLATE = "qwen3_nonthinking.jinja"
# Values that the real parsers accept, which is why the collection checks them: option, value, whether the parser objects.
BAD: dict[str, list[tuple[dict[str, Any], bool]]] = {
    "vllm": [
        ({"quantization": "nosuch"}, False),
        ({"max-model": 4096}, False),  # an abbreviation
        ({"override-generation-config": "{temperature: 1}"}, True),
        ({"max-num-seqs": -1}, False),
        ({"max-num-seqs": "many"}, True),
        ({"allowed-local-media-path": True}, True),  # as the post has it
        ({"nosuch": 1}, True),
    ],
    "sglang": [
        ({"preferred-sampling-params": "{temperature: 1}"}, False),
        ({"context-length": -5}, False),
        ({"max-running-req": 2}, False),  # an abbreviation
        ({"quantization": "nosuch"}, True),
        ({"cuda-graph-bs": ["two"]}, True),
        ({"nosuch": 1}, True),
    ],
}


@pytest.mark.parametrize("name", sorted(STORED))
def test_every_profile_goes_with_every_stored_list(name: str) -> None:
    """Without a process of the engine: each option of each profile, and its value, against the list."""
    mine = services(STORED[name])
    assert {service["flags_checked"] for service in mine.values()} == {True}
    assert len(mine) >= 7 * len(versions(STORED[name])) > 0


@pytest.fixture(scope="module", params=sorted(REAL))
def asked(request: pytest.FixtureRequest) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The stored list, the services that use it, and the verdict of one process of the real engine on all of them.

    Importing an engine takes ten seconds, so this happens once per version.
    """
    stored = REAL[request.param]
    mine = services(stored)
    base = ["/models/x"] if stored["engine"] == "vllm" else ["--model-path", "/models/x"]
    argvs = [arguments_of(service) for service in mine.values()]
    argvs += [[*base, *render(bad, "space", None)] for bad, _minds in BAD[stored["engine"]]]
    fraction = {"vllm": "--gpu-memory-utilization", "sglang": "--mem-fraction-static"}[stored["engine"]]
    argvs.append([*base, fraction, "7"])
    answer = run(stored["package"], REAL_PARSER, "parse", stored["engine"], text=json.dumps(argvs))
    return stored, mine, answer


def comparable(entry: dict[str, Any] | None) -> dict[str, Any] | None:
    """An option without the order of its choices: SGLang 0.5.23 makes some of a set, which each process orders anew."""
    return entry and {**entry, "choices": entry["choices"] and sorted(entry["choices"])}


def test_stored_lists_are_what_the_real_parser_says_today(asked: tuple[dict[str, Any], ...]) -> None:
    stored, _services, answer = asked
    assert stored["package"].endswith(f"=={answer['engine_version']}")
    for name in sorted({*stored["options"], *answer["options"]}):
        assert comparable(stored["options"].get(name)) == comparable(answer["options"].get(name)), name
    assert stored["removed"] == answer["removed"]


def test_every_profile_is_understood_by_the_real_parser(asked: tuple[dict[str, Any], ...]) -> None:
    stored, mine, answer = asked
    assert len(mine) >= 7 * len(versions(stored))
    for (name, service), said in zip(mine.items(), answer["answers"], strict=False):
        assert said["error"] is None, name
        values = said["values"]
        assert (values["host"], values["port"]) == ("127.0.0.1", service["port"])
        share = values["gpu_memory_utilization" if stored["engine"] == "vllm" else "mem_fraction_static"]
        # Where the size of the weights is unknown, there is no share before the first contact.
        assert service["memory_gib"] is None or 0 < share < service["memory_gib"] / 122
        template = f"/models/templates/{TEMPLATE}" if any(one["file"] == TEMPLATE for one in service["files"]) else None
        assert values["chat_template"] == template, name


def test_values_of_the_post_arrive_as_intended(asked: tuple[dict[str, Any], ...]) -> None:
    stored, mine, answer = asked
    values = {name.partition(",")[0]: said["values"] for name, said in zip(mine, answer["answers"], strict=False)}
    if stored["engine"] == "vllm":
        sampling = {"repetition_penalty": 1.2, "temperature": 0.8, "top_p": 0.95}
        assert values["qwen3-8b-fp4-vllm"]["override_generation_config"] == sampling
        coder = values["qwen3-coder-30b-a3b-fp8-vllm"]
        assert (coder["max_model_len"], coder["enforce_eager"]) == (65536, True)
        assert values["qwen2-5-vl-7b-awq-vllm"]["allowed_local_media_path"] == "/models"
    else:
        coder = values["qwen3-coder-30b-a3b-fp8-sglang"]
        assert (coder["max_running_requests"], coder["max_total_tokens"]) == (1, 65536)
        assert coder["disable_cuda_graph"] is True
        # 0.5.23 reads the JSON at once.
        sampling = coder["preferred_sampling_params"]
        assert (json.loads(sampling) if isinstance(sampling, str) else sampling)["repetition_penalty"] == 1.05
        assert values["qwen3-8b-fp4-sglang"]["quantization"] == "modelopt_fp4"
        # Gone in 0.5.23; its status says so.
        # 0.5.19 keeps it under the name of the phase.
        if graphs := values.get("qwen3-8b-graph-bs-2-sglang"):
            assert graphs.get("cuda_graph_bs", graphs.get("cuda_graph_bs_decode")) == [2]
        assert ("qwen3-8b-graph-bs-2-sglang" in values) == (stored["version"] != "0.5.23")


def test_bad_values_that_the_real_parser_accepts_are_refused_here(asked: tuple[dict[str, Any], ...]) -> None:
    stored, mine, answer = asked
    label = f"{stored['engine']} {stored['version']}"
    for (bad, minds), said in zip(BAD[stored["engine"]], answer["answers"][len(mine) :], strict=False):
        if bad != {"preferred-sampling-params": "{temperature: 1}"}:  # 0.5.3 lets it pass, 0.5.23 does not
            assert (said["error"] is not None) == minds, (bad, said["error"])
        assert check(bad, stored["options"], {}, label, "here", "space"), bad
    # Neither parser checks a fraction of 7. Nobody can set it here: it comes from memory_gib.
    assert answer["answers"][-1]["error"] is None
