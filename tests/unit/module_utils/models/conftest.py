# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A hub with one small model, and the place where that belongs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hub_server
import huggingface_server
import pytest
from model_store import FILES, ID


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[hub_server.Hub]:
    """A hub with one small model."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with hub_server.running() as hub:
        hub.put(ID, dict(FILES))
        yield hub


@pytest.fixture
def face(monkeypatch: pytest.MonkeyPatch) -> Iterator[huggingface_server.HuggingFace]:
    """A Hugging Face hub with the same model."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with huggingface_server.running() as hub:
        hub.push(ID, dict(FILES))
        yield hub


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the model belongs."""
    return tmp_path / "models" / "acme" / "small"
