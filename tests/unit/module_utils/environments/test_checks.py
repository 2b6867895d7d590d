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


def read(files: dict[str, bool]) -> dict[str, Any]:
    """The record of what was read: which files run."""
    code: dict[str, Any] = {"machine_code": {"sm_90": 1}, "ptx": {}}
    return {"libraries": {path: {**code, "runs": runs} for path, runs in files.items()}}


@pytest.mark.parametrize(
    ("proof", "wanted", "proven"),
    [
        (None, None, True),
        (None, {"required": [], "lost": {}}, False),
        (read({}), {"required": [], "lost": {}}, True),
        (read({"vllm/_C.abi3.so": True}), {"required": ["vllm/_C.*"]}, True),
        (read({"vllm/_C.abi3.so": True}), {"required": ["vllm/_C.*", "torch/lib/*"]}, False),
        # As when it is installed: every file of a pattern must run.
        (read({"vllm/_C.abi3.so": True, "vllm/_C_stable.so": False}), {"required": ["vllm/_C*"]}, False),
    ],
)
def test_what_counts_as_proven(proof: dict[str, Any] | None, wanted: dict[str, Any] | None, proven: bool) -> None:
    assert checks.is_proven(proof, wanted) is proven


def test_an_engine_with_a_stored_list_is_not_asked() -> None:
    spec = {"engine": "no-such-engine", "parser": None, "argvs": {"chat": ["serve", "--port", "1"]}, "wanted": {}}
    assert checks.is_asked(spec, "0123456789ab")
    assert not checks.is_asked({**spec, "parser": "vllm"}, "0123456789ab")
    assert checks.options("no-such-engine", "0123456789ab") is None


def test_nobody_wants_to_know(tmp_path: Path) -> None:
    assert checks.prove(tmp_path, None, tmp_path, Reporter(tmp_path)) is None
