# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Services for tests, really resolved from the collection's own catalog."""

from __future__ import annotations

from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from real_catalog import BUILT_IN

LLAMA = "qwen3-8b-q5-k-m-llama-cpp"
VLLM = "qwen3-8b-vllm"
SGLANG = "qwen3-8b-sglang"
WHISPER = "whisper-large-v3-turbo-whisper-cpp"


def service(profile: str = LLAMA, **changes: Any) -> Service:
    """The service of ``thor_profiles: [{profile: ..., **changes}]``. Use ``dataclasses.replace`` for what no inventory can say."""
    (only,) = services({"profile": profile, **changes})
    return only


def services(*profiles: Any, **inputs: Any) -> list[Service]:
    """The services of a host with these ``thor_profiles``; ``inputs`` are those of Inputs."""
    allowed = {"allow_broken": True, "allow_unbounded_memory": True, "allow_unauthenticated": True}
    resolution = resolve(Inputs(list(profiles), **{**allowed, **inputs}), BUILT_IN)
    assert resolution.problems == []
    return resolution.services
