# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Checks that a container of an image can use the GPU, run like the container of its service."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.jetson.thor.plugins.module_utils.images import container, entrypoint, image_code, references
from ansible_collections.jetson.thor.plugins.module_utils.images.environment import (
    RUNTIME,
    container_environment,
    environment_key,
)
from ansible_collections.jetson.thor.plugins.module_utils.images.pull_errors import ImageError, image_error

NAME = "thor-gpu-check"
SECONDS = 180.0
# The first line of the check's output: its command runs.
SAID = "jetson.thor: this command runs"
# A container can compute if the driver's own library finds a device. nvidia-smi is for the reader.
SCRIPT = f"""\
print({SAID!r}, flush=True)
import ctypes, subprocess, sys
try:
    print(subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60).stdout.strip())
except OSError as error:
    print("nvidia-smi:", error)
cuda = ctypes.CDLL("libcuda.so.1")
count = ctypes.c_int(0)
code = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
print("cuInit:", code, "CUDA devices:", count.value)
sys.exit(0 if code == 0 and count.value > 0 else 1)
"""
# The container toolkit compares the image's NVIDIA_REQUIRE_* with the driver (its internal/requirements/constraints/binary.go).
_UNSATISFIED = re.compile(r"unsatisfied condition|requirements not met")


def environments_of(image: Mapping[str, Any]) -> list[dict[str, str]]:
    """The environments in which containers of the image are run."""
    return [dict(one) for one in image.get("environments") or []] or [container_environment({})]


def holds(
    proof: Mapping[str, Any] | None,
    require_gpu: bool,
    l4t: str | None,
    toolkit: str | None,
    environments: Sequence[Mapping[str, str]] = (),
    entrypoint: Mapping[str, Any] | None = None,
    code: Mapping[str, Any] | None = None,
    readable: bool = False,
) -> bool:
    """Whether an earlier check is still valid: neither the system below it nor how its containers are run has changed.

    ``code``: which files must hold code for the GPU; ``readable``: whether this host has what reads them (cuobjdump).
    """
    if not proof or (require_gpu and not proof.get("gpu")) or proof.get("entrypoint") != entrypoint:
        return False
    if require_gpu and code and not image_code.is_settled(proof, code, readable):
        return False
    if not {environment_key(one) for one in environments} <= set(proof.get("environments") or []):
        return False
    return (proof.get("l4t"), proof.get("toolkit")) == (l4t, toolkit)


def check(docker: Docker, image: Mapping[str, Any], digest: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Run a container of the image briefly in each environment; the proof to record.

    Raises ImageError THOR-GPU-HIDDEN, THOR-IMAGE-ENTRYPOINT, and what image_code.prove() raises.
    """
    name = references.by_digest(image["reference"], digest)
    own = entrypoint.own_of(docker, name)
    problem = entrypoint.mismatch(image, own)
    if problem:
        raise problem
    environments = environments_of(image)
    output = ""
    for environment in environments:
        output = _check_in(docker, image, name, bool(spec["require_gpu"]), environment, own)
    code = (
        {"cuda_code": image_code.prove(docker, image, name)} if spec["require_gpu"] and image.get("cuda_code") else {}
    )
    return {
        **code,
        "gpu": bool(spec["require_gpu"]),
        "l4t": spec["l4t"],
        "toolkit": spec["toolkit"],
        "environments": sorted(environment_key(one) for one in environments),
        "entrypoint": image.get("entrypoint"),
        "output": output[-500:],
        "at": int(time.time()),
    }


def _check_in(
    docker: Docker,
    image: Mapping[str, Any],
    name: str,
    require_gpu: bool,
    environment: Mapping[str, str],
    own: Sequence[str],
) -> str:
    """The output of the check in one environment, with the runtime and the privileges of the service's container.

    An entrypoint of the image that is to run the service's command runs this one as well.
    """
    wrapped = bool(own) and entrypoint.runs_command(image)
    command = ["python3", "-c", SCRIPT if require_gpu else SCRIPT.splitlines()[0] if wrapped else ""]
    body = {
        "Image": name,
        **({} if wrapped else {"Entrypoint": command}),
        "Cmd": command if wrapped else [],
        "Env": [f"{key}={value}" for key, value in sorted(environment.items())],
        "HostConfig": {
            "Runtime": RUNTIME,
            "NetworkMode": "none",
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
        },
    }
    status, output = _run(docker, image, require_gpu, body)
    if wrapped and SAID not in output:
        without = _run(docker, image, require_gpu, {**body, "Entrypoint": command, "Cmd": []})
        if SAID in without[1]:
            raise entrypoint.swallows(image, own, f"it {container.ended(status)}: {container.tail(output)}")
    if status != 0:
        raise _failed(image, require_gpu, f"it {container.ended(status)}: {container.tail(output)}")
    return output.rpartition(SAID)[2].strip()


def _run(
    docker: Docker, image: Mapping[str, Any], require_gpu: bool, body: Mapping[str, Any]
) -> tuple[int | None, str]:
    """Exit status (None: it took too long) and output of the check's container."""
    try:
        with container.started(docker, NAME, body):
            return container.wait(docker, NAME, SECONDS)
    except DockerError as error:
        raise _failed(image, require_gpu, f"dockerd says: {error.message}") from error


def _failed(image: Mapping[str, Any], require_gpu: bool, words: str) -> ImageError:
    what = "found no GPU" if require_gpu else "did not run"
    remedy = (
        "Look for the cause in this order: nvidia-smi on the host; ls -l /dev/nv*; nvidia-container-toolkit 1.17.7 or "
        "later (role container_runtime); `docker info` must list the runtime nvidia. thor_require_gpu: false "
        "continues without a GPU."
    )
    if _UNSATISFIED.search(words):
        remedy = (
            "The image requires a newer driver than the host has. Choose an older version of the engine; or, if it is known to run on "
            'this driver, set NVIDIA_DISABLE_REQUIRE: "1" in the environment of its service or profile.'
        )
    return image_error("THOR-GPU-HIDDEN", image, f"a container under --runtime={RUNTIME} {what}; {words}", remedy)
