# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What options name elsewhere, and which services have no hub."""

from __future__ import annotations

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import elsewhere


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["llama-server", "-hfd", "org/draft", "-ngl", "all"], ["org/draft"]),
        (["vllm", "serve", "/models/a", "--speculative_config.model", "org/draft"], ["org/draft"]),
        (["vllm", "serve", "/models/a", "--speculative-config", '{"method":"mtp","model":"org/draft"}'], ["org/draft"]),
        (["vllm", "serve", "/models/a", "--speculative-config", '{"method":"mtp","model":"/models/d"}'], []),
        (["vllm", "serve", "/models/a", "--speculative-config", '{"method":"ngram"}'], []),
        (["vllm", "serve", "/models/a", "--speculative-config", '{"model":"[ngram]"}'], []),
        (["vllm", "serve", "/models/a", "--speculative-config", "{"], []),
        (["vllm", "serve", "/models/a", "--tokenizer", "org/tok", "--hf_config_path=org/x"], ["org/tok", "org/x"]),
        (["vllm", "serve", "/models/a", "--tokenizer", "/models/a"], []),
        (["python", "--speculative-draft-model-path", "/models/d"], []),
        (["python", "--speculative-draft-model-path", "org/draft", "--tokenizer-path", "t"], ["org/draft", "t"]),
    ],
)
def test_which_repositories_are_named(argv: list[str], named: list[str]) -> None:
    assert [value for _option, value in elsewhere.repositories(argv)] == named


@pytest.mark.parametrize(
    ("kind", "environment", "offline"),
    [
        ("packages", {}, True),
        ("packages", {"HF_HUB_OFFLINE": "0"}, False),
        ("packages", {"HF_HUB_OFFLINE": "true"}, True),
        ("packages", {"TRANSFORMERS_OFFLINE": "0"}, True),
        ("image", {}, False),
        ("image", {"HF_HUB_OFFLINE": "1"}, True),
        ("image", {"TRANSFORMERS_OFFLINE": "yes"}, True),
        ("build", {}, False),
    ],
)
def test_python_packages_have_no_hub_and_images_may_have_one(
    kind: str, environment: dict[str, str], offline: bool
) -> None:
    assert elsewhere.is_offline(kind, environment) is offline
