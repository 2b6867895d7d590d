# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From a profile to a command, an environment, an image and an API."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import entries, files
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import GenerationConfig
from real_catalog import CHAT, FILES, only, run

EAR = "whisper-large-v3-turbo-whisper-cpp"


def test_switching_thinking_off_adds_its_options_and_files() -> None:
    llama = run({"profile": CHAT, "thinking": False}).services[0]
    assert "--reasoning-budget 0" in " ".join(llama.argv)
    assert "--reasoning-budget" not in run(CHAT).services[0].argv
    vllm = run({"profile": "qwen3-8b-fp4-vllm", "thinking": False}).services[0]
    assert [one.path for one in vllm.files] == ["/models/templates"]
    assert run("qwen3-8b-fp4-vllm").services[0].files == ()


def test_a_mapping_becomes_one_json_argument_and_is_merged_key_by_key() -> None:
    chat = {"profile": "qwen3-8b-fp4-vllm", "options": {"override-generation-config": {"temperature": 0.5}}}
    argv = run(chat).services[0].argv
    value = argv[argv.index("--override-generation-config") + 1]
    assert json.loads(value) == {"repetition_penalty": 1.2, "temperature": 0.5, "top_p": 0.95}
    assert " " not in value


def test_another_registry_takes_the_place_of_nvidias() -> None:
    service = run("qwen3-8b-vllm", ngc_registry="hub:5000").services[0]
    assert (service.image, service.image_digest) == ("hub:5000/nvidia/vllm:25.10-py3", None)
    assert service.image_bytes == 30_000_000_000
    other = {"engines": {"vllm": {"versions": {"25.10": {"image": "docker.io/vllm/vllm-openai:latest"}}}}}
    (service,) = run("qwen3-8b-vllm", ngc_registry="hub:5000", extra=other).services
    assert service.image == "vllm/vllm-openai:latest", "as dockerd lists it"
    native = run(CHAT).services[0]
    assert (native.image, native.image_digest, native.image_bytes) == (None, None, None)
    for name in ("https://hub", "hub:5000/", "", "a b"):
        assert only(run("qwen3-8b-vllm", ngc_registry=name)).variable == "thor_ngc_registry"


def test_a_locked_digest_is_used_only_for_the_image_it_was_read_from() -> None:
    digest, mine = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
    catalog, _found = entries.build(copy.deepcopy(files.files(str(FILES))), {})
    catalog.flags = files.flags(str(FILES))
    catalog.lock = {"images": {"vllm": {"25.10": {"image": "nvcr.io/nvidia/vllm:25.10-py3", "digest": digest}}}}
    inputs = Inputs(["qwen3-8b-vllm"], ngc_registry="hub:5000")
    assert resolve(inputs, catalog).services[0].image_digest == digest
    catalog.engines["vllm"]["versions"]["25.10"] = {"image": "nvcr.io/mine/vllm:1"}
    assert resolve(inputs, catalog).services[0].image_digest is None
    catalog.engines["vllm"]["versions"]["25.10"]["digest"] = mine
    assert resolve(inputs, catalog).services[0].image_digest == mine


def test_json_written_as_text_reaches_the_chat_endpoint_too() -> None:
    entry = {"profile": "qwen3-8b-fp8-sglang", "options": {"preferred-sampling-params": '{"temperature": 0.5}'}}
    assert run(entry).services[0].generation_config == GenerationConfig(
        path="/models/Qwen/Qwen3-8B-FP8/generation_config.json", values={"temperature": 0.5}
    )
    entry["options"] = {"preferred-sampling-params": None}
    assert run(entry).services[0].generation_config is None


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({}, "/inference"),
        ({"inference-path": "/v1/audio/transcriptions"}, "/v1/audio/transcriptions"),
        ({"request-path": "/ear"}, "/ear/inference"),
        ({"request-path": "/ear", "inference-path": "/say"}, "/ear/say"),
    ],
)
def test_the_path_of_a_transcription_comes_from_the_engine_or_its_options(options: dict[str, str], path: str) -> None:
    service = run({"profile": EAR, "options": options}).services[0]
    assert (service.api, service.api_path) == ("transcription", path)


def test_each_api_has_its_usual_path() -> None:
    services = run(CHAT, {"profile": "whisper-small-vllm", "port": 8001}, engine_versions={"vllm": "26.05"}).services
    assert [service.api_path for service in services] == ["/v1/chat/completions", "/v1/audio/transcriptions"]


def test_a_program_is_needed_only_with_its_option() -> None:
    assert run(EAR).services[0].programs == ()
    assert run({"profile": EAR, "options": {"convert": True}}).services[0].programs == ("ffmpeg",)
    assert run({"profile": EAR, "options": {"convert": False}}).services[0].programs == ()


def test_the_python_packages_of_an_image_depend_on_its_version_and_api() -> None:
    for version, names in {
        "25.10": ["librosa", "soundfile"],
        "26.03": ["librosa", "scipy", "soundfile"],
        "26.05": ["av", "scipy", "soundfile"],
        "26.10": ["av", "scipy", "soundfile", "soxr"],
    }.items():
        ear = {"profile": "whisper-small-vllm", "version": version}
        service = run(ear).services[0]
        assert [one.split("==")[0] for one in service.python_packages] == names
    assert run("qwen3-8b-vllm").services[0].python_packages == ()


def test_the_engines_own_benchmark_measures_the_models_file() -> None:
    service = run(CHAT).services[0]
    assert service.bench_argv[:3] == ("llama-bench", "--model", "/models/Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q5_K_M.gguf")
    assert run("qwen3-8b-vllm").services[0].bench_argv == ()


def test_a_model_of_random_weights_is_marked() -> None:
    extra = {"models": {"qwen3-8b-q5-k-m": {"untrained": True}}}
    assert run(CHAT, extra=extra).services[0].trained is False
    assert run(CHAT).services[0].trained is True


@pytest.mark.parametrize(
    ("profile", "words"),
    [("qwen3-8b-q5-k-m-llama-cpp", "--spec-type"), ("qwen3-8b-fp8-sglang", "--speculative-algorithm")],
)
def test_the_plain_command_is_that_of_the_service_without_speculation(profile: str, words: str) -> None:
    more = {} if "llama" in profile else {"version": "0.5.23"}
    plain = run({"profile": profile, **more}).services[0]
    assert plain.plain_argv is None
    drafting = run({"profile": profile, **more, "speculative": {"method": "ngram", "tokens": 3}}).services[0]
    assert any(word.startswith(words) for word in drafting.argv)
    assert drafting.plain_argv == plain.argv
