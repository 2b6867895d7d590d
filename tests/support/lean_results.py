# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Results with only the required keys of the schema."""

from __future__ import annotations

from typing import Any

Q5 = {"key": "qwen3-8b-q5-k-m", "id": "Qwen/Qwen3-8B-GGUF", "revision": "master", "active_bytes": 5450000000}


def spread(value: float) -> dict[str, float]:
    """The figures of identical measurements."""
    return dict.fromkeys(("mean", "median", "min", "max"), value)


def service(rate: float | None = 37.0, **more: Any) -> dict[str, Any]:
    """A measured service; ``rate`` is the speed of a single client."""
    load = {"concurrency": 1, "requests": 8, "failed": 0, "errors": [], "decode_tokens_per_s": rate and spread(rate)}
    wide = {**load, "concurrency": 8, "decode_tokens_per_s": spread(5.0)}
    return {
        "name": "chat",
        "profile": "qwen3-8b-q5-k-m-llama-cpp",
        "engine": "llama.cpp",
        "version": "0c1e570",
        "api": "chat",
        "state": "measured",
        "reason": None,
        "model": dict(Q5),
        # The load with a single client counts, wherever it is.
        "loads": [wide, load],
        **more,
    }


def result(host: str, day: int, *services: dict[str, Any], **conditions: Any) -> dict[str, Any]:
    """The result of a host on a day in November."""
    return {
        "schema": 1,
        "host": host,
        "run": f"202611{day:02d}T200000Z",
        "measured_at": f"2026-11-{day:02d}T20:00:00Z",
        "method": {
            "input_tokens": 2048,
            "output_tokens": 128,
            "requests": 8,
            "warmups": 1,
            "concurrency": [1, 8],
            "audio_seconds": 30.0,
            "seed": 1,
        },
        "device": {"model": "Thor", "l4t": "38.2.0", "jetpack": "7.0", "cuda": "13.0", "architecture": "aarch64"},
        "conditions": {
            "power_mode": "MAXN",
            "clocks_locked": True,
            "mig": False,
            "memory": {"total": 1000, "free": 900, "available": 950, "page_cache": 10},
            "hot": [],
            "throttled": [],
            "slow_clocks": [],
            **conditions,
        },
        "services": list(services),
    }


def embedder(rate: float = 90.0, **more: Any) -> dict[str, Any]:
    """A measured embedding service; ``rate`` is its documents per second."""
    load = {"concurrency": 1, "requests": 8, "failed": 0, "errors": [], "documents": 16, "documents_per_s": rate}
    wide = {**load, "concurrency": 8, "documents_per_s": 3 * rate}
    return service(**{"name": "embed", "profile": "e", "api": "embedding", "loads": [wide, load], **more})
