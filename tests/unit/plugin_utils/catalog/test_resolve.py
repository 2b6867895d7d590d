# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""thor_profiles to thor_services: what a person writes, what comes out, and what is refused with which words."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import entries as catalogs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files as catalog_action
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import artifact_of
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.options import find
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import Resolution, resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import HubArtifact
from real_catalog import CHAT, CODER, FILES, codes, only, run

MODEL = {"source": "modelscope", "bytes": 1}
PROFILE = {"engine": "vllm", "model": "qwen3-8b", "served_name": "q", "memory_gib": 30}
P, V = "thor_extra_profiles['p']", "thor_extra_engines['vllm']"


def test_a_name_is_enough() -> None:
    resolution = run(CODER)
    assert not resolution.problems
    service = resolution.facts[0]
    assert (service["name"], service["unit"]) == (CODER, f"thor-{CODER}.service")
    gguf = "/models/unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF/Qwen3-Coder-30B-A3B-Instruct-Q5_K_M.gguf"
    assert service["argv"][:3] == ["llama-server", "--model", gguf]
    # Whatever an engine's own defaults are in its next version: address and port are always said.
    assert "--host 127.0.0.1 --port 8000" in " ".join(service["argv"])
    assert service["thinking"] is None


def test_a_mapping_overrides_the_profile() -> None:
    chat = {
        "profile": CHAT,
        "name": "chat",
        "port": 8001,
        "served_name": "mine",
        "memory_gib": 9,
        "options": {"ctx-size": 4096},
    }
    service = run(chat).facts[0]
    assert (service["name"], service["port"], service["memory_gib"]) == ("chat", 8001, 9)
    argv = " ".join(service["argv"])
    assert "--alias mine" in argv and "--ctx-size 4096" in argv and "--ctx-size 0" not in argv


def test_not_thinking_brings_its_options_and_files() -> None:
    llama = run({"profile": CHAT, "thinking": False}).facts[0]
    assert "--reasoning-budget 0" in " ".join(llama["argv"])
    assert "--reasoning-budget" not in run(CHAT).facts[0]["argv"]
    vllm = run({"profile": "qwen3-8b-fp4-vllm", "thinking": False}).facts[0]
    assert [one["path"] for one in vllm["files"]] == ["/models/templates"]
    assert run("qwen3-8b-fp4-vllm").facts[0]["files"] == []


def test_a_mapping_is_one_json_argument_and_is_merged_key_by_key() -> None:
    chat = {"profile": "qwen3-8b-fp4-vllm", "options": {"override-generation-config": {"temperature": 0.5}}}
    argv = run(chat).facts[0]["argv"]
    value = argv[argv.index("--override-generation-config") + 1]
    assert json.loads(value) == {"repetition_penalty": 1.2, "temperature": 0.5, "top_p": 0.95}
    assert " " not in value


def test_engine_version_for_the_host_and_for_one_service() -> None:
    services = run(
        "qwen3-8b-vllm",
        {"profile": "qwen3-8b-fp8-vllm", "port": 8001, "version": "26.10"},
        engine_versions={"vllm": "26.05"},
    ).facts
    assert [service["image"] for service in services] == [
        "nvcr.io/nvidia/vllm:26.05-py3",
        "nvcr.io/nvidia/vllm:26.10-py3",
    ]


def test_a_broken_profile_is_refused_lifted_by_version_and_allowed_on_demand() -> None:
    problem = only(run("qwen3-8b-fp8-vllm"))
    assert problem.code == "THOR-STATUS-BROKEN"
    assert "25.10" in problem.reason and "!!!!" in problem.reason
    assert not run("qwen3-8b-fp8-vllm", engine_versions={"vllm": "26.05"}).problems
    assert not run("qwen3-8b-fp8-vllm", allow_broken=True).problems


