# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark that an engine brings along."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import (
    engine_tool,
)
from ansible_collections.jetson.thor.plugins.module_utils.observe import host
from streaming_engine import METHOD, Engine, running


@pytest.fixture
def engine() -> Iterator[Engine]:
    with running() as engine:
        yield engine


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A llama-bench that says what the real one says."""
    program = tmp_path / "engines" / "llama.cpp" / "1" / "bin" / "llama-bench"
    program.parent.mkdir(parents=True)
    tests = [
        {"n_prompt": 64, "n_gen": 0, "avg_ts": 900.12345, "stddev_ts": 1.5, "samples_ts": [900]},
        {"n_prompt": 0, "n_gen": 16, "avg_ts": 37.4, "stddev_ts": 0.1, "samples_ts": [37]},
    ]
    program.write_text(f"#!/bin/sh\necho \"$@\" >{tmp_path}/asked\necho '{json.dumps(tests)}'\n")
    program.chmod(0o755)
    monkeypatch.setattr(host, "ENGINES", tmp_path / "engines")
    monkeypatch.setattr(engine_tool, "_as_service", dict)
    return program


def measures(service: dict[str, Any]) -> dict[str, Any]:
    argv = ["llama-bench", "--model", "/m.gguf", "--n-prompt", "{input}", "--n-gen", "{output}"]
    found = engine_tool.measure({**service, "bench_argv": argv}, METHOD, lambda _text: None)
    assert found is not None
    return found


def test_the_engines_own_tool_gets_the_same_lengths(engine: Engine, tool: Path, tmp_path: Path) -> None:
    found = measures(engine.service())
    assert (found["tool"], found["state"]) == ("llama-bench", "measured")
    assert found["tests"] == [
        {"input_tokens": 64, "output_tokens": 0, "tokens_per_s": 900.123, "deviation": 1.5},
        {"input_tokens": 0, "output_tokens": 16, "tokens_per_s": 37.4, "deviation": 0.1},
    ]
    assert (tmp_path / "asked").read_text().split() == ["--model", "/m.gguf", "--n-prompt", "64", "--n-gen", "16"]
    tool.write_text("#!/bin/sh\necho cannot load the model >&2\nexit 3\n")
    assert measures(engine.service())["reason"] == "it ended with code 3: cannot load the model"
    tool.write_text("#!/bin/sh\necho no json\n")
    assert measures(engine.service())["state"] == "failed"
    good = '{"n_prompt": 64, "n_gen": 0, "avg_ts": 900, "stddev_ts": 1}'
    for wrong in (good.replace("900", "NaN"), good.replace("64", "true"), good.replace("1}", "1e400}"), "5", "{}"):
        tool.write_text(f"#!/bin/sh\necho '[{wrong}]'\n")
        assert "not a measurement" in measures(engine.service())["reason"]


def test_the_tool_does_not_wait_forever_for_starting_engines(
    engine: Engine, tool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del tool
    lock = tmp_path / "gpu.lock"
    monkeypatch.setattr(engine_tool, "GPU_LOCK", lock)
    monkeypatch.setattr(engine_tool, "GPU_LOCK_SECONDS", 0.5)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        found = measures(engine.service())
    assert found["state"] == "failed" and found["reason"].startswith("THOR-START-LOCK: an engine has been starting")
    assert measures(engine.service())["state"] == "measured"


def test_the_tool_is_skipped_if_the_model_does_not_fit_twice(engine: Engine, tool: Path) -> None:
    del tool
    large = engine.service(model={"bytes": 10**15})
    found = measures(large)
    assert found["state"] == "skipped" and "a second time" in found["reason"]
    unknown = measures(engine.service(model={"bytes": None}))
    assert unknown["state"] == "skipped" and "nobody knows how large" in unknown["reason"]
    assert engine_tool.measure(engine.service(), METHOD, lambda _text: None) is None, "an engine without one"
