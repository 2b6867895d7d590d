# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The image of a service: its name, its digest, what others recorded, and its entrypoint."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.images import own_words
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Entrypoint, Service
from real_catalog import codes, run

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
VERSION = "v0.31.0-mine"


def mine(known: dict[str, Any], version: str = VERSION, **engine: Any) -> Any:
    """The resolution of a service with a version of the inventory's own."""
    extra = {"engines": {"vllm": {"versions": {version: known}, **engine}}}
    return run({"profile": "qwen3-8b-vllm", "version": version}, extra=extra)


def service(known: dict[str, Any], version: str = VERSION, **engine: Any) -> Service:
    found: Service = mine(known, version, **engine).services[0]
    return found


@pytest.mark.parametrize(
    ("image", "name", "digest"),
    [
        ("docker.io/vllm/vllm-openai:v0.31.0-aarch64", "vllm/vllm-openai:v0.31.0-aarch64", None),
        ("index.docker.io/library/engine:1", "engine:1", None),
        ("ghcr.io/owner/engine:26.05.post1", "ghcr.io/owner/engine:26.05.post1", None),
        (f"localhost:5000/engine:1@{ONE}", "localhost:5000/engine:1", ONE),
        (f"docker.io/vllm/vllm-openai@{ONE}", f"vllm/vllm-openai@{ONE}", ONE),
        (f"nvcr.io/nvidia/vllm@{ONE}", f"nvcr.io/nvidia/vllm@{ONE}", ONE),
    ],
)
def test_images_of_any_registry_have_the_name_that_dockerd_lists(image: str, name: str, digest: str | None) -> None:
    found = service({"image": image})
    assert (found.image, found.image_digest) == (name, digest)


@pytest.mark.parametrize("version", ["26.05.post1", "v0.31.0-aarch64", "25.10"])
def test_tags_are_versions(version: str) -> None:
    assert service({"image": f"hub:5000/vllm:{version}"}, version).image == f"hub:5000/vllm:{version}"


def test_what_others_recorded_goes_with_the_image_that_they_recorded() -> None:
    assert service({"image": "hub:5000/vllm:1", "expected": {"index": ONE}}).image_expected == {"index": ONE}
    assert service({}, "26.09").image_expected["index"].startswith("sha256:")
    assert service({"options": {"seed": 1}}, "26.09").image_expected, "the catalog's image"
    assert service({"image": "hub:5000/vllm:1"}, "26.09").image_expected == {}, "another image"
    for bad in ({"index": "unpinned"}, {"manifest": "sha256:12"}, {"arm64": ONE}, ONE):
        assert codes(mine({"image": "hub:5000/vllm:1", "expected": bad}))


@pytest.mark.parametrize(
    ("known", "engine", "entrypoint"),
    [
        ({}, {}, Entrypoint(how="runs", words=("vllm", "serve"), instead_of=0)),
        ({"entrypoint": None}, {}, Entrypoint(how="is", words=("vllm", "serve"), instead_of=2)),
        ({"entrypoint": ["/x", "serve"]}, {}, Entrypoint(how="set", words=("/x", "serve"), instead_of=2)),
        ({"entrypoint": []}, {}, Entrypoint(how="set", words=("vllm", "serve"), instead_of=2)),
        ({}, {"image": {"entrypoint": None}}, Entrypoint(how="is", words=("vllm", "serve"), instead_of=2)),
        ({"entrypoint": ["/x"]}, {"image": {"entrypoint": None}}, Entrypoint(how="set", words=("/x",), instead_of=2)),
    ],
)
def test_the_entrypoint(known: dict[str, Any], engine: dict[str, Any], entrypoint: Entrypoint) -> None:
    found = service({"image": "hub:5000/vllm:1", **known}, **engine)
    assert found.entrypoint == entrypoint
    assert Service.from_facts(found.to_facts()) == found


def test_an_engine_that_is_built_has_no_entrypoint() -> None:
    assert run("qwen3-8b-q5-k-m-llama-cpp").services[0].entrypoint is None
    assert codes(mine({"image": "hub:5000/vllm:1", "entrypoint": "vllm serve"})) == ["THOR-TYPE-INVALID"]


def test_the_words_of_an_engine_end_where_its_options_begin() -> None:
    assert own_words(["vllm", "serve", "{path}"]) == ("vllm", "serve")
    assert own_words(["python", "-m", "sglang.launch_server", "--model-path", "{path}"]) == (
        "python",
        "-m",
        "sglang.launch_server",
    )
    assert own_words(["llama-server", "--model", "{file}"]) == ("llama-server",)