@pytest.mark.parametrize(
    ("entry", "code", "variable", "words"),
    [
        ("qwen3-8b-q5-k-m-llama-cp", "THOR-PROFILE-UNKNOWN", "thor_profiles[0].profile", CHAT),
        ({"profile": CHAT, "prt": 1}, "THOR-KEY-UNKNOWN", "thor_profiles[0].prt", "'port'"),
        ({"name": "x"}, "THOR-KEY-MISSING", "thor_profiles[0].profile", "required"),
        ({"profile": CHAT, "port": "8000"}, "THOR-TYPE-INVALID", "thor_profiles[0].port", "whole number"),
        ({"profile": CHAT, "port": True}, "THOR-TYPE-INVALID", "thor_profiles[0].port", "whole number"),
        (7, "THOR-TYPE-INVALID", "thor_profiles[0]", "mapping"),
        ({"profile": CHAT, "port": 80}, "THOR-PORT-INVALID", "thor_profiles[0].port", "1024"),
        ({"profile": CHAT, "name": "My Chat"}, "THOR-NAME-INVALID", "thor_profiles[0].name", "thor-My Chat.service"),
        ({"profile": CHAT, "name": "drop-caches"}, "THOR-NAME-INVALID", "thor_profiles[0].name", "drop-caches"),
        ({"profile": CHAT, "name": "job-a"}, "THOR-NAME-INVALID", "thor_profiles[0].name", "job-"),
        ({"profile": CHAT, "version": "b1"}, "THOR-VERSION-UNKNOWN", "thor_profiles[0].version", "0c1e570"),
        (
            {"profile": CODER, "thinking": True},
            "THOR-THINKING-FIXED",
            "thor_profiles[0].thinking",
            "cannot be switched",
        ),
        (
            {"profile": CHAT, "address": "0.0.0.0"},
            "THOR-ADDRESS-OPEN",
            "thor_profiles[0].address",
            "thor_allow_unauthenticated",
        ),
        ({"profile": CHAT, "address": "here"}, "THOR-ADDRESS-INVALID", "thor_profiles[0].address", "IP address"),
        (
            {"profile": CHAT, "options": {"ctx-sze": 1}},
            "THOR-FLAG-UNKNOWN",
            "thor_profiles[0].options['ctx-sze']",
            "'ctx-size'",
        ),
        (
            {"profile": CHAT, "options": {"n_gpu_layers": 1}},
            "THOR-FLAG-UNKNOWN",
            "thor_profiles[0].options['n_gpu_layers']",
            "gpu-layers",
        ),
        (
            {"profile": CHAT, "options": {"port": 1}},
            "THOR-FLAG-RESERVED",
            "thor_profiles[0].options['port']",
            "the key port",
        ),
        (
            {"profile": CHAT, "options": {"alias": "x"}},
            "THOR-FLAG-RESERVED",
            "thor_profiles[0].options['alias']",
            "served_name",
        ),
        (
            {"profile": "qwen3-8b-vllm", "options": {"gpu-memory-utilization": 0.75}},
            "THOR-FLAG-RESERVED",
            "thor_profiles[0].options['gpu-memory-utilization']",
            "the key memory_gib",
        ),
        (
            {"profile": "qwen3-8b-sglang", "options": {"mem-fraction-static": 7}},
            "THOR-FLAG-RESERVED",
            "thor_profiles[0].options['mem-fraction-static']",
            "the key memory_gib",
        ),
        (
            {"profile": "qwen3-8b-vllm", "options": {"max-model": 4096}},  # argparse would take the abbreviation
            "THOR-FLAG-UNKNOWN",
            "thor_profiles[0].options['max-model']",
            "'max-model-len'",
        ),
        (
            {"profile": "qwen3-8b-vllm", "options": {"quantization": "nosuch"}},
            "THOR-FLAG-VALUE",
            "thor_profiles[0].options['quantization']",
            "modelopt_fp4",
        ),
        (
            {"profile": "qwen3-8b-fp8-sglang", "options": {"preferred-sampling-params": "{temperature: 0.5}"}},
            "THOR-FLAG-JSON",
            "thor_profiles[0].options['preferred-sampling-params']",
            "Write a mapping",
        ),
        (
            {"profile": "qwen3-8b-sglang", "options": {"context-length": -1}},
            "THOR-FLAG-VALUE",
            "thor_profiles[0].options['context-length']",
            "above 0",
        ),
        (
            {"profile": "qwen3-8b-vllm", "options": {"allowed-local-media-path": True}},
            "THOR-FLAG-VALUE",
            "thor_profiles[0].options['allowed-local-media-path']",
            "needs a value",
        ),
        (
            {"profile": "qwen3-8b-vllm", "options": {"chat-template": "/models/templates/mine.jinja"}},
            "THOR-TEMPLATE-MISSING",
            "thor_profiles[0].options['chat-template']",
            "thor_extra_models",
        ),
        (
            {"profile": "qwen3-8b-sglang", "options": {"chat-template": "/srv/mine.jinja"}},
            "THOR-TEMPLATE-MISSING",
            "thor_profiles[0].options['chat-template']",
            "not one of the service's files",
        ),
        (
            {"profile": CHAT, "options": {"chat-template-file": "/models/templates/qwen3_nonthinking.jinja"}},
            "THOR-TEMPLATE-MISSING",
            "thor_profiles[0].options['chat-template-file']",
            "not one of the service's files",
        ),
        (
            {"profile": "qwen3-8b-vllm", "memory_gib": 2},
            "THOR-MEMORY-FRACTION",
            "thor_profiles[0].memory_gib",
            "between 2.1 and 124.0",
        ),
        (
            {"profile": "qwen3-8b-sglang", "memory_gib": 127},
            "THOR-MEMORY-FRACTION",
            "thor_profiles[0].memory_gib",
            "at most 1",
        ),
        (
            {"profile": CHAT, "options": {"ctx-size": True}},
            "THOR-FLAG-VALUE",
            "thor_profiles[0].options['ctx-size']",
            "needs a value",
        ),
        (
            {"profile": CHAT, "options": {"metrics": 3}},
            "THOR-FLAG-VALUE",
            "thor_profiles[0].options['metrics']",
            "takes no value",
        ),
    ],
)
def test_what_is_refused_names_the_culprit(entry: Any, code: str, variable: str, words: str) -> None:
    problem = only(run(entry))
    assert (problem.code, problem.variable) == (code, variable)
    assert words in problem.text()


