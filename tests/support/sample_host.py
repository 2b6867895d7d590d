# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A Thor in good order with room for everything, and a service for it: what tests of the plan start from."""

from __future__ import annotations

import copy
from typing import Any

import resolved
from ansible_collections.jetson.thor.plugins.module_utils.builds.inputs import inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import builds
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.builds import BuildSettings
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.preflight import GIB
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import Settings

SETTINGS = Settings(
    memory_reserve_gib=8,
    disk_reserve_gib=5,
    supported_os=["ubuntu 24.04"],
    minimum_l4t="38.2",
    builds={"llama_cpp": BuildSettings()},
)
DISK = {"free_bytes": 100 * GIB, "total_bytes": 900 * GIB, "device": 1}
HOST: dict[str, Any] = {
    "device": {"model": "NVIDIA Jetson AGX Thor Developer Kit", "thor": True},
    "l4t": "38.2.0",
    "os": {"id": "ubuntu", "version_id": "24.04"},
    "systemd": 255,
    "memory": {"total_bytes": 122 * GIB},
    "toolchain": {"nvcc": "/usr/local/cuda/bin/nvcc", "cuda": "13.0", "compiler": "g++ 13.3.0"},
    "architecture": "aarch64",
    "cpus": 14,
    "programs": {"ffmpeg": None},
    "disks": {path: dict(DISK) for path in ("/models", "/opt/thor", "/var/lib/thor", "/var/lib/docker")},
    "docker": None,
    "container_packages": {},
    "held_packages": [],
    "daemon_json": None,
    "daemon_json_error": None,
    "images": {},
    "builds": {},
    "environments": {},
    "python": {"version": "3.12.3", "tag": "cp312", "path": "/usr/bin/python3", "headers": True, "venv": True},
    "models": {},
    "units": {},
    "listening": [],
}
ARTIFACT: dict[str, Any] = {
    "key": "m",
    "source": "hub",
    "sources": [{"hub": "modelscope", "id": "a/b", "revision": "master"}],
    "include": ["x.gguf"],
    "exclude": [],
    "path": "/models/a/b",
    "bytes": 20 * GIB,
}
# The service of a real profile, with a model of round numbers.
SERVICE: dict[str, Any] = {
    **resolved.service(resolved.LLAMA, name="chat", version="0c1e570", memory_gib=14).to_facts(),
    "profile": "p",
    "model": ARTIFACT,
}


def host(**changes: Any) -> dict[str, Any]:
    """The host with other facts."""
    return {**copy.deepcopy(HOST), **changes}


def service(**changes: Any) -> dict[str, Any]:
    """The service with other fields."""
    return {**copy.deepcopy(SERVICE), **changes}


def made(cuda: bool = True, **changes: Any) -> dict[str, Any]:
    """The builds of a host that has what SERVICE needs; ``changes`` are to the record of it."""
    (build,) = builds.due([SERVICE], HOST, {"llama_cpp": BuildSettings(cuda=cuda)})
    return {"llama.cpp": {"0c1e570": {"inputs": inputs(vars(build), HOST["toolchain"], "aarch64"), **changes}}}
