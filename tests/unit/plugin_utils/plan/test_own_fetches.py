# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The plan says what an engine would fetch by itself."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import own_fetches


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["llama-server", "-hfd", "org/draft", "-ngl", "all"], ["org/draft"]),
        (["vllm", "serve", "/models/a", "--speculative_config.model", "org/draft"], ["org/draft"]),
        (["vllm", "serve", "/models/a", "--speculative-config", '{"method":"mtp","model":"org/draft"}'], ["org/draft"]),
        (["vllm", "serve", "/models/a", "--speculative-config", '{"method":"mtp","model":"/models/d"}'], []),
        (["vllm", "serve", "/models/a", "--speculative-config", '{"method":"ngram"}'], []),
        (["vllm", "serve", "/models/a", "--speculative-config", "{"], []),
        (["python", "--speculative-draft-model-path", "/models/d"], []),
        (["python", "--speculative-draft-model-path", "org/draft"], ["org/draft"]),
    ],
)
def test_what_is_named_elsewhere(argv: list[str], named: list[str]) -> None:
    assert [value for _option, value in own_fetches.found({"argv": argv})] == named


def test_a_built_engine_cannot_fetch() -> None:
    service: dict[str, Any] = {
        "name": "chat",
        "engine": "llama.cpp",
        "kind": "build",
        "argv": ["llama-server", "-hfd", "a/b"],
    }
    (line,) = own_fetches.lines([service])
    assert line.startswith("chat: a/b (-hfd) is neither pinned nor counted") and "no HTTPS" in line
    (image,) = own_fetches.lines([{**service, "kind": "image"}])
    assert "HTTPS" not in image