def test_profiles_must_be_a_list() -> None:
    catalog, _found = catalogs.build(catalog_action.files(str(FILES)), {})
    for written in (None, CHAT, {"profile": CHAT}):
        assert codes(resolve(Inputs(written), catalog)) == ["THOR-TYPE-INVALID"]


def test_no_profiles_is_no_service_and_no_problem() -> None:
    assert run() == Resolution()


def test_all_problems_are_said_at_once() -> None:
    entries = ("nosuch", {"profile": CHAT, "prt": 1, "options": {"nosuch-flag": 1}}, "qwen3-8b-fp8-vllm")
    resolution = run(*entries, allow_unbounded_memory=True)
    assert codes(resolution) == [
        "THOR-PROFILE-UNKNOWN",
        "THOR-KEY-UNKNOWN",
        "THOR-FLAG-UNKNOWN",
        "THOR-STATUS-BROKEN",
    ]


def test_names_and_ports_are_taken_once() -> None:
    assert codes(run(CHAT, CHAT)) == ["THOR-NAME-DUPLICATE", "THOR-PORT-DUPLICATE"]
    assert CODER in only(run(CHAT, CODER)).reason
    assert not run(CHAT, {"profile": CODER, "port": 8001}).problems


def test_another_address_is_open_to_all_and_must_be_wanted() -> None:
    assert only(run(CHAT, address="0.0.0.0")).variable == "thor_address"
    service = run(CHAT, address="0.0.0.0", allow_unauthenticated=True).facts[0]
    assert "--host 0.0.0.0" in " ".join(service["argv"])


@pytest.mark.parametrize(
    ("extra", "code", "variable", "words"),
    [
        ({"models": {"m": MODEL | {"idd": "a/b"}}}, "THOR-KEY-UNKNOWN", "thor_extra_models['m'].idd", "'id'"),
        ({"models": {"m": MODEL}}, "THOR-KEY-MISSING", "thor_extra_models['m'].id", "needs"),
        ({"models": {"m": MODEL | {"source": "ftp"}}}, "THOR-VALUE-INVALID", "thor_extra_models['m'].source", "url"),
        ({"models": ["m"]}, "THOR-TYPE-INVALID", "thor_extra_models", "mapping"),
        ({"profiles": {"p": PROFILE | {"engine": "vlm"}}}, "THOR-ENGINE-UNKNOWN", f"{P}.engine", "'vllm'"),
        ({"profiles": {"p": PROFILE | {"model": "qwen3-8"}}}, "THOR-MODEL-UNKNOWN", f"{P}.model", "'qwen3-8b'"),
        ({"engines": {"vllm": {"version": "1.0"}}}, "THOR-VERSION-UNKNOWN", f"{V}.version", "25.10"),
    ],
)
def test_own_entries_are_checked_key_by_key(extra: dict[str, Any], code: str, variable: str, words: str) -> None:
    problem = run(extra=extra).problems[0]
    assert (problem.code, problem.variable) == (code, variable)
    assert words in problem.text()


def test_an_override_of_an_entry_keeps_its_other_keys() -> None:
    service = run(CHAT, extra={"profiles": {CHAT: {"memory_gib": 3}}, "engines": {"llama.cpp": {"port": 9000}}}).facts[
        0
    ]
    assert (service["memory_gib"], service["port"]) == (3, 9000)
    assert service["model"]["id"] == "Qwen/Qwen3-8B-GGUF"


def test_a_container_version_without_a_list_of_options_is_refused_once_it_has_a_role() -> None:
    extra = {"engines": {"vllm": {"version": "99.1", "versions": {"99.1": {}}}}}
    problem = only(run("qwen3-8b-vllm", extra=extra))
    assert problem.code == "THOR-FLAGS-MISSING" and "script/flags" in problem.remedy
    assert not run("qwen3-8b-vllm", extra=extra, allow_unchecked_flags=True).problems


