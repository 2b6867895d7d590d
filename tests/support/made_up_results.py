# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Made-up results, in the form that bench.py and its action write: for tests of the report, and its benchmark."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
REFERENCE: dict[str, Any] = yaml.safe_load((ROOT / "roles/catalog/files/reference.yml").read_text(encoding="utf-8"))[
    "reference"
]
TEMPLATE = (ROOT / "roles/bench/templates/report.html.j2").read_text(encoding="utf-8")
FLOOR = 0.9

# Profile: engine, version, key of the model, its id, precision, bytes that one token reads, and tokens per second.
PROFILES: dict[str, tuple[str, str, str, str, str, float | None, float]] = {
    "qwen3-8b-fp4-vllm": ("vllm", "25.10", "qwen3-8b-fp4", "nv-community/Qwen3-8B-FP4", "modelopt_fp4", 5.15e9, 33.0),
    "qwen3-8b-fp8-sglang": ("sglang", "25.10", "qwen3-8b-fp8", "Qwen/Qwen3-8B-FP8", "fp8_w8a8", 8.3e9, 27.1),
    "qwen3-8b-q5-k-m-llama-cpp": (
        *("llama.cpp", "0c1e570", "qwen3-8b-q5-k-m", "Qwen/Qwen3-8B-GGUF", "Q5_K_M"),
        *(5.45e9, 37.6),
    ),
    "qwen3-coder-30b-a3b-q5-k-m-llama-cpp": (
        *("llama.cpp", "0c1e570", "qwen3-coder-30b-a3b-q5-k-m", "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF", "Q5_K_M"),
        *(2.33e9, 58.0),
    ),
    "whisper-small-vllm": ("vllm", "25.10", "whisper-small", "openai-mirror/whisper-small", "float32", None, 41.0),
}
# What two of them are called in an inventory.
NAMES = {"qwen3-8b-fp4-vllm": "chat", "whisper-small-vllm": "dictation"}


def spread(value: float) -> dict[str, float]:
    """The result of bench.spread for values around this one."""
    return {"mean": value, "median": value, "min": round(value * 0.99, 3), "max": round(value * 1.01, 3)}


def load(api: str, speed: float, concurrency: int = 1, failed: int = 0) -> dict[str, Any]:
    """A load of eight requests."""
    base = {"concurrency": concurrency, "requests": 8, "failed": failed, "errors": ["timeout"] if failed else []}
    together = round(speed * (1 if concurrency == 1 else 0.62 * concurrency), 3)
    if api == "transcription":
        return {**base, "seconds": 9.0, "audio_s": 30.0, "rtf": spread(round(1 / speed, 5)), "audio_s_per_s": together}
    return {
        **base,
        "seconds": round(128 * 8 / together, 3),
        "input_tokens": 2048.0,
        "output_tokens": 128.0,
        "ttft_s": spread(round(20 / speed, 5)),
        "tpot_s": spread(round(1 / speed, 5)),
        "decode_tokens_per_s": spread(round(speed if concurrency == 1 else speed * 0.7, 3)),
        "engine_decode_tokens_per_s": None,
        "output_tokens_per_s": together,
    }


def service(profile: str, speed: float | None, /, **changes: Any) -> dict[str, Any]:
    """A service of this speed; without a speed, it has failed."""
    engine, version, key, identity, precision, active, _ = PROFILES[profile]
    api = "transcription" if profile.startswith("whisper") else "chat"
    return {
        "name": profile,
        "profile": profile,
        "engine": engine,
        "version": version,
        "api": api,
        "state": "failed" if speed is None else "measured",
        "reason": "8 of 8 requests failed at 1 at once: no answer within 600 s." if speed is None else None,
        "model": {
            "key": key,
            "id": identity,
            "revision": "master",
            "precision": precision,
            "bytes": 6e9,
            "active_bytes": active,
        },
        "loads": [load(api, speed or 1, 1, 8)] if speed is None else [load(api, speed), load(api, speed, 8)],
        "memory_free_bytes": 90 * 2**30,
        "slowed_by": {"hot": [], "throttled": []},
        "engine_tool": None,
        **changes,
    }


def result(
    host: str,
    services: Sequence[Mapping[str, Any]],
    *,
    measured_at: str = "2026-05-04T09:00:00Z",
    conditions: Mapping[str, Any] | None = None,
    device: Mapping[str, Any] | None = None,
    method: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A result file's content."""
    memory = {"total": 128 * 2**30, "free": 90 * 2**30, "available": 100 * 2**30, "page_cache": 5 * 2**30}
    return {
        "schema": 1,
        "host": host,
        "run": measured_at.replace("-", "").replace(":", ""),
        "measured_at": measured_at,
        "method": {
            "input_tokens": 2048,
            "output_tokens": 128,
            "requests": 8,
            "warmups": 1,
            "concurrency": [1, 8],
            "audio_seconds": 30,
            "seed": 7,
            **(method or {}),
        },
        "device": {
            "model": "NVIDIA Jetson AGX Thor Developer Kit",
            "l4t": "38.2.0",
            "jetpack": "7.0",
            "cuda": "13.0",
            "architecture": "aarch64",
            **(device or {}),
        },
        "conditions": {
            "power_mode": "MAXN",
            "clocks_locked": True,
            "mig": False,
            "memory": memory,
            "hot": [],
            "throttled": [],
            "slow_clocks": [],
            **(conditions or {}),
        },
        "services": list(services),
    }


def many(hosts: int, *, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Two runs of this many hosts with every profile. Most are alike; some are slow, failed, or far from the others."""
    source = random.Random(seed)
    own = [source.gauss(1, 0.008) for _ in range(hosts)]
    for run, measured_at in enumerate(("2026-04-06T09:00:00Z", "2026-05-04T09:00:00Z")):
        for number in range(hosts):
            name = f"thor{number + 1:0{max(2, len(str(hosts)))}}"
            hot = run == 1 and number % 23 == 1
            weak = run == 1 and number % 37 == 3
            services = []
            for index, (profile, values) in enumerate(PROFILES.items()):
                speed: float | None = round(values[-1] * own[number] * source.gauss(1, 0.004), 3)
                if hot and speed:
                    speed = round(speed * 0.62, 3)
                if weak and index == 2 and speed:
                    speed = round(speed * 0.84, 3)
                if run == 1 and (number + 3 * index) % 41 == 4:
                    speed = None
                changes: dict[str, Any] = (
                    {"version": "26.05"} if run == 1 and values[0] == "vllm" and number % 2 else {}
                )
                if hot:
                    changes["slowed_by"] = {"hot": ["gpu-thermal at 96 °C, slowed down from 95 °C on"], "throttled": []}
                services.append(service(profile, speed, **{"name": NAMES.get(profile, profile), **changes}))
            conditions: dict[str, Any] = {"power_mode": "120W"} if number % 29 == 5 and run == 1 else {}
            if weak:
                conditions["clocks_locked"] = False
            if number % 50 == 2:
                conditions["power_mode"] = None
            yield result(
                name,
                services,
                measured_at=measured_at,
                conditions=conditions,
                device={"l4t": "38.4.0"} if run and number % 4 == 0 else {},
            )
