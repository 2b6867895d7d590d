# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The check that a container of an image can use the GPU."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import resolved
from ansible_collections.jetson.thor.plugins.module_utils.images import gpu_check, record
from ansible_collections.jetson.thor.plugins.module_utils.images.environment import (
    container_environment,
    environment_key,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import container
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings
from fake_dockerd import Dockerd
from image_runs import ONE, VLLM, failed, image, pulled, run, spec

PLAIN = container_environment({})
KEYS = [environment_key(PLAIN)]


def test_the_check_has_no_privileges_and_leaves_no_container(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled()]
    dockerd.has("thor-gpu-check", "thor-gpu-check=yes")  # an earlier run was killed
    dockerd.log = "GPU 0: NVIDIA Thor"
    run(tmp_path, spec(image(), require_gpu=True))
    bodies = [json.loads(body) for body in dockerd.bodies if b"HostConfig" in body]
    host = bodies[0]["HostConfig"]
    assert (host["Runtime"], host["NetworkMode"], host["CapDrop"]) == ("nvidia", "none", ["ALL"])
    assert bodies[0]["Image"] == f"hub:5000/nvidia/vllm@{ONE}"
    assert "cuInit" in bodies[0]["Entrypoint"][2]
    assert dockerd.containers == {}
    proof = record.read_record()["images"][VLLM]["proof"]
    assert proof["gpu"] is True and proof["output"] == "GPU 0: NVIDIA Thor" and proof["toolkit"] == "1.18.1-1"
    result = run(tmp_path, spec(image(), require_gpu=True, toolkit="1.20.0-1"))
    assert (result["changed"], result["checked"]) == (False, [VLLM])


def test_the_check_runs_like_the_services_container(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled()]
    environment = container_environment({"NVIDIA_DISABLE_REQUIRE": "1", "VLLM_USE_MODELSCOPE": "true"})
    run(tmp_path, spec({**image(), "environments": [PLAIN, environment]}, require_gpu=True))
    first, second = [json.loads(body) for body in dockerd.bodies if b"HostConfig" in body]
    assert "NVIDIA_VISIBLE_DEVICES=all" in first["Env"] and "NVIDIA_DISABLE_REQUIRE=1" not in first["Env"]
    # As the role serving starts it.
    service = replace(resolved.service(resolved.VLLM), environment=environment)
    words = container.run_command(service, {"images": {}, "docker": None}, Settings())
    assert sorted(second["Env"]) == sorted(word[len("--env=") :] for word in words if word.startswith("--env="))
    host = second["HostConfig"]
    assert f"--runtime={host['Runtime']}" in words
    assert [f"--cap-drop={one}" for one in host["CapDrop"]] == [word for word in words if word.startswith("--cap-")]
    assert [f"--security-opt={one}" for one in host["SecurityOpt"]] == [
        word for word in words if word.startswith("--security-opt")
    ]
    held = record.read_record()["images"][VLLM]["proof"]
    assert held["environments"] == sorted([*KEYS, environment_key(environment)])
    assert "true" not in json.dumps(held["environments"]), "the values may be private"
    again = run(tmp_path, spec({**image(), "environments": [environment]}, require_gpu=True))
    assert again["checked"] == []
    more = container_environment({"NVIDIA_VISIBLE_DEVICES": "0"})
    again = run(tmp_path, spec({**image(), "environments": [environment, more]}, require_gpu=True))
    assert again["checked"] == [VLLM]


def test_an_image_that_requires_a_newer_driver_is_reported_as_such(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled()]
    dockerd.exit_code, dockerd.log = 128, "requirements not met: unsatisfied condition: cuda>=13.4 (cuda=13.2)"
    said = failed(tmp_path, spec(image(), require_gpu=True))
    assert "THOR-GPU-HIDDEN" in said and "cuda>=13.4" in said and 'NVIDIA_DISABLE_REQUIRE: "1"' in said


@pytest.mark.parametrize("how", ["ends with 1", "no runtime", "hangs"])
def test_an_image_that_finds_no_gpu_is_refused(
    how: str, dockerd: Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dockerd.pulls = [pulled()]
    dockerd.exit_code, dockerd.log = 1, "cuInit: 801 CUDA devices: 0"
    if how == "no runtime":
        dockerd.runtimes = {"runc"}
    if how == "hangs":
        monkeypatch.setattr(gpu_check, "SECONDS", 0.3)
        dockerd.runs_for = 3.0
    said = failed(tmp_path, spec(image(), require_gpu=True))
    assert "THOR-GPU-HIDDEN" in said and "nvidia-smi on the host" in said
    assert {"ends with 1": "cuInit: 801", "no runtime": "unknown or invalid runtime", "hangs": "did not end in time"}[
        how
    ] in said
    assert dockerd.containers == {}
    assert record.read_record()["images"][VLLM]["proof"] is None, "the image stays and is checked again"
