# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Names of images, read as dockerd reads them (github.com/distribution/reference, normalize.go).

A reference is ``[registry/]repository[:tag][@digest]``. The first part is a registry if it contains a dot or a colon, or is
``localhost``; otherwise the image is on Docker Hub. dockerd lists images of Docker Hub without ``docker.io/`` and ``library/``.
"""

from __future__ import annotations

HUB = "docker.io"
# Names of Docker Hub: of its index, and of the server that holds the images.
HUB_ALIASES = ("docker.io", "index.docker.io", "registry-1.docker.io")


def familiar(reference: str) -> str:
    """The name by which dockerd lists an image: ``docker.io/library/debian:13`` is ``debian:13``."""
    first, slash, rest = reference.partition("/")
    if slash and first in HUB_ALIASES:
        return rest.removeprefix("library/")
    return reference.removeprefix("library/")


def registry(name: str) -> str:
    """The registry that a person named, under the one name that it has here: Docker Hub has several."""
    return HUB if name in HUB_ALIASES else name


def registry_of(reference: str) -> str:
    """The registry of a reference; Docker Hub if it names none."""
    first, slash, _rest = reference.partition("/")
    return registry(first) if slash and (set(first) & set(".:") or first == "localhost") else HUB


def parts(reference: str) -> tuple[str, str | None, str | None]:
    """Repository (with the registry), tag and digest of a reference; None where it names none."""
    name, _at, digest = reference.partition("@")
    repository, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        return repository, tag, digest or None
    return name, None, digest or None


def split(reference: str) -> tuple[str, str]:
    """Repository (with the registry) and tag of a reference: ``hub:5000/nvidia/vllm`` and ``25.10-py3``.

    A reference with nothing but a digest gets a tag on the host, from its digest: ``docker image prune`` removes images without one.
    """
    repository, tag, digest = parts(reference)
    return repository, tag or (digest or "latest").replace(":", "-")


def tagged(reference: str) -> str:
    """The name with a tag that the image has on the host."""
    return ":".join(split(reference))


def by_digest(reference: str, digest: str) -> str:
    """The name under which an image is run: ``hub:5000/nvidia/vllm@sha256:..``."""
    return f"{parts(reference)[0]}@{digest}"
