# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module hub_model: check mode, diff mode, and a second run."""

from __future__ import annotations

import sys
from pathlib import Path

import hub_server
import huggingface_server
import module_promises
import pytest


def test_it_keeps_its_promises_with_hugging_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = module_promises.inline_jobs(monkeypatch)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with huggingface_server.running() as hub:
        commit = hub.push("acme/small", {"config.json": b"{}", "model.gguf": b"x" * 100_000})
        hub.repositories["acme/small"].private = True
        hub.repositories["acme/small"].readers = {"hf_reader"}
        arguments = {
            "sources": [{"hub": "huggingface", "id": "acme/small"}],
            "hubs": {"huggingface": {"endpoint": hub.url, "token": "hf_reader", "client": sys.prefix}},
            "exclude": ["*.md"],
            "path": str(tmp_path / "models/acme/small"),
            "retries": 1,
            "idle_timeout": 5,
            "timeout": 60,
        }
        result = module_promises.keep("hub_model", arguments, tmp_path)
    assert (result["hub"], result["commit"], result["fetched_bytes"]) == ("huggingface", commit, 100_002)
    assert "hf_reader" not in str({key: value for key, value in result.items() if key != "invocation"})
    assert started == ["fetch-acme-small"]


def test_it_keeps_its_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = module_promises.inline_jobs(monkeypatch)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    place = tmp_path / "models/acme/small"
    with hub_server.running() as hub:
        hub.put("acme/small", {"config.json": b"{}", "model.gguf": b"x" * 1000})
        arguments = {
            "sources": [{"hub": "modelscope", "id": "acme/small"}],
            "hubs": {"modelscope": {"endpoint": hub.url, "client": sys.prefix}},
            "path": str(place),
            "retries": 1,
            "idle_timeout": 5,
            "timeout": 60,
        }
        result = module_promises.keep("hub_model", arguments, tmp_path)
    assert (place / "model.gguf").stat().st_size == 1000
    assert result["fetched_bytes"] == 1002
    assert started == ["fetch-acme-small"], "neither check mode nor a second run starts a job"