def test_what_the_collection_writes_itself_is_known_without_a_list() -> None:
    entry = {"profile": "qwen3-8b-vllm", "version": "26.03", "options": {"gpu-memory-utilization": 0.9, "anything": 1}}
    assert codes(run(entry, allow_unchecked_flags=True)) == ["THOR-FLAG-RESERVED"]


def test_options_that_a_version_lost_are_refused_for_that_version() -> None:
    swap = {"profile": "qwen3-8b-vllm", "options": {"swap-space": 4}}  # of vLLM 0.10, gone in 0.20
    assert not run(swap).problems
    assert only(run(swap, engine_versions={"vllm": "26.05"})).code == "THOR-FLAG-UNKNOWN"


def test_templates_that_are_no_files_or_lie_in_the_model_are_accepted() -> None:
    for template in ("{{ messages }}", "chatml", "/models/Qwen/Qwen3-8B/own.jinja"):
        assert not run({"profile": "qwen3-8b-sglang", "options": {"chat-template": template}}).problems
    outside = {"profile": "qwen3-8b-sglang", "options": {"chat-template": "/models/Qwen/Qwen3-8B/../x.jinja"}}
    assert only(run(outside)).code == "THOR-TEMPLATE-MISSING"
    native = {"profile": CHAT, "options": {"jinja": True, "chat-template-file": "/etc/mine.jinja"}}
    assert not run(native).problems


def test_the_budget_becomes_the_engines_own_fraction_rounded_down() -> None:
    vllm = run({"profile": "qwen3-8b-vllm", "memory_gib": 32.5}).facts[0]
    assert vllm["argv"][vllm["argv"].index("--gpu-memory-utilization") + 1] == "0.250"  # (32.5 - 2) / 122
    assert vllm["memory"] == {"option": "--gpu-memory-utilization", "of": "total", "budget_bytes": int(30.5 * 2**30)}
    sglang = run("qwen3-8b-sglang", device_memory_gib=100).facts[0]
    assert sglang["argv"][sglang["argv"].index("--mem-fraction-static") + 1] == "0.270"  # (31 - 4) / 100
    assert sglang["memory"] == {"option": "--mem-fraction-static", "of": "free", "budget_bytes": 27 * 2**30}
    small = run("qwen3-8b-sglang", device_memory_gib=100.1).facts[0]
    assert small["argv"][small["argv"].index("--mem-fraction-static") + 1] == "0.269"
    assert run(CHAT).facts[0]["memory"] is None


def test_a_version_that_takes_more_than_its_budget_stands_alone() -> None:
    pair = ["qwen3-8b-fp4-vllm", {"profile": CHAT, "name": "small", "port": 8001}]
    problem = only(run(*pair))
    assert (problem.code, problem.value) == ("THOR-MEMORY-UNBOUNDED", "25.10")
    assert "qwen3-8b-fp4-vllm" in problem.variable and "small" in problem.reason and "tends to 1.0" in problem.reason
    assert '{vllm: "26.05"}' in problem.remedy and "thor_allow_unbounded_memory" in problem.remedy
    assert not run(*pair, allow_unbounded_memory=True).problems
    assert not run(*pair, engine_versions={"vllm": "26.05"}).problems
    assert not run(pair[0]).problems
    assert not run("qwen3-8b-sglang", pair[1]).problems


def test_a_registry_takes_the_place_of_nvidias_by_name() -> None:
    service = run("qwen3-8b-vllm", ngc_registry="hub:5000").facts[0]
    assert (service["image"], service["image_digest"]) == ("hub:5000/nvidia/vllm:25.10-py3", None)
    assert service["image_bytes"] == 30_000_000_000
    other = {"engines": {"vllm": {"versions": {"25.10": {"image": "docker.io/vllm/vllm-openai:latest"}}}}}
    assert run("qwen3-8b-vllm", ngc_registry="hub:5000", extra=other).facts[0]["image"].startswith("docker.io/")
    assert [run(CHAT).facts[0][key] for key in ("image", "image_digest", "image_bytes")] == [None, None, None]
    for name in ("https://hub", "hub:5000/", "", "a b"):
        assert only(run("qwen3-8b-vllm", ngc_registry=name)).variable == "thor_ngc_registry"


def test_the_digest_of_the_lock_or_of_an_own_version_is_taken_for_the_image_that_it_was_read_of() -> None:
    digest, mine = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
    catalog, _found = catalogs.build(copy.deepcopy(catalog_action.files(str(FILES))), {})
    catalog.flags = catalog_action.flags(str(FILES))
    catalog.lock = {"images": {"vllm": {"25.10": {"image": "nvcr.io/nvidia/vllm:25.10-py3", "digest": digest}}}}
    inputs = Inputs(["qwen3-8b-vllm"], ngc_registry="hub:5000")
    assert resolve(inputs, catalog).facts[0]["image_digest"] == digest
    catalog.engines["vllm"]["versions"]["25.10"] = {"image": "nvcr.io/mine/vllm:1"}
    assert resolve(inputs, catalog).facts[0]["image_digest"] is None
    catalog.engines["vllm"]["versions"]["25.10"]["digest"] = mine
    assert resolve(inputs, catalog).facts[0]["image_digest"] == mine


