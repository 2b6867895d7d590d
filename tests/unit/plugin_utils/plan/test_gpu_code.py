# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What is known of the CUDA code of installed engines, by the way in which each was installed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import gpu_code
from sample_host import service

LACKS = [{"path": "vllm/fa3.so", "lost": "FlashAttention 3 (for Hopper)"}]
FOUND = {"architecture": "110", "runs": ["vllm/_C.abi3.so"], "lacks": LACKS}
TEXT = "1 of 2 CUDA libraries run on Thor; no code for it in: FlashAttention 3"
IMAGE = "nvcr.io/nvidia/vllm:26.09-py3"


@pytest.mark.parametrize(
    ("kind", "host", "name"),
    [
        ("environments", {"vllm": {"0.33.0": {"cuda_code": FOUND}}}, "vllm 0.33.0"),
        ("builds", {"vllm": {"0.33.0": {"cuda_code": FOUND}}}, "vllm 0.33.0"),
        ("images", {IMAGE: {"proof": {"cuda_code": FOUND}}}, IMAGE),
    ],
)
def test_each_kind_of_engine_is_told_once(kind: str, host: dict[str, Any], name: str) -> None:
    chat = service(engine="vllm", version="0.33.0", image=IMAGE)
    code = {**chat, "name": "code"}
    assert gpu_code.lines([chat, code], {kind: host}) == [f"{name}: {TEXT}"]
    assert gpu_code.of(chat, {kind: host}) == TEXT


@pytest.mark.parametrize(
    "host",
    [
        {},
        {"environments": {"vllm": {"0.31.0": {"cuda_code": FOUND}}}},
        {"environments": {"vllm": {"0.33.0": {"cuda_code": None}}}},
        {"images": {IMAGE: {"proof": None}}},
        {"images": {IMAGE: {"proof": {"cuda_code": None}}}},
    ],
)
def test_what_is_not_known_is_not_told(host: dict[str, Any]) -> None:
    chat = service(engine="vllm", version="0.33.0", image=IMAGE)
    assert gpu_code.of(chat, host) is None and gpu_code.lines([chat], host) == []
