# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Options have one meaning under all of their names, and reach the engine as they were written."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import option_names, options

# Of llama.cpp 0c1e570 and vLLM 0.33.0, cut.
LLAMA: dict[str, dict[str, Any]] = {
    "--ctx-size": {"aliases": ["-c"], "takes": "value", "negation": None, "choices": None},
    "--gpu-layers": {"aliases": ["-ngl", "--n-gpu-layers"], "takes": "value", "negation": None, "choices": None},
    "--flash-attn": {"aliases": ["-fa"], "takes": "value", "negation": None, "choices": ["on", "off", "auto"]},
    "--mmproj-auto": {
        "aliases": ["--no-mmproj-auto"],
        "takes": "none",
        "negation": "--no-mmproj",
        "choices": None,
    },
    "--kv-offload": {"aliases": ["-kvo", "-nkvo"], "takes": "none", "negation": "--no-kv-offload", "choices": None},
}
VLLM: dict[str, dict[str, Any]] = {
    "--max-model-len": {"aliases": [], "takes": "value", "negation": None, "choices": None, "kind": "count"},
    "--speculative-config": {"aliases": ["-sc"], "takes": "value", "negation": None, "choices": None, "kind": "json"},
    "--enable-prefix-caching": {
        "aliases": [],
        "takes": "none",
        "negation": "--no-enable-prefix-caching",
        "choices": None,
    },
}
BOTH = (option_names.UNDERSCORES, option_names.DOTTED)


@pytest.mark.parametrize(
    ("written", "argv"),
    [
        ({"c": 8192}, ["-c", "8192"]),
        ({"-c": 8192}, ["-c", "8192"]),
        ({"--ctx-size": 8192}, ["--ctx-size", "8192"]),
        ({"ngl": "all", "fa": True}, ["-ngl", "all", "-fa", "on"]),  # YAML reads on as true
        ({"n-gpu-layers": 999}, ["--n-gpu-layers", "999"]),
        ({"no-mmproj": True}, ["--no-mmproj"]),
        ({"no-mmproj": False}, ["--mmproj-auto"]),
        ({"nkvo": True}, ["-nkvo"]),
        ({"kvo": False}, ["--no-kv-offload"]),
    ],
)
def test_llama_cpp_gets_names_as_they_were_written(written: dict[str, Any], argv: list[str]) -> None:
    assert not options.check(written, LLAMA, {}, "llama.cpp", "here")
    assert options.render(written, "comma", LLAMA) == argv
    # Without a list of its own, that of another version says how many dashes a name has.
    assert options.render(written, "comma", None, (), LLAMA) == argv


@pytest.mark.parametrize(
    ("written", "argv"),
    [
        ({"max_model_len": 8192}, ["--max_model_len", "8192"]),
        ({"speculative_config.method": "mtp"}, ["--speculative_config.method", "mtp"]),
        ({"speculative-config.num_speculative_tokens": 5}, ["--speculative-config.num_speculative_tokens", "5"]),
        ({"speculative_config.x": {"a": [1]}}, ["--speculative_config.x", '{"a":[1]}']),
        ({"speculative_config.x": True}, ["--speculative_config.x", "true"]),
        ({"speculative_config.x": -1}, ["--speculative_config.x=-1"]),
        ({"no-enable-prefix-caching": True}, ["--no-enable-prefix-caching"]),
        ({"speculative-config": '{"method": "mtp"}'}, ["--speculative-config", '{"method": "mtp"}']),
    ],
)
def test_vllm_gets_names_as_they_were_written(written: dict[str, Any], argv: list[str]) -> None:
    assert not options.check(written, VLLM, {}, "vllm", "here", "space", BOTH)
    assert options.render(written, "space", VLLM, BOTH) == argv


@pytest.mark.parametrize(
    "name", ["ctx", "-ctx-size", "--c", "max-model-len.x", "speculative_config.", "ctx_size", ".x"]
)
def test_other_names_are_unknown(name: str) -> None:
    assert option_names.find({**LLAMA, **VLLM}, name, (option_names.DOTTED,)) is None


def test_an_engine_without_them_has_no_such_spellings() -> None:
    assert option_names.find(VLLM, "max_model_len") is None
    assert option_names.find(VLLM, "speculative-config.method") is None


def test_an_option_replaces_another_spelling_of_itself() -> None:
    base = {"n-gpu-layers": 99, "mmproj-auto": True, "metrics": True}
    merged = option_names.lay_over(base, {"ngl": "all", "no-mmproj": True}, LLAMA)
    assert merged == {"metrics": True, "ngl": "all", "no-mmproj": True}


def test_a_key_of_json_goes_into_the_mapping_that_is_there() -> None:
    base = {"speculative-config": {"method": "mtp", "num_speculative_tokens": 3}}
    merged = option_names.lay_over(base, {"speculative_config.num_speculative_tokens": 5}, VLLM, BOTH)
    assert merged == {"speculative-config": {"method": "mtp", "num_speculative_tokens": 5}}
    text = option_names.lay_over({"speculative-config": "{}"}, {"speculative_config.method": "mtp"}, VLLM, BOTH)
    assert text == {"speculative_config.method": "mtp"}
    assert option_names.lay_over({"speculative_config.method": "x"}, {"sc": {"a": 1}}, VLLM, BOTH) == {"sc": {"a": 1}}


def test_two_names_of_one_option_are_found() -> None:
    assert option_names.twice(["c", "ngl", "ctx-size", "gpu-layers"], LLAMA) == [
        ("ctx-size", "c"),
        ("gpu-layers", "ngl"),
    ]
    both = ["speculative_config.method", "speculative_config.model", "speculative-config"]
    assert option_names.twice(both[:2], VLLM, BOTH) == []
    assert option_names.twice(both, VLLM, BOTH) == [(both[2], both[0])]
    # Without any list, hyphens and dashes at least.
    assert option_names.twice(["--max_model_len", "max-model-len"], {}, BOTH) == [("max-model-len", "--max_model_len")]


def test_a_value_is_found_under_every_name() -> None:
    written = {"c": 4096, "no-mmproj": True, "nkvo": True}
    assert option_names.value_of(written, "ctx-size", LLAMA) == 4096
    assert option_names.value_of(written, "mmproj-auto", LLAMA) is False
    assert option_names.value_of(written, "kv-offload", LLAMA) is False
    assert option_names.value_of(written, "flash-attn", LLAMA) is None
    dotted = {"speculative_config.method": "mtp", "speculative_config.a.b": 1}
    assert option_names.value_of(dotted, "speculative-config", VLLM, BOTH) == {"method": "mtp", "a": {"b": 1}}


def test_negations_that_help_does_not_show() -> None:
    """vLLM 0.33.0 accepts them for options that it negates with the other word (utils/argparse_utils.py, EnableDisableAction)."""
    flags: dict[str, dict[str, Any]] = {
        "--enable-x": {"negation": "--disable-x"},
        "--disable-y": {"negation": "--enable-y"},
        "--enable-z": {"negation": None},
        "--w": {"negation": "--no-w"},
    }
    accepts = (option_names.UNDERSCORES, option_names.HIDDEN_NEGATIONS)
    for name, option in (("no-enable-x", "--enable-x"), ("no_disable_y", "--disable-y")):
        found = option_names.named(flags, name, accepts)
        assert found and (found.option, found.negated) == (option, True)
        assert option_names.named(flags, name) is None
    assert option_names.named(flags, "no-enable-z", accepts) is None
    assert option_names.named(flags, "no-v", accepts) is None
    assert option_names.value_of({"no-enable-x": True}, "enable-x", flags, accepts) is False
