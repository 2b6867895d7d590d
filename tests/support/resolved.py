# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Services for tests, really resolved from the collection's own catalog."""

from __future__ import annotations

from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from real_catalog import BUILT_IN, run

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
    allowed = {"allow_broken": True, "allow_unauthenticated": True}
    resolution = resolve(Inputs(list(profiles), **{**allowed, **inputs}), BUILT_IN)
    assert resolution.problems == []
    return resolution.services


def packaged(profile: str, **changes: Any) -> Service:
    """The service with a version of its engine that is made of Python packages; no lock is needed for that."""
    engine = service(profile).engine
    version = {"packages": f"{engine}==99.0", "engine_version": "99.0"}
    entry = {"profile": profile, "version": "packaged", **changes}
    settings = {"allow_broken": True}
    resolution = run(entry, extra={"engines": {engine: {"versions": {"packaged": version}}}}, **settings)
    assert resolution.services[0].kind == "packages", resolution.problems
    return resolution.services[0]