def test_json_written_as_text_reaches_the_chat_endpoint_too() -> None:
    entry = {"profile": "qwen3-8b-fp8-sglang", "options": {"preferred-sampling-params": '{"temperature": 0.5}'}}
    assert run(entry).facts[0]["generation_config"]["values"] == {"temperature": 0.5}
    entry["options"] = {"preferred-sampling-params": None}
    assert run(entry).facts[0]["generation_config"] is None


def test_the_lock_pins_what_the_catalog_only_names() -> None:
    model = {"source": "modelscope", "id": "a/b", "revision": "master", "bytes": 5, "estimated": True}
    files = {"x": {"size": 3, "sha256": "ff"}, "y": {"size": 4, "sha256": None}}
    lock = {"models": {"m": {"id": "a/b", "revision": "v1", "files": files}}}
    artifact = artifact_of("m", model, lock)
    assert isinstance(artifact, HubArtifact)
    assert (artifact.revision, artifact.bytes, artifact.estimated) == ("v1", 7, False)
    assert artifact.sha256 == {"x": "ff"}
    assert artifact_of("m", {**model, "include": ["x"]}, lock).bytes == 3
    # The lock speaks of the catalog's model, not of another one that an inventory puts under its name.
    other = artifact_of("m", {**model, "id": "mine/b"}, lock)
    assert isinstance(other, HubArtifact)
    assert (other.revision, other.sha256) == ("master", {})


def test_every_profile_of_the_catalog_resolves() -> None:
    catalog, found = catalogs.build(catalog_action.files(str(FILES)), {})
    assert not found and len(catalog.profiles) == 16
    entries = [{"profile": name, "port": 9000 + index} for index, name in enumerate(catalog.profiles)]
    resolution = run(*entries, allow_broken=True, allow_unbounded_memory=True)
    assert not resolution.problems
    json.dumps(resolution.facts)


# Speech and vision


EAR, EYES = "whisper-large-v3-turbo-whisper-cpp", "qwen3-vl-30b-a3b-llama-cpp"


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({}, "/inference"),
        ({"inference-path": "/v1/audio/transcriptions"}, "/v1/audio/transcriptions"),
        ({"request-path": "/ear"}, "/ear/inference"),
        ({"request-path": "/ear", "inference-path": "/say"}, "/ear/say"),
    ],
)
def test_the_path_of_a_transcription_is_the_engines_or_the_profiles(options: dict[str, str], path: str) -> None:
    service = run({"profile": EAR, "options": options}).facts[0]
    assert (service["api"], service["api_path"]) == ("transcription", path)


def test_each_api_has_its_usual_path() -> None:
    services = run(CHAT, {"profile": "whisper-small-vllm", "port": 8001}, engine_versions={"vllm": "26.05"}).facts
    assert [service["api_path"] for service in services] == ["/v1/chat/completions", "/v1/audio/transcriptions"]


def test_whisper_server_stays_on_the_loopback_whatever_is_allowed() -> None:
    problem = only(run({"profile": EAR, "address": "192.0.2.7"}, allow_unauthenticated=True))
    assert (problem.code, problem.variable, problem.value) == (
        "THOR-ADDRESS-LOOPBACK",
        "thor_profiles[0].address",
        "192.0.2.7",
    )
    assert "/load" in problem.reason


def test_a_program_is_needed_where_its_option_is_given() -> None:
    assert run(EAR).facts[0]["programs"] == []
    assert run({"profile": EAR, "options": {"convert": True}}).facts[0]["programs"] == ["ffmpeg"]
    assert run({"profile": EAR, "options": {"convert": False}}).facts[0]["programs"] == []


def test_the_python_packages_of_an_image_are_those_of_its_version_and_api() -> None:
    for version, names in {
        "25.10": ["librosa", "soundfile"],
        "26.03": ["librosa", "scipy", "soundfile"],
        "26.05": ["av", "scipy", "soundfile"],
        "26.10": ["av", "scipy", "soundfile", "soxr"],
    }.items():
        ear = {"profile": "whisper-small-vllm", "version": version}
        service = run(ear, allow_unchecked_flags=True).facts[0]
        assert [one.split("==")[0] for one in service["python_packages"]] == names
    assert run("qwen3-8b-vllm").facts[0]["python_packages"] == []


