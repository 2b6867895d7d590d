# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Names of images. The pairs are those of distribution/reference's own tests (normalize_test.go), with our engines' names."""

from __future__ import annotations

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.images import references
from image_runs import ONE, VLLM


def test_a_reference_is_split_into_registry_repository_and_tag() -> None:
    assert references.split(VLLM) == ("hub:5000/nvidia/vllm", "25.10-py3")
    assert references.split("hub:5000/nvidia/vllm") == ("hub:5000/nvidia/vllm", "latest")
    assert references.by_digest(VLLM, ONE) == f"hub:5000/nvidia/vllm@{ONE}"
    assert references.parts(f"{VLLM}@{ONE}") == ("hub:5000/nvidia/vllm", "25.10-py3", ONE)


def test_a_reference_with_nothing_but_a_digest_has_a_local_tag() -> None:
    reference = f"hub:5000/nvidia/vllm@{ONE}"
    assert references.parts(reference) == ("hub:5000/nvidia/vllm", None, ONE)
    assert references.by_digest(reference, ONE) == reference
    assert references.tagged(reference) == f"hub:5000/nvidia/vllm:sha256-{'1' * 64}"


@pytest.mark.parametrize(
    ("reference", "registry"),
    [
        (VLLM, "hub:5000"),
        ("nvcr.io/nvidia/vllm:26.05.post1-py3", "nvcr.io"),
        ("localhost/a", "localhost"),
        ("localhost:5000/a", "localhost:5000"),
        ("vllm/vllm-openai:latest", "docker.io"),
        ("docker.io/vllm/vllm-openai:latest", "docker.io"),
        ("index.docker.io/library/debian", "docker.io"),
        ("debian", "docker.io"),
        ("debian:13", "docker.io"),
    ],
)
def test_the_registry_of_a_reference(reference: str, registry: str) -> None:
    assert references.registry_of(reference) == registry


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("docker.io/vllm/vllm-openai:v0.31.0-aarch64", "vllm/vllm-openai:v0.31.0-aarch64"),
        ("index.docker.io/lmsysorg/sglang:v0.5.21", "lmsysorg/sglang:v0.5.21"),
        ("docker.io/library/debian:13", "debian:13"),
        ("library/debian:13", "debian:13"),
        ("ghcr.io/library/debian:13", "ghcr.io/library/debian:13"),
        (VLLM, VLLM),
    ],
)
def test_dockerd_lists_images_of_docker_hub_without_its_name(reference: str, name: str) -> None:
    assert references.familiar(reference) == name
