# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Every profile against the real parsers of the stored versions of vLLM and SGLang, and the stored lists against them too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from contract_helper import REAL_PARSER, STORED, arguments_of, check, render, run, services

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


@pytest.fixture(scope="module", params=sorted(STORED))
def asked(request: pytest.FixtureRequest) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The stored list, the services that use it, and the verdict of one process of the real engine on all of them.

    Importing an engine takes ten seconds, so this happens once per version.
    """
    stored = STORED[request.param]
    mine = services(stored["engine"], stored["version"])
    base = ["/models/x"] if stored["engine"] == "vllm" else ["--model-path", "/models/x"]
    argvs = [arguments_of(service) for service in mine.values()]
    argvs += [[*base, *render(bad, "space", None)] for bad, _minds in BAD[stored["engine"]]]
    fraction = {"vllm": "--gpu-memory-utilization", "sglang": "--mem-fraction-static"}[stored["engine"]]
    argvs.append([*base, fraction, "7"])
    answer = run(stored["package"], REAL_PARSER, "parse", stored["engine"], text=json.dumps(argvs))
    return stored, mine, answer


def test_stored_lists_are_what_the_real_parser_says_today(asked: tuple[dict[str, Any], ...]) -> None:
    stored, _services, answer = asked
    assert stored["package"].endswith(f"=={answer['engine_version']}")
    for name in sorted({*stored["options"], *answer["options"]}):
        assert stored["options"].get(name) == answer["options"].get(name), name
    assert stored["removed"] == answer["removed"]


def test_every_profile_is_understood_by_the_real_parser(asked: tuple[dict[str, Any], ...]) -> None:
    stored, mine, answer = asked
    assert len(mine) == {"vllm": 10, "sglang": 9}[stored["engine"]]
    for (name, service), said in zip(mine.items(), answer["answers"], strict=False):
        assert said["error"] is None, name
        values = said["values"]
        assert (values["host"], values["port"]) == ("127.0.0.1", service["port"])
        share = values["gpu_memory_utilization" if stored["engine"] == "vllm" else "mem_fraction_static"]
        assert 0 < share < service["memory_gib"] / 122
        template = "/models/templates/qwen3_nonthinking.jinja" if service["thinking"] is False else None
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
        assert json.loads(coder["preferred_sampling_params"])["repetition_penalty"] == 1.05
        assert values["qwen3-8b-fp4-sglang"]["quantization"] == "modelopt_fp4"
        assert values["qwen3-8b-graph-bs-2-sglang"]["cuda_graph_bs"] == [2]


def test_bad_values_that_the_real_parser_accepts_are_refused_here(asked: tuple[dict[str, Any], ...]) -> None:
    stored, mine, answer = asked
    label = f"{stored['engine']} {stored['version']}"
    for (bad, minds), said in zip(BAD[stored["engine"]], answer["answers"][len(mine) :], strict=False):
        assert (said["error"] is not None) == minds, (bad, said["error"])
        assert check(bad, stored["options"], {}, label, "here", "space"), bad
    # Neither parser checks a fraction of 7. Nobody can set it here: it comes from memory_gib.
    assert answer["answers"][-1]["error"] is None