def test_images_are_shown_by_file_in_the_engines_own_way() -> None:
    llama = run(EYES).facts[0]
    assert (llama["vision"], llama["remote_media"]) == ({"folder": "/models", "file_url": "file:///{name}"}, True)
    vllm = run("qwen2-5-vl-7b-awq-vllm").facts[0]
    assert vllm["vision"] == {"folder": "/models", "file_url": "file://{path}"}
    alone = run({"profile": "qwen2-5-vl-7b-awq-vllm", "options": {"allowed-local-media-path": None}}).facts[0]
    assert alone["vision"]["folder"] is None
    own = run({"profile": EYES, "options": {"media-path": "{path}/pictures"}}).facts[0]
    assert (
        own["vision"]["folder"]
        == f"{own['model']['path']}/pictures"
        == own["argv"][own["argv"].index("--media-path") + 1]
    )
    blind = run(CHAT).facts[0]
    assert (blind["vision"], blind["remote_media"]) == (None, None)


@pytest.mark.parametrize("value", [None, "{path}/mmproj-other.gguf", "/models/elsewhere/mmproj.gguf"])
def test_a_missing_projector_is_refused(value: str | None) -> None:
    problem = only(run({"profile": EYES, "options": {"mmproj": value}}))
    assert (problem.code, problem.variable) == ("THOR-PROJECTOR-MISSING", "thor_profiles[0].options['mmproj']")
    assert problem.value == value


def test_a_version_without_quotes_is_told_as_such() -> None:
    for problem in (
        only(run(CHAT, engine_versions={"llama.cpp": 26.1})),
        only(run({"profile": CHAT, "version": 26.1})),
    ):
        assert (problem.code, problem.value, problem.remedy) == ("THOR-TYPE-INVALID", 26.1, "Put it in quotes.")


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
def test_a_folder_of_images_that_the_service_does_not_see_is_refused(profile: str, option: str, folder: str) -> None:
    problem = only(run({"profile": profile, "options": {option: folder}}))
    assert (problem.code, problem.variable, problem.value) == (
        "THOR-MEDIA-FOLDER",
        f"thor_profiles[0].options[{option!r}]",
        folder,
    )


def test_an_inference_path_without_a_slash_is_refused() -> None:
    entry = {"profile": "whisper-large-v3-turbo-whisper-cpp", "options": {"inference-path": "v1/audio/transcriptions"}}
    problem = only(run(entry))
    assert (problem.code, problem.remedy) == ("THOR-VALUE-INVALID", "Write /v1/audio/transcriptions.")
    assert problem.variable == "thor_profiles[0].options['inference-path']"


def test_fetching_of_images_can_be_switched_off() -> None:
    vllm = run({"profile": "qwen2-5-vl-7b-awq-vllm", "remote_media": False}).facts[0]
    assert vllm["remote_media"] is False
    assert vllm["environment"]["http_proxy"] == vllm["environment"]["https_proxy"] == "http://127.0.0.1:9"
    assert "http_proxy" not in run("qwen2-5-vl-7b-awq-vllm").facts[0]["environment"]
    # A proxy of the site, for the hub say, would be a way out.
    site = {"http_proxy": "http://proxy:3128", "no_proxy": "camera.example.org"}
    entry = {"profile": "qwen2-5-vl-7b-awq-vllm", "remote_media": False, "environment": site}
    environment = run(entry).facts[0]["environment"]
    assert (environment["http_proxy"], environment["no_proxy"]) == ("http://127.0.0.1:9", "")
    assert run({"profile": EYES, "remote_media": False}).facts[0]["remote_media"] is False
    extra = {"profiles": {"qwen2-5-vl-7b-awq-vllm": {"remote_media": False}}}
    assert run("qwen2-5-vl-7b-awq-vllm", extra=extra).facts[0]["remote_media"] is False


@pytest.mark.parametrize(
    ("entry", "words", "remedy"),
    [
        ({"profile": CHAT, "remote_media": False}, "sees no images", "Leave the key out"),
        ({"profile": EYES, "remote_media": False, "address": "192.0.2.7"}, "clients at 192.0.2.7", "on its loopback"),
        ({"profile": "eyes-sglang", "remote_media": False}, "No way is known to keep sglang", "Leave the key out"),
    ],
)
def test_what_cannot_be_switched_off_is_refused(entry: dict[str, Any], words: str, remedy: str) -> None:
    eyes = {"engine": "sglang", "model": "qwen2-5-vl-7b-awq", "served_name": "q", "memory_gib": 30}
    extra = {"profiles": {"eyes-sglang": eyes}}
    problem = only(run(entry, extra=extra, allow_unauthenticated=True))
    assert (problem.code, problem.variable) == ("THOR-MEDIA-FIXED", "thor_profiles[0].remote_media")
    assert words in problem.reason
    assert remedy in problem.remedy


