# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for vLLM and SGLang as processes, with short lists of options."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import api, smallest_request

PROGRAM = Path(__file__).resolve().parents[1] / "sandbox" / "engine" / "standin.py"
QUESTION = {"messages": [{"role": "user", "content": "Who are you?"}]}


def option(takes: str = "value", kind: str | None = None, **more: Any) -> dict[str, Any]:
    """An option in the form of a stored list."""
    return {"aliases": [], "takes": takes, "negation": None, "choices": None, "kind": kind, **more}


LISTS: dict[str, dict[str, Any]] = {
    "vllm": {
        "engine": "vllm",
        "version": "25.10",
        "options": {
            "--host": option(),
            "--port": option(kind="whole"),
            "--served-model-name": option("many"),
            "--chat-template": option(),
            "--override-generation-config": option(kind="json"),
            "--generation-config": option(),
            "--max-model-len": option(kind="whole"),
            "--gpu-memory-utilization": option(kind="fraction"),
            "--enforce-eager": option("none", negation="--no-enforce-eager"),
            "--load-format": option(choices=["auto", "dummy"]),
            "--runner": option(choices=["auto", "generate", "pooling"]),
            "--convert": option(choices=["auto", "none", "embed", "classify"]),
            "--hf-overrides": option(),
            "--enable-auto-tool-choice": option("none"),
            "--tool-call-parser": option(),
            "--enable-lora": option("none"),
            "--lora-modules": option("many"),
            "--speculative-config": option(kind="json"),
        },
    },
    "sglang": {
        "engine": "sglang",
        "version": "25.10",
        "options": {
            "--model-path": option(aliases=["--model"]),
            "--host": option(),
            "--port": option(kind="whole"),
            "--served-model-name": option(),
            "--chat-template": option(),
            "--preferred-sampling-params": option(),
            "--enable-metrics": option("none"),
            "--sampling-defaults": option(choices=["openai", "model"]),
            "--tool-call-parser": option(),
            "--speculative-algorithm": option(),
            "--speculative-num-draft-tokens": option(kind="whole"),
        },
    },
}


class Engine:
    """One started stand-in."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self.service: dict[str, Any] = {"api": "chat", "address": "127.0.0.1", "port": port, "served_name": "qwen3"}

    def ask(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Status and document of one request; plain text if it is not JSON."""
        sent = None if body is None else json.dumps(body).encode()
        status, content = api.request("127.0.0.1", self.port, path, content=sent, timeout=20)
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content.decode()

    def chat(self, **more: Any) -> Any:
        """The document of one chat."""
        status, answer = self.ask("/v1/chat/completions", {"model": "qwen3", **QUESTION, **more})
        assert status == 200, answer
        return answer

    def wait(self) -> None:
        """Wait until it can serve."""
        for _ in range(200):
            assert self.process.poll() is None, self.process.communicate()
            with contextlib.suppress(api.ProbeError):
                smallest_request.ready(self.service, 5)
                return
            time.sleep(0.05)
        pytest.fail("it does not get ready")


Start = Callable[..., Engine]
