# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Asks the engine in an image for its options, in a container without GPU, network and capabilities (asked_flags.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import asked_flags, kept_flags
from ansible_collections.jetson.thor.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.jetson.thor.plugins.module_utils.images import container, references

NAME = "thor-ask-flags"


def subject_of(image: Mapping[str, Any], digest: str) -> asked_flags.Subject:
    """What is asked about an image of the module's parameters."""
    return asked_flags.Subject(
        image["engine"], image["version"], digest, image["parser"], image["argvs"], image["wanted"]
    )


def is_due(image: Mapping[str, Any], digest: str | None) -> bool:
    """Whether the engine in the image has to be asked: no list is stored, and it has not accepted these arguments and models yet."""
    if not image.get("parser"):
        return False
    kept = kept_flags.read(image["engine"], digest) if digest else None
    return not kept_flags.is_asked(kept, image["parser"], image["argvs"], image["wanted"])


def ask(docker: Docker, image: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """The engine's answer, as asked_flags.ask gives it. Raises Unaskable.

    The entrypoint is overridden, and so is the runtime: nvidia, which may be the default, wants a GPU.
    """
    body = {
        "Image": references.by_digest(image["reference"], digest),
        "Entrypoint": ["python3", *asked_flags.question(image["parser"], image["argvs"])],
        "Cmd": [],
        "Env": [f"{name}={value}" for name, value in sorted(asked_flags.ENVIRONMENT.items())],
        "HostConfig": {
            "Runtime": "runc",
            "NetworkMode": "none",
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "LogConfig": {"Type": "json-file", "Config": {"max-size": str(asked_flags.MOST_OUTPUT)}},
        },
    }
    try:
        with container.started(docker, NAME, body):
            status, output = container.wait(docker, NAME, asked_flags.SECONDS)
    except DockerError as error:
        raise asked_flags.Unaskable(f"dockerd says: {error.message}") from error
    return asked_flags.read_answer(output, image["argvs"], status)
