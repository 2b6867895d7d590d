# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What is observed of a host's compilers and tools."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import cuobjdump
from ansible_collections.jetson.thor.plugins.module_utils.observe import toolchain


def test_what_reads_cuda_code_is_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "cuobjdump"
    monkeypatch.setattr(cuobjdump, "PLACES", (str(program),))
    assert toolchain.observe()["cuobjdump"] is None
    program.touch()
    assert toolchain.observe()["cuobjdump"] == str(program)