def test_the_engines_own_tool_measures_the_models_file() -> None:
    service = run(CHAT).facts[0]
    assert service["bench_argv"][:3] == ["llama-bench", "--model", "/models/Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q5_K_M.gguf"]
    assert run("qwen3-8b-vllm").facts[0]["bench_argv"] == []


def test_a_model_without_weights_says_so() -> None:
    extra = {"models": {"qwen3-8b-q5-k-m": {"untrained": True}}}
    assert run(CHAT, extra=extra).facts[0]["trained"] is False
    assert run(CHAT).facts[0]["trained"] is True


# Options that let a client run or read things


def test_llama_server_answers_no_origin_but_the_device_s_own() -> None:
    service = run(CHAT).facts[0]
    assert service["environment"]["LLAMA_ARG_CORS_ORIGINS"] == "localhost"
    assert not run({"profile": CHAT, "options": {"cors-origins": "https://chat.example.org"}}).problems


@pytest.mark.parametrize(
    ("profile", "options"),
    [
        (CHAT, {"agent": True}),
        (CHAT, {"tools": "all"}),
        (CHAT, {"tools": ["read_file", "get_info"]}),
        (CHAT, {"tools-runtime": "ssh:me@host"}),
        (CHAT, {"ui-mcp-proxy": True}),
        (CHAT, {"webui-mcp-proxy": True}),  # an alias
        (CHAT, {"mcp-servers-config": "/models/mcp.json"}),
        (CHAT, {"mcp-servers-json": {"mcpServers": {}}}),
        (CHAT, {"path": "/"}),
        (CHAT, {"slot-save-path": "/models"}),
        (CHAT, {"media-path": "/etc"}),
        (CHAT, {"media-path": "/models/../etc"}),
        (CHAT, {"cors-origins": "*"}),
        (CHAT, {"cors-origins": ["https://chat.example.org", "*"]}),
        (CHAT, {"cors-origins": "* "}),
        (CHAT, {"cors-origins": "https://chat.example.org, null"}),
        (CHAT, {"models-preset": "/models/preset.ini"}),
        ("whisper-large-v3-turbo-whisper-cpp", {"public": "/etc"}),
        ("qwen3-8b-vllm", {"trust-remote-code": True}),
        ("qwen3-8b-vllm", {"middleware": "os.system"}),
        ("qwen3-8b-vllm", {"logits-processor-pattern": ".*"}),
        ("qwen3-8b-vllm", {"config": "/models/more.yml"}),
        ("qwen3-8b-vllm", {"tool-server": "demo"}),
        ("qwen3-8b-vllm", {"distributed-executor-backend": "os.system"}),
        ("qwen3-8b-vllm", {"compilation-config": {"backend": "os.system"}}),
        ("qwen3-8b-vllm", {"compilation-config": '{"inductor_passes": {"a": "os.system"}}'}),
        ("qwen3-8b-sglang", {"trust-remote-code": True}),
        ("qwen3-8b-sglang", {"enable-lora": True}),
    ],
    ids=lambda part: str(part)[:60],
)
def test_options_that_let_a_client_run_or_read_things_have_to_be_allowed_by_name(profile: str, options: Any) -> None:
    problem = only(run({"profile": profile, "options": options}))
    name = next(iter(options)).replace("webui", "ui")
    assert (problem.code, problem.variable) == (
        "THOR-OPTION-UNSAFE",
        f"thor_profiles[0].options[{next(iter(options))!r}]",
    )
    assert name in problem.remedy and "thor_allow_unsafe_options" in problem.remedy
    allowed = run({"profile": profile, "options": options}, allow_unsafe_options=[name])
    assert not allowed.problems and f"--{next(iter(options))}" in allowed.facts[0]["argv"]


@pytest.mark.parametrize("as_text", [False, True])
def test_a_plugin_within_json_has_to_be_allowed_too(as_text: bool) -> None:
    def asked(value: dict[str, Any], **settings: Any) -> list[str]:
        options = {"structured-outputs-config": json.dumps(value) if as_text else value}
        return codes(run({"profile": "qwen3-8b-vllm", "version": "26.05", "options": options}, **settings))

    plugin = {"reasoning_parser_plugin": "/models/x.py"}
    assert asked(plugin) == ["THOR-OPTION-UNSAFE"]
    assert not asked(plugin, allow_unsafe_options=["structured-outputs-config"])
    assert not asked({"reasoning_parser_plugin": "", "backend": "xgrammar"})


