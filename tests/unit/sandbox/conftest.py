# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Stand-ins that the tests start."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from standin_runs import LISTS, PROGRAM, Engine, Start


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model in the shape of a Qwen3."""
    folder = tmp_path / "Qwen3-8B"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["Qwen3ForCausalLM"], "max_position_embeddings": 40960}')
    (folder / "generation_config.json").write_text(
        '{"temperature": 0.6, "top_k": 20, "top_p": 0.95, "do_sample": true}'
    )
    (folder / "model.safetensors").write_bytes(b"x")
    return folder


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Start]:
    """Start a stand-in: launch(kind, argument...); stops all of them at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(kind: str, *argv: str, **environment: str) -> Engine:
        flags = tmp_path / f"{kind}.json"
        flags.write_text(json.dumps(LISTS[kind]))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        base = {**os.environ, "STANDIN_FLAGS": str(flags), "STANDIN_CACHE": str(tmp_path / "cache")}
        quick = {"STANDIN_LOAD_SECONDS": "0.1", "STANDIN_COMPILE_SECONDS": "0", "STANDIN_TOKEN_SECONDS": "0.001"}
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), kind, *argv, "--host", "127.0.0.1", "--port", str(port)],
            env={**base, **quick, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return Engine(process, port)

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def vllm(launch: Start, model: Path) -> Engine:
    """A vLLM that serves."""
    values = '{"repetition_penalty": 1.2, "temperature": 0.8, "top_p": 0.95}'
    engine = launch("vllm", "serve", str(model), "--served-model-name", "qwen3", "--override-generation-config", values)
    engine.wait()
    return engine


@pytest.fixture
def sglang(launch: Start, model: Path) -> Engine:
    """An SGLang that serves."""
    values = '{"repetition_penalty": 1.2, "temperature": 0.7}'
    argv = ["--model-path", str(model), "--served-model-name", "qwen3", "--preferred-sampling-params", values]
    engine = launch("sglang", *argv)
    engine.wait()
    return engine
