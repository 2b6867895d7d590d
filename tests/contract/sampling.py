# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The sampling values for a request that sets none, according to the real code of vLLM or SGLang.

Run by test_sampling.py in an environment that has the engine; needs no GPU, no weights and no server:

    python tests/contract/sampling.py sglang FOLDER '{"temperature": 0.6}'

FOLDER contains the model's generation_config.json, the JSON is the value of the engine's option (--override-generation-config,
--preferred-sampling-params) or null. Prints ``{"chat": {...}, "asked": {...}, "generate": {...} or null}``: the values of a chat
request that asks for none, of one that asks for temperature 0.1, and of a bare /generate (SGLang).
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_FILE = Path(__file__).resolve().parents[2] / "plugins/module_utils/real_parser.py"
_spec = importlib.util.spec_from_file_location("real_parser", _FILE)
assert _spec is not None and _spec.loader is not None
real_parser = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(real_parser)
NAMES = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
MESSAGES = [{"role": "user", "content": "?"}]


def picked(parameters: Any) -> dict[str, Any]:
    """The values that a person may set."""
    return {name: getattr(parameters, name) for name in NAMES}


def vllm(folder: str, option: dict[str, Any] | None) -> dict[str, Any]:
    """vLLM: ModelConfig has the server's defaults, and the request overrides them."""
    config = importlib.import_module("vllm.config").ModelConfig
    request = real_parser.first(
        "ChatCompletionRequest", "vllm.entrypoints.openai.chat_completion.protocol", "vllm.entrypoints.openai.protocol"
    )
    # Only the part of a ModelConfig that the defaults need: a complete one needs the model's weights and tokenizer.
    model = SimpleNamespace(
        model=folder,
        hf_config_path=None,
        generation_config="auto",
        override_generation_config=option or {},
        trust_remote_code=False,
        revision=None,
        config_format="auto",
        hf_token=None,
    )
    model.try_get_generation_config = lambda: config.try_get_generation_config(model)
    defaults = config.get_diff_sampling_param(model)

    def chat(**more: Any) -> dict[str, Any]:
        asked = request(model="m", messages=MESSAGES, **more)
        arguments = {"max_tokens": 16, "logits_processor_pattern": None, "default_sampling_params": defaults}
        with contextlib.suppress(TypeError):
            return picked(asked.to_sampling_params(**arguments))
        del arguments["logits_processor_pattern"]
        return picked(asked.to_sampling_params(**arguments))

    return {"chat": chat(), "asked": chat(temperature=0.1), "generate": None}


def sglang(folder: str, option: dict[str, Any] | None) -> dict[str, Any]:
    """SGLang: the chat endpoint fills in missing values, and only then does --preferred-sampling-params apply."""
    real_parser.without_kernels()
    config = importlib.import_module("sglang.srt.configs.model_config")
    protocol = importlib.import_module("sglang.srt.entrypoints.openai.protocol")
    serving = importlib.import_module("sglang.srt.entrypoints.openai.serving_chat").OpenAIServingChat
    tokenizer = importlib.import_module("sglang.srt.managers.tokenizer_manager").TokenizerManager
    structures = importlib.import_module("sglang.srt.managers.io_struct")
    read = config.get_generation_config(folder, trust_remote_code=False, revision=None)
    model = SimpleNamespace(sampling_defaults="model", hf_generation_config=read)
    # 0.5.3 knows no defaults of the model.
    find = getattr(config.ModelConfig, "get_default_sampling_params", None)
    endpoint = SimpleNamespace(default_sampling_params=find(model) if find else {})
    manager = SimpleNamespace(
        preferred_sampling_params=option,
        tokenizer=None,
        model_config=SimpleNamespace(vocab_size=1000),
        server_args=None,
    )

    def seen(values: dict[str, Any]) -> dict[str, Any]:
        wanted = structures.GenerateReqInput(input_ids=[1], sampling_params=values)
        wanted.normalize_batch_and_arguments()
        return picked(tokenizer._create_tokenized_object(manager, wanted, "", [1]).sampling_params)

    def chat(**more: Any) -> dict[str, Any]:
        asked = protocol.ChatCompletionRequest(model="m", messages=MESSAGES, max_tokens=16, **more)
        if hasattr(asked, "to_sampling_params"):
            return seen(asked.to_sampling_params([], endpoint.default_sampling_params, None))
        return seen(serving._build_sampling_params(endpoint, asked, [], None))

    return {"chat": chat(), "asked": chat(temperature=0.1), "generate": seen({"max_new_tokens": 16})}


def main() -> int:
    """Run the command; the answer is the only thing on standard output."""
    _name, engine, folder, option = sys.argv
    with contextlib.redirect_stdout(sys.stderr):
        answer = {"vllm": vllm, "sglang": sglang}[engine](folder, json.loads(option))
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
