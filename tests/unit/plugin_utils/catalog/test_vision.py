# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Images: by file, by URL, and the projector that some engines need."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import HubArtifact, Vision
from real_catalog import CHAT, codes, only, run

EYES = "qwen3-vl-30b-a3b-llama-cpp"


def test_images_are_shown_by_file_in_the_engines_own_way() -> None:
    llama = run(EYES).services[0]
    assert (llama.vision, llama.remote_media) == (Vision(folder="/models", file_url="file:///{name}"), True)
    vllm = run("qwen2-5-vl-7b-awq-vllm").services[0]
    assert vllm.vision == Vision(folder="/models", file_url="file://{path}")
    alone = run({"profile": "qwen2-5-vl-7b-awq-vllm", "options": {"allowed-local-media-path": None}}).services[0]
    assert alone.vision is not None and alone.vision.folder is None
    own = run({"profile": EYES, "options": {"media-path": "{path}/pictures"}}).services[0]
    assert own.vision is not None and own.vision.folder == f"{own.model.path}/pictures"
    assert own.argv[own.argv.index("--media-path") + 1] == own.vision.folder
    blind = run(CHAT).services[0]
    assert (blind.vision, blind.remote_media) == (None, None)


@pytest.mark.parametrize("value", [None, "{path}/mmproj-other.gguf", "/models/elsewhere/mmproj.gguf"])
def test_a_missing_projector_is_refused(value: str | None) -> None:
    problem = only(run({"profile": EYES, "options": {"mmproj": value}}))
    assert (problem.code, problem.variable) == ("THOR-PROJECTOR-MISSING", "thor_profiles[0].options['mmproj']")
    assert problem.value == value


def test_a_projector_without_a_folder_is_refused() -> None:
    problem = only(run({"profile": EYES, "options": {"mmproj": "mmproj-Qwen3-VL-30B-A3B-Instruct-F16.gguf"}}))
    assert problem.code == "THOR-PROJECTOR-MISSING" and "{path}/FILE" in problem.remedy


@pytest.mark.parametrize(
    ("profile", "option", "folder"),
    [
        ("qwen2-5-vl-7b-awq-vllm", "allowed-local-media-path", "/srv/pictures"),
        ("qwen2-5-vl-7b-awq-vllm", "allowed-local-media-path", "/models/../srv"),
        (EYES, "media-path", "/home/pictures"),
        (EYES, "media-path", "pictures"),
    ],
)
def test_a_folder_of_images_that_the_service_cannot_see_is_refused(profile: str, option: str, folder: str) -> None:
    problem = only(run({"profile": profile, "options": {option: folder}}))
    assert (problem.code, problem.variable, problem.value) == (
        "THOR-MEDIA-FOLDER",
        f"thor_profiles[0].options[{option!r}]",
        folder,
    )


def test_fetching_images_can_be_switched_off() -> None:
    vllm = run({"profile": "qwen2-5-vl-7b-awq-vllm", "remote_media": False}).services[0]
    assert vllm.remote_media is False
    assert vllm.environment["http_proxy"] == vllm.environment["https_proxy"] == "http://127.0.0.1:9"
    assert "http_proxy" not in run("qwen2-5-vl-7b-awq-vllm").services[0].environment
    # A proxy of the site, for the hub say, would be a way out.
    site = {"http_proxy": "http://proxy:3128", "no_proxy": "camera.example.org"}
    entry = {"profile": "qwen2-5-vl-7b-awq-vllm", "remote_media": False, "environment": site}
    environment = run(entry).services[0].environment
    assert (environment["http_proxy"], environment["no_proxy"]) == ("http://127.0.0.1:9", "")
    assert run({"profile": EYES, "remote_media": False}).services[0].remote_media is False
    extra = {"profiles": {"qwen2-5-vl-7b-awq-vllm": {"remote_media": False}}}
    assert run("qwen2-5-vl-7b-awq-vllm", extra=extra).services[0].remote_media is False


@pytest.mark.parametrize(
    ("entry", "words", "remedy"),
    [
        ({"profile": CHAT, "remote_media": False}, "sees no images", "Leave the key out"),
        ({"profile": EYES, "remote_media": False, "address": "192.0.2.7"}, "clients at 192.0.2.7", "on its loopback"),
        ({"profile": "eyes-sglang", "remote_media": False}, "No way is known to keep sglang", "Leave the key out"),
    ],
)
def test_fetching_images_is_refused_where_it_cannot_be_switched_off(
    entry: dict[str, Any], words: str, remedy: str
) -> None:
    eyes = {"engine": "sglang", "model": "qwen2-5-vl-7b-awq", "served_name": "q", "memory_gib": 30}
    extra = {"profiles": {"eyes-sglang": eyes}}
    problem = only(run(entry, extra=extra, allow_unauthenticated=True))
    assert (problem.code, problem.variable) == ("THOR-MEDIA-FIXED", "thor_profiles[0].remote_media")
    assert words in problem.reason
    assert remedy in problem.remedy


def test_a_models_projector_is_named_by_itself_and_can_be_switched_off() -> None:
    models = {"eyes": {"huggingface": "a/b", "file": "x.gguf", "projector": "mmproj.gguf"}}
    entry = {"model": "eyes", "engine": "llama.cpp", "memory_gib": 4}
    (service,) = run(entry, extra={"models": models}).services
    assert service.argv[-2:] == ("--mmproj", "/models/a/b/mmproj.gguf")
    assert service.vision is not None
    assert isinstance(service.model, HubArtifact) and service.model.include == ("x.gguf", "mmproj.gguf")
    off = run({**entry, "options": {"no-mmproj": True}}, extra={"models": models})
    assert off.problems == []
    assert "--mmproj" not in off.services[0].argv and "--no-mmproj" in off.services[0].argv
    assert off.services[0].vision is None
    own = run({**entry, "options": {"mmproj": "{path}/other.gguf"}}, extra={"models": models})
    assert codes(own) == ["THOR-PROJECTOR-MISSING"]
