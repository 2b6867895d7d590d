# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module cuda_code: what it returns, what it refuses, and that it changes nothing."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import fake_cuobjdump
import module_promises
import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.jetson.thor.plugins.modules import cuda_code
from fake_cuobjdump import library, listing


@pytest.fixture(name="arguments")
def _arguments(tmp_path: Path) -> dict[str, Any]:
    """The module's arguments for a tree in which one program runs on Thor and one does not."""
    program = fake_cuobjdump.make(tmp_path)
    program.chmod(0o755)
    library(tmp_path / "tree" / "bin" / "llama-server", listing({"sm_110": 3}))
    library(tmp_path / "tree" / "bin" / "old-server", listing({"sm_90": 3}))
    (tmp_path / "current").symlink_to("tree")
    return {"path": str(tmp_path / "current"), "cuobjdump": str(program), "state": str(tmp_path / "state")}


def test_it_tells_what_runs(arguments: dict[str, Any]) -> None:
    asked = {**arguments, "lost": {"bin/old*": "the old server"}}
    result = module_promises.keep_reading("cuda_code", asked, Path(arguments["path"]).resolve())
    assert result["libraries"]["bin/llama-server"] == {"machine_code": {"sm_110": 3}, "ptx": {}, "runs": True}
    assert result["lacks"] == [{"path": "bin/old-server", "lost": "the old server"}]
    assert result["text"] == "1 of 2 CUDA libraries run on Thor; no code for it in: the old server"
    assert module_promises.run("cuda_code", {**arguments, "architecture": "90"})["runs"] == ["bin/old-server"]


def test_check_mode_returns_the_same_and_keeps_nothing(arguments: dict[str, Any]) -> None:
    before = module_promises.run("cuda_code", arguments, check=True)
    assert not Path(arguments["state"]).exists()
    after = module_promises.run("cuda_code", arguments)
    assert Path(arguments["state"]).exists()
    assert {**before, "seconds": 0} == {**after, "seconds": 0}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"required": ["bin/*"]}, "THOR-CUDA-CODE"),
        ({"path": "/nowhere"}, "THOR-VALUE-INVALID"),
        ({"architecture": "sm_110"}, "THOR-VALUE-INVALID"),
        ({"cuobjdump": "/nowhere"}, "THOR-CUOBJDUMP"),
    ],
)
def test_what_it_refuses(arguments: dict[str, Any], wrong: dict[str, Any], code: str) -> None:
    said = io.StringIO()
    with patch_module_args(arguments | wrong), contextlib.redirect_stdout(said), pytest.raises(SystemExit):
        cuda_code.main()
    result = json.loads(said.getvalue())
    assert result["failed"]
    assert [problem["code"] for problem in result["problems"]] == [code]
    assert code in result["msg"]
