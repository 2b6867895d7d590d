# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How a container of a service is run, and so is the check of its image: the runtime and the environment variables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

# The runtime that gives a container the GPU.
RUNTIME = "nvidia"
CACHE = "/root/.cache"


def container_environment(environment: Mapping[str, Any]) -> dict[str, str]:
    """All environment variables of a service's container, and of its image's GPU check.

    HOME and caches: everything that an engine compiles lies on one volume and survives the container. vLLM, FlashInfer, SGLang
    and torch's extensions use $XDG_CACHE_HOME or ~/.cache; Triton (~/.triton), Inductor (/tmp) and CUDA (~/.nv) have to be told.
    NVIDIA_VISIBLE_DEVICES: the GPUs that the runtime exposes; without it a Thor (csv mode) exposes none.
    """
    own = {
        "HOME": "/root",
        "XDG_CACHE_HOME": CACHE,
        "TRITON_CACHE_DIR": f"{CACHE}/triton",
        "TORCHINDUCTOR_CACHE_DIR": f"{CACHE}/torchinductor",
        "CUDA_CACHE_PATH": f"{CACHE}/nv",
        "NVIDIA_VISIBLE_DEVICES": "all",
    }
    return {**own, **{name: str(value) for name, value in environment.items()}}


def environment_key(environment: Mapping[str, str]) -> str:
    """The name of an environment in a record. It hides the values, which may be private."""
    return hashlib.sha256(json.dumps(environment, sort_keys=True).encode()).hexdigest()[:16]
