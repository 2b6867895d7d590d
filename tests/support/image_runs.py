# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Images, pulls and runs of the job of engine_image, against the fake dockerd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.images import job
from ansible_collections.jetson.thor.plugins.module_utils.images.environment import container_environment
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter

VLLM, SGLANG = "hub:5000/nvidia/vllm:25.10-py3", "hub:5000/nvidia/sglang:25.10-py3"
ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
KEY = "very-secret-key"
SOUND = ["librosa==0.11.0", "soundfile==0.14.0"]
LACKS = {"soundfile": "ModuleNotFoundError: No module named 'soundfile'"}
DERIVED = f"sha256:{'d' * 64}"


def image(reference: str = VLLM, digest: str | None = None, engine: str = "vllm") -> dict[str, Any]:
    fixed = {"version": "25.10", "bytes": 1, "extras": [], "wanted": {}}
    return {"reference": reference, "digest": digest, "engine": engine, **fixed}


def login(registry: str) -> list[dict[str, Any]]:
    """The parameter registry_logins with one login."""
    return [{"registry": registry, "login": {"username": "$oauthtoken", "password": KEY}}]


def listening() -> dict[str, Any]:
    return {**image(), "extras": [SOUND]}


def service(**more: Any) -> dict[str, Any]:
    """A resolved service that needs the image, as far as the plan of images reads it."""
    return {"image": VLLM, "engine": "vllm", "version": "25.10", "environment": container_environment({}), **more}


def spec(*wanted: dict[str, Any], **more: Any) -> dict[str, Any]:
    values = {
        "registry_logins": [],
        "require_gpu": False,
        "l4t": "38.2.0",
        "toolkit": "1.18.1-1",
        "prune": False,
        "derive": True,
        "pip_arguments": "--index-url http://hub/simple",
        "environment": {"http_proxy": "http://proxy:3128"},
        "stall_timeout": 300,
        "attempts": 1,
    }
    return {"images": list(wanted), **values, **more}


def layers(*names: str, total: int = 10) -> list[Any]:
    """The events of a pull that goes well, as the classic store tells them."""
    events: list[Any] = [{"status": "Pulling from nvidia/vllm", "id": "25.10-py3"}]
    events += [{"status": "Pulling fs layer", "id": name} for name in names]
    for name in names:
        for status in ("Downloading", "Extracting"):
            events.append({"status": status, "id": name, "progressDetail": {"current": total, "total": total}})
        events.append({"status": "Pull complete", "id": name})
    return events


def pulled(digest: str = ONE) -> list[Any]:
    return [*layers("aaa", "bbb"), {"status": f"Digest: {digest}"}, {"status": "Status: Downloaded newer image"}]


def run(tmp_path: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    return job.run_job(arguments, Reporter(tmp_path))


def failed(tmp_path: Path, arguments: dict[str, Any]) -> str:
    with pytest.raises(JobFailed) as error:
        run(tmp_path, arguments)
    return str(error.value)
