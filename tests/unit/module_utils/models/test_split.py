# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Names of a GGUF that was split."""

from __future__ import annotations

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models import split


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("q/x-00002-of-00003.gguf", ["q/x-00001-of-00003.gguf", "q/x-00002-of-00003.gguf", "q/x-00003-of-00003.gguf"]),
        ("x-00001-of-00001.gguf", ["x-00001-of-00001.gguf"]),
        ("x.gguf", []),
        ("x-00001-of-00003.safetensors", []),
        ("x-00000-of-00000.gguf", []),
    ],
)
def test_the_parts_of_a_file(name: str, parts: list[str]) -> None:
    assert split.parts_of(name) == parts