@pytest.mark.parametrize(
    "words",
    [
        ["--middleware=os.system"],
        ["--trust_remote_code"],
        ["--distributed_executor_backend", "os.system"],
        ["--compilation-config.backend=os.system"],
        ['--compilation-config={"backend":"os.system"}'],
    ],
    ids=" ".join,
)
def test_an_own_command_is_looked_through_as_a_parser_does(words: list[str]) -> None:
    command = {"engines": {"vllm": {"command": ["vllm", "serve", "{path}", *words]}}}
    assert codes(run("qwen3-8b-vllm", extra=command)) == ["THOR-OPTION-UNSAFE"]


@pytest.mark.parametrize(
    ("profile", "environment"),
    [
        (CHAT, {"LLAMA_ARG_TOOLS": "all"}),
        (CHAT, {"LLAMA_ARG_AGENT": 1}),
        (CHAT, {"LLAMA_ARG_STATIC_PATH": "/etc"}),
        (CHAT, {"LLAMA_ARG_CORS_ORIGINS": "*"}),
        (CHAT, {"LLAMA_ARG_CORS_ORIGINS": " null"}),
        ("qwen3-8b-vllm", {"VLLM_SERVER_DEV_MODE": "1"}),
    ],
)
def test_variables_that_do_the_same_are_refused_too(profile: str, environment: Any) -> None:
    problem = only(run({"profile": profile, "environment": environment}))
    where = f"thor_profiles[0].environment[{next(iter(environment))!r}]"
    assert (problem.code, problem.variable) == ("THOR-OPTION-UNSAFE", where)


@pytest.mark.parametrize(
    "entry",
    [
        {"profile": CHAT, "options": {"agent": False, "tools": False, "ui-mcp-proxy": False}},
        {"profile": CHAT, "environment": {"LLAMA_ARG_AGENT": "0"}},
        {"profile": CHAT, "options": {"cors-origins": "https://null.example.org"}},
        {"profile": "qwen3-8b-vllm", "options": {"distributed-executor-backend": "mp"}},
        {"profile": "qwen3-8b-vllm", "options": {"compilation-config": {"backend": "inductor", "level": 3}}},
        {"profile": CHAT, "options": {"media-path": "/models/pictures"}},
        {"profile": EYES, "options": {"media-path": "{path}/pictures"}},
        {"profile": "qwen2-5-vl-7b-awq-vllm"},  # /models, which the container sees read-only
    ],
)
def test_what_lets_nobody_in_is_no_matter(entry: Any) -> None:
    assert not run(entry).problems


def test_unsafe_options_are_found_wherever_they_come_from() -> None:
    extra = {
        "profiles": {"p": {"engine": "llama.cpp", "model": "qwen3-8b-q5-k-m", "served_name": "q", "memory_gib": 9}}
    }
    extra["profiles"]["p"]["options"] = {"agent": True}
    problem = only(run("p", extra=extra))
    assert (problem.code, problem.variable) == (
        "THOR-OPTION-UNSAFE",
        "thor_profiles[0] (from the profile p) options['agent']",
    )
    command = {"engines": {"llama.cpp": {"command": ["llama-server", "--model", "{file}", "--agent"]}}}
    assert only(run(CHAT, extra=command)).code == "THOR-OPTION-UNSAFE"


@pytest.mark.parametrize(
    ("profile", "version", "options"),
    [
        (CHAT, "49bfdde", {"slot_save_path": "/models"}),
        (CHAT, "49bfdde", {"tools": "all"}),
        ("qwen3-8b-vllm", "26.10", {"trust_remote_code": True}),
        ("qwen3-8b-vllm", "26.10", {"trust-remote": True}),  # argparse knows it by its beginning
    ],
)
def test_without_a_list_of_options_what_a_parser_lets_pass_counts(profile: str, version: str, options: Any) -> None:
    entry = {"profile": profile, "version": version, "options": options}
    assert codes(run(entry, allow_unchecked_flags=True)) == ["THOR-OPTION-UNSAFE"]


def test_a_name_that_nothing_refuses_is_no_name_to_allow() -> None:
    problem = only(run(CHAT, allow_unsafe_options=["trust-remote-cod"]))
    assert (problem.code, problem.variable) == ("THOR-VALUE-INVALID", "thor_allow_unsafe_options[0]")
    assert "'trust-remote-code'" in problem.remedy


def test_unsafe_options_are_options_that_a_stored_list_has() -> None:
    """A name that no version has would refuse nothing."""
    data = catalog_action.files(str(FILES))["engines"]
    lists = catalog_action.flags(str(FILES))
    for engine, entry in data.items():
        known = [
            find(flags, name)
            for (owner, _), flags in lists.items()
            if owner == engine
            for name in entry["unsafe_options"]
        ]
        names = {name[2:] for name in known if name}
        assert {name for name in entry["unsafe_options"] if not name.isupper()} - names == set(), engine
