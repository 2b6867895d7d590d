# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Checks beyond hashes; the module and its job are in tests/unit/modules/test_python_engine.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.environments import (
    checks,
)
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter


@pytest.mark.parametrize(
    ("proof", "wanted", "proven"),
    [
        (None, None, True),
        (None, {"required": [], "lost": {}}, False),
        ({"runs": []}, {"required": [], "lost": {}}, True),
        ({"runs": ["vllm/_C.abi3.so"]}, {"required": ["vllm/_C.*"]}, True),
        ({"runs": ["vllm/_C.abi3.so"]}, {"required": ["vllm/_C.*", "torch/lib/*"]}, False),
    ],
)
def test_what_counts_as_proven(proof: dict[str, Any] | None, wanted: dict[str, Any] | None, proven: bool) -> None:
    assert checks.is_proven(proof, wanted) is proven


def test_an_engine_with_a_stored_list_is_not_asked() -> None:
    assert checks.is_asked("vllm", "0123456789ab", None)
    assert not checks.is_asked("no-such-engine", "0123456789ab", "vllm")
    assert checks.options("no-such-engine", "0123456789ab") is None


def test_nobody_wants_to_know(tmp_path: Path) -> None:
    assert checks.prove(tmp_path, None, tmp_path, Reporter(tmp_path)) is None
