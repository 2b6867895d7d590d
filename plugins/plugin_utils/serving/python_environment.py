# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How a service runs from a Python environment: where its engine is, and the variables that every Python engine gets.

The variables were read in the wheels of vLLM 0.33.0, SGLang 0.5.23, FunASR 1.4.16 and what they bring, for aarch64.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.placeholders import ENVIRONMENT
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service

# What a unit has without any (systemd.exec(5)).
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Nothing listens there (the discard port), so a hub's client without an offline switch fails at once.
NOWHERE = "127.0.0.1:9"


def tree(service: Service, host: Mapping[str, Any]) -> str:
    """The folder of the engine's environment; in a plan before the installation the link that will lead to it."""
    found = ((host.get("environments") or {}).get(service.engine) or {}).get(service.version) or {}
    return str(found.get("path") or f"/opt/thor/engines/{service.engine}/{service.version}")


def installation(service: Service, host: Mapping[str, Any]) -> str | None:
    """What distinguishes the environment from an earlier one in the same folder; None before the installation."""
    found = ((host.get("environments") or {}).get(service.engine) or {}).get(service.version) or {}
    return found.get("installation")


def variables(service: Service, environment: str, home: str) -> dict[str, str]:
    """All variables of the unit. ``environment`` is the folder of the engine, ``home`` the unit's cache, which it may write.

    A service's own variables win, except that the folder is filled in.
    """
    own = {key: value.replace(ENVIRONMENT, environment) for key, value in service.environment.items()}
    return {
        "HOME": home,
        # nvcc, ninja and ptxas of the environment; gcc, ffmpeg and ldconfig of the system.
        "PATH": f"{environment}/bin:{environment}/cuda/bin:{SYSTEM_PATH}",
        "PYTHONNOUSERSITE": "1",
        **_caches(home),
        **OFFLINE,
        **LOOPBACK,
        **own,
    }


def _caches(home: str) -> dict[str, str]:
    """Where engines compile to. vLLM, SGLang, FlashInfer, TVM FFI and torch's extensions follow XDG_CACHE_HOME or HOME by themselves.

    Inductor, CuTe and QuACK write to /tmp, which a restart empties, and Numba beside the code, which is read-only. Triton and CUDA
    use hidden folders of HOME; named here, they are found where the others are.
    """
    return {
        "XDG_CACHE_HOME": home,
        "TRITON_CACHE_DIR": f"{home}/triton",
        "TORCHINDUCTOR_CACHE_DIR": f"{home}/torchinductor",
        "CUDA_CACHE_PATH": f"{home}/nv",
        "NUMBA_CACHE_DIR": f"{home}/numba",
        "CUTE_DSL_CACHE_DIR": f"{home}/cute",
        "QUACK_CACHE_DIR": f"{home}/quack",
    }


# Everything that a service needs is on disk before it starts. Hugging Face's libraries know a switch for that, FlashInfer as well
# (flashinfer/jit/cubin_loader.py), ModelScope's (1.40.2, and modelscope-hub 0.5.1) only the address of the hub; one attempt, because
# FunASR waits for the last one inside its event loop. Usage statistics: huggingface_hub, vLLM and others obey DO_NOT_TRACK.
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "FLASHINFER_NO_DOWNLOAD": "1",
    "MODELSCOPE_ENDPOINT": f"http://{NOWHERE}",
    "MODELSCOPE_DOMAIN": NOWHERE,
    "MODELSCOPE_REPO_TREE_PAGE_MAX_ATTEMPTS": "1",
    "DO_NOT_TRACK": "1",
}
# PyTorch's processes of one engine talk over this interface, also where the service itself listens on another.
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
