# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The proof that the engine in an image holds CUDA code for the GPU, read from outside while a container of it stands still.

The host's cuobjdump reads the files through /proc/<pid>/root, so that the image needs none, and its storage does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import cuda_code, cuobjdump
from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.jetson.thor.plugins.module_utils.images import container
from ansible_collections.jetson.thor.plugins.module_utils.images.pull_errors import docker_error, image_error

NAME = "thor-cuda-code"
PROC = Path("/proc")
SECONDS = 1800  # the container ends by itself, should nobody remove it


def prove(docker: Docker, image: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """What the files hold that the catalog names for this image; None without cuobjdump.

    ``name`` is the image by its digest. A file that is required and is not there is named in ``not_found`` and is no reason to refuse:
    images differ in where they put things. ``read`` are the patterns that were looked for. Where no container stands still, ``unread``
    says so. Raises ImageError THOR-CUDA-CODE, THOR-CUOBJDUMP and THOR-IMAGE-DOCKER.
    """
    wanted, tool = image["cuda_code"], cuobjdump.find()
    if tool is None:
        return None
    patterns = _patterns(wanted)
    try:
        with container.started(docker, NAME, _body(name)):
            pid = docker.get(f"/containers/{NAME}/json")["State"].get("Pid")
            if not pid:
                return {"unread": "a container of the image does not stand still", "read": patterns}
            version = cuobjdump.version(tool)
            found = cuda_code.scan(PROC / str(pid) / "root", tool, only=patterns)
    except DockerError as error:
        raise docker_error(error) from error
    except (cuobjdump.CuobjdumpError, OSError) as error:
        remedy = "One file needs up to 5.5 GB of memory: free some, and run the play again."
        raise image_error("THOR-CUOBJDUMP", image, str(error), remedy) from error
    verdict = cuda_code.judge(found, wanted["required"], wanted["lost"])
    for problem in cuda_code.refused(verdict, absent=True):
        remedy = (
            "Use another version of the engine. If no service needs this file, set image.cuda_code.required of the engine in "
            "thor_extra_engines."
        )
        raise image_error("THOR-CUDA-CODE", image, f"{problem.value}: {problem.reason}", remedy)
    return {
        "architecture": cuda_code.THOR,
        "cuobjdump": version,
        "read": patterns,
        "libraries": found,
        "runs": verdict["runs"],
        "lacks": verdict["lacks"],
        "not_found": [problem.variable for problem in verdict["problems"]],
    }


def is_settled(proof: Mapping[str, Any], wanted: Mapping[str, Any], readable: bool) -> bool:
    """Whether an image need not be read (again): what is ``wanted`` now was read and runs, or cannot be read. Pure.

    ``proof``: of gpu_check.check(). ``readable``: whether the host has cuobjdump.
    """
    if "cuda_code" not in proof:
        return False
    if not readable:
        return True
    held = proof["cuda_code"]
    if held is None or not set(_patterns(wanted)) <= set(held.get("read", [])):
        return False
    return bool(held.get("unread")) or cuda_code.is_enough(held["libraries"], wanted, absent=True)


def _patterns(wanted: Mapping[str, Any]) -> list[str]:
    return sorted({*wanted["required"], *wanted["lost"]})


def _body(name: str) -> dict[str, Any]:
    """A container that does nothing: no network, no privileges, no GPU."""
    return {
        "Image": name,
        "Entrypoint": ["sleep", str(SECONDS)],
        "Cmd": [],
        "HostConfig": {"NetworkMode": "none", "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"]},
    }
