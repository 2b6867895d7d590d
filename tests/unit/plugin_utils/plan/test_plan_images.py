# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What has to be done about the images of a host."""

from __future__ import annotations

from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.images.environment import (
    container_environment,
    environment_key,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import images

VLLM, SGLANG = "hub:5000/nvidia/vllm:25.10-py3", "hub:5000/nvidia/sglang:26.01-py3"
ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
PLAIN = container_environment({})
KEYS = [environment_key(PLAIN)]


def service(reference: str | None, digest: str | None = None) -> dict[str, Any]:
    image = {"image": reference, "image_digest": digest, "image_bytes": 5}
    return {"engine": "vllm", "version": "25.10", "environment": PLAIN, **image}


def test_work_is_what_is_missing_unproven_or_unwanted() -> None:
    proof = {"gpu": True, "l4t": "38.2.0", "toolkit": "1.18.1-1", "environments": KEYS}
    held = {"digest": ONE, "present": True, "architecture": "arm64", "proof": proof}
    host: dict[str, Any] = {
        "images": {VLLM: held, SGLANG: {**held, "digest": TWO}},
        "superseded_images": [f"old@{TWO}"],
        "l4t": "38.2.0",
        "container_packages": {"nvidia-container-toolkit": "1.18.1-1"},
    }
    services = [service(VLLM)]
    assert images.work(services, host)["todo"] == []
    assert images.work(services, host, prune=True)["todo"] == [f"remove {SGLANG}", f"remove old@{TWO}"]
    assert images.work([service(VLLM, ONE)], host)["todo"] == []
    assert images.work([service(VLLM, TWO)], host)["todo"] == [f"pull {VLLM}"], "the lock says another one"
    changes: list[dict[str, Any]] = [
        {"l4t": "38.4.0"},
        {"container_packages": {}},
        {"images": {VLLM: {**held, "proof": None}}},
        {"images": {VLLM: {**held, "proof": {**proof, "gpu": False}}}},
        {"images": {VLLM: {**held, "proof": {**proof, "environments": []}}}},
    ]
    for change in changes:
        assert images.work(services, {**host, **change})["todo"] == [f"check the GPU in {VLLM}"]
    assert images.work(services, {**host, "images": {VLLM: {**held, "present": False}}})["todo"] == [f"pull {VLLM}"]
    assert images.work(services, {})["todo"] == [f"pull {VLLM}"], "a fresh host"
    elsewhere = {**service(VLLM), "environment": {**PLAIN, "NVIDIA_VISIBLE_DEVICES": "0"}}
    assert images.work([elsewhere], host)["todo"] == [f"check the GPU in {VLLM}"], "it was proven with other devices"
    unproven = {**host, "images": {VLLM: {**held, "proof": {**proof, "gpu": False}}}}
    assert images.work(services, unproven, require_gpu=False)["todo"] == []


def test_each_image_is_needed_once() -> None:
    services = [service(VLLM), service(None), service(VLLM, ONE), {"engine": "llama.cpp", "version": "1"}]
    assert images.needed(services) == [
        {
            "reference": VLLM,
            "digest": ONE,
            "engine": "vllm",
            "version": "25.10",
            "bytes": 5,
            "extras": [],
            "environments": [PLAIN],
        }
    ]
    listens = {**service(VLLM), "python_packages": ["soundfile==2", "librosa==1"]}
    (needed,) = images.needed([service(VLLM), listens, listens])
    assert needed["extras"] == [["librosa==1", "soundfile==2"]], "once, whatever their order"
    other = {**service(VLLM), "environment": {**PLAIN, "NVIDIA_DISABLE_REQUIRE": "1"}}
    (needed,) = images.needed([service(VLLM), other, service(VLLM), other])
    assert needed["environments"] == [PLAIN, {**PLAIN, "NVIDIA_DISABLE_REQUIRE": "1"}], "each once"
