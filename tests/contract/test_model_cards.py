# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The commands of NVIDIA's model cards, and what the keys of a service become, against the newest real parsers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from contract_helper import REAL, REAL_PARSER, run
from model_cards import CARDS, flags_of, resolved
from real_catalog import BUILT_IN
from real_catalog import run as resolve

NEWEST = list(BUILT_IN.lists_of("vllm"))[-1]
MODELS: dict[str, dict[str, Any]] = {
    "mine": {
        "huggingface": "org/Name",
        "thinking": "switchable",
        "parsers": {"reasoning": {"vllm": "qwen3"}, "tools": {"vllm": "qwen3_coder"}},
    },
    "draft": {"huggingface": "org/Draft"},
}


@pytest.fixture(scope="module")
def answers() -> list[dict[str, Any]]:
    """The verdicts of one process of the real parser: on each card's command, and on a service with every key."""
    stored = next(one for one in REAL.values() if (one["engine"], one["version"]) == ("vllm", NEWEST))
    argvs = [_argv(card) for card in CARDS["vllm"].values()] + [_with_keys()]
    said = run(stored["package"], REAL_PARSER, "parse", "vllm", text=json.dumps(argvs))
    found: list[dict[str, Any]] = said["answers"]
    return found


def _argv(card: dict[str, Any]) -> list[str]:
    (service,) = resolved("vllm", {key: card[key] for key in card if key not in ("version", "image")}, True).services
    return list(service.argv)


def _with_keys() -> list[str]:
    entry = {
        "model": "mine",
        "engine": "vllm",
        "version": NEWEST,
        "thinking": False,
        "tools": True,
        "speculative": {"method": "dspark", "model": "draft", "tokens": 5},
        "loras": [{"name": "one", "model": "draft"}],
    }
    result = resolve(entry, extra={"models": MODELS})
    assert not result.problems
    return list(result.services[0].argv)


def test_the_real_parser_accepts_every_command(answers: list[dict[str, Any]]) -> None:
    errors = {card: said["error"] for card, said in zip(CARDS["vllm"], answers, strict=False) if said["error"]}
    assert errors == {}


def test_values_arrive_as_the_cards_mean_them(answers: list[dict[str, Any]]) -> None:
    seen = 0
    for (name, card), said in zip(CARDS["vllm"].items(), answers, strict=False):
        for flag, value in flags_of(card):
            key = flag.lstrip("-").replace("-", "_")
            if (
                value is None
                or "." in key
                or key not in said["values"]
                or key in ("model", "served_model_name", "host")
            ):
                continue
            parsed = said["values"][key]
            assert str(parsed) == value or parsed == json.loads(value), (name, flag, parsed)
            seen += 1
    assert seen > 100
    lightning = answers[list(CARDS["vllm"]).index("nemotron3-5-lightning")]["values"]["speculative_config"]
    assert lightning == {
        "method": "dspark",
        "model": "nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-NVFP4-DSpark",
        "num_speculative_tokens": 5,
    }


def test_the_keys_of_a_service_arrive(answers: list[dict[str, Any]]) -> None:
    said = answers[-1]
    assert said["error"] is None
    values = said["values"]
    assert values["default_chat_template_kwargs"] == {"enable_thinking": False}
    assert (values["reasoning_parser"], values["tool_call_parser"], values["enable_auto_tool_choice"]) == (
        "qwen3",
        "qwen3_coder",
        True,
    )
    assert values["speculative_config"]["method"] == "dspark"
    assert values["enable_lora"] is True and "/models/org/Draft" in str(values["lora_modules"])


SPECULATION: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"method": "mtp"}, {"algorithm": "NEXTN"}),
    ({"method": "mtp", "model": "draft"}, {"algorithm": "FROZEN_KV_MTP", "draft_model_path": "/models/org/Draft"}),
    (
        {"method": "eagle3", "model": "draft", "tokens": 3},
        {"algorithm": "EAGLE3", "num_steps": 3, "num_draft_tokens": 4},
    ),
    ({"method": "dflash", "model": "draft", "tokens": 8}, {"algorithm": "DFLASH", "num_draft_tokens": 8}),
    ({"method": "dspark", "model": "draft"}, {"algorithm": "DSPARK"}),
    ({"method": "draft", "model": "draft", "tokens": 3}, {"algorithm": "STANDALONE", "eagle_topk": 1}),
    ({"method": "ngram", "tokens": 8}, {"algorithm": "NGRAM", "num_draft_tokens": 8}),
]


def test_sglang_understands_the_keys_of_a_service() -> None:
    newest = list(BUILT_IN.lists_of("sglang"))[-1]
    stored = next(one for one in REAL.values() if (one["engine"], one["version"]) == ("sglang", newest))
    parsers = {"reasoning": {"sglang": "qwen3"}, "tools": {"sglang": "qwen3_coder"}}
    models = {**MODELS, "mine": {**MODELS["mine"], "parsers": parsers}}
    argvs = []
    for asked, _wanted in SPECULATION:
        entry: dict[str, Any] = {"model": "mine", "engine": "sglang", "thinking": False, "tools": True}
        entry.update(speculative=asked, loras=[{"name": "one", "model": "draft"}])
        result = resolve(entry, extra={"models": models}, allow_unsafe_options=["enable-lora"])
        assert not result.problems
        argvs.append(list(result.services[0].argv))
    said = run(stored["package"], REAL_PARSER, "parse", "sglang", text=json.dumps(argvs))["answers"]
    for (asked, wanted), one in zip(SPECULATION, said, strict=True):
        assert one["error"] is None, asked
        values = one["values"]
        assert {key: values[f"speculative_{key}"] for key in wanted} == wanted
        assert values["default_chat_template_kwargs"] == {"enable_thinking": False}
        assert (values["reasoning_parser"], values["tool_call_parser"]) == ("qwen3", "qwen3_coder")
        assert values["lora_paths"] == ["one=/models/org/Draft"]
