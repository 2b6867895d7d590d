# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How an image's entrypoint and a service's command go together.

``entrypoint`` of an image is what the catalog says, ``{"how": ..., "words": [...]}``:

* ``runs``: the image has no entrypoint, or one that ends by running its arguments (NVIDIA's prints a banner and does so). The
  service's command is passed whole; ``words`` are the engine's own, with which it begins (``vllm serve``).
* ``is``: the image's entrypoint is these ``words`` already, so that only what follows them is passed. Upstream's images of vLLM
  are like that (vllm, docker/Dockerfile: ``ENTRYPOINT ["vllm", "serve"]``).
* ``set``: these ``words`` take the place of the image's entrypoint and of the engine's own words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.jetson.thor.plugins.module_utils.images.pull_errors import (
    ImageError,
    docker_error,
    image_error,
)

RUNS, IS, SET = "runs", "is", "set"


def own_of(docker: Docker, name: str) -> list[str]:
    """The entrypoint in an image's own configuration. Raises ImageError."""
    try:
        return [str(word) for word in docker.get(f"/images/{name}/json")["Config"].get("Entrypoint") or []]
    except DockerError as error:
        raise docker_error(error) from error


def runs_command(image: Mapping[str, Any]) -> bool:
    """Whether the image's own entrypoint, if it has one, is to run the service's command."""
    return bool(_said(image)["how"] == RUNS)


def mismatch(image: Mapping[str, Any], own: Sequence[str]) -> ImageError | None:
    """What is wrong with the entrypoint by the image's configuration alone, as THOR-IMAGE-ENTRYPOINT."""
    said = _said(image)
    words = said["words"]
    if said["how"] == IS and _alike(own) != _alike(words):
        what = f"is {_shown(own)}" if own else "is empty"
        reason = f"the catalog says that its entrypoint is {_shown(words)} (entrypoint: null), and it {what}"
        remedy = (
            f"Set it: {_way(image, words)}; or leave entrypoint out if the image's own ends by running its arguments."
        )
        return image_error("THOR-IMAGE-ENTRYPOINT", image, reason, remedy)
    if said["how"] == RUNS and words and _alike(own)[: len(words)] == _alike(words):
        return swallows(image, own, f"it already is {_shown(words)}, and would get those words again")
    return None


def swallows(image: Mapping[str, Any], own: Sequence[str], why: str) -> ImageError:
    """An entrypoint that does not run the command that it is given."""
    words = _said(image)["words"]
    reason = (
        f"the catalog says that its entrypoint runs the service's command, {_shown(words) if words else 'whole'}, and its "
        f"entrypoint {_shown(own)} does not: {why}"
    )
    remedy = f"Set it: {_way(image, words or ['PROGRAM'])}; or `entrypoint: null` if it is the beginning of the command itself."
    return image_error("THOR-IMAGE-ENTRYPOINT", image, reason, remedy)


def _said(image: Mapping[str, Any]) -> Mapping[str, Any]:
    said: Mapping[str, Any] = image.get("entrypoint") or {"how": RUNS, "words": []}
    return said


def _way(image: Mapping[str, Any], words: Sequence[str]) -> str:
    version = f"{image['version']!r}: {{entrypoint: [{', '.join(words)}]}}"
    return f"thor_extra_engines: {{{image['engine']}: {{versions: {{{version}}}}}}}"


def _alike(words: Sequence[str]) -> list[str]:
    """The words without the folder of the program, and with one name for Python."""
    first = [re.sub(r"^python3?(\.\d+)?$", "python", word.rpartition("/")[2]) for word in words[:1]]
    return [*first, *words[1:]]


def _shown(words: Sequence[str]) -> str:
    return json.dumps(list(words))
