# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The configuration of a service, as the role serving writes it to ``/etc/thor/services/NAME.json``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIGS = "/etc/thor/services"


@dataclass(frozen=True)
class Configuration:
    """One service. ``service`` is the whole document: the API client reads its address, names and paths there."""

    service: Mapping[str, Any]
    start_timeout: float
    stop_timeout: float
    require_gpu: bool
    gpu: Mapping[str, Any] | None  # how the engine's output shows that it uses the GPU
    progress_line: str | None  # expression for lines that show progress, for an engine without a page that does
    interval: float  # seconds between two checks of liveness
    timeout: float  # seconds for one of their requests
    failures: int  # in a row, after which the engine counts as hung
    memory: Mapping[str, Any] | None
    generation_config: Mapping[str, Any] | None

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Configuration:
        """Raises KeyError, TypeError or ValueError for a document that is not a configuration."""
        progress = document.get("progress") or {}
        liveness = document["liveness"]
        # Configurations of earlier versions, which a rollback may bring back, have one expression instead.
        one_line = document.get("gpu_log")
        return cls(
            service=document,
            start_timeout=float(document["start_timeout"]),
            stop_timeout=float(document["stop_timeout"]),
            require_gpu=bool(document.get("require_gpu")),
            gpu=document.get("gpu") or ({"evidence": [one_line]} if one_line else None),
            progress_line=None if progress.get("path") else progress.get("match"),
            interval=float(liveness["interval"]),
            timeout=float(liveness["timeout"]),
            failures=int(liveness["failures"]),
            memory=document.get("memory"),
            generation_config=document.get("generation_config"),
        )


def read(path: str) -> dict[str, Any]:
    """The document in a file. Raises OSError or ValueError."""
    document = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    return document


def start_timeouts() -> list[float]:
    """``start_timeout`` of each service of this host, as far as the configurations can be read."""
    found = []
    for path in Path(CONFIGS).glob("*.json"):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            found.append(float(json.loads(path.read_text(encoding="utf-8"))["start_timeout"]))
    return found
