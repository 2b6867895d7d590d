# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The catalog's data: it yields every command of the reference post, is consistent, and invents no pin."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import real_catalog
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.builds.inputs import inputs
from ansible_collections.jetson.thor.plugins.module_utils.clients import transcription
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import engine_version, kinds, resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files as catalog_action
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import builds

# The version that the post ran; its profiles name it.
POST_VERSION = "25.10"
ROOT = Path(__file__).resolve().parents[3]
FILES = ROOT / "roles" / "catalog" / "files"
POST = yaml.safe_load(Path(__file__).with_name("reference_post.yml").read_text(encoding="utf-8"))
REFERENCE = yaml.safe_load((FILES / "reference.yml").read_text(encoding="utf-8"))["reference"]
DATA = catalog_action.files(str(FILES))
CATALOG, PROBLEMS = real_catalog.load()
PROFILES = {
    "qwen3-8b-vllm",
    "qwen3-8b-sglang",
    "qwen3-8b-graph-bs-2-sglang",
    "qwen3-8b-fp8-vllm",
    "qwen3-8b-fp8-sglang",
    "qwen3-8b-fp4-vllm",
    "qwen3-8b-fp4-sglang",
    "qwen3-8b-q5-k-m-llama-cpp",
    "qwen3-coder-30b-a3b-fp8-vllm",
    "qwen3-coder-30b-a3b-fp8-sglang",
    "qwen3-coder-30b-a3b-q5-k-m-llama-cpp",
    "whisper-small-vllm",
    "whisper-large-v3-turbo-vllm",
    "whisper-large-v3-turbo-whisper-cpp",
    "qwen2-5-vl-7b-awq-vllm",
    "qwen3-vl-30b-a3b-llama-cpp",
    "sensevoice-small-funasr",
}
# Models of 2026: test_models_2026.py has what was read about them.
TODAY = {
    one["name"]
    for one in yaml.safe_load(Path(__file__).with_name("models_2026.yml").read_text(encoding="utf-8"))["profiles"]
}
# Every hash and fingerprint allowed in the catalog, with its source. A new one belongs here too.
PINS = {
    "0c1e57098bba43ac29e6e3b677cdceebdd22334f": "git metadata in the PyPI sdist llama-cpp-python 0.3.36",
    "49bfddeca18e62fa3d39114a23e9fcbdf8a22388": "git metadata in the PyPI sdist llama-cpp-python 0.3.17",
    "4227c9be4268ac844921b90f31595f81236bd317": "git metadata in the PyPI sdist llama-cpp-python 0.3.16",
    "f24588a272ae8e23280d9c220536437164e6ed28": "tag v1.8.5 of whisper.cpp",
    "371b5a7561823ab2bb32142d2751e35e7534727b": "tag v1.9.3 of whisper.cpp",
    "4af2b29d7ec73d781377bfd1758ca957a807e941": "whisper.cpp models/README.md (sha1)",
    "c95b321b61e88c1809c4f759ddcae044f796ecb0": "ten independent public repositories",
    "9dc858229fc7dd38854ae2d88d81803c0ebfcd88": "ten independent public repositories",
    # Digests of images that other public projects recorded: third-party readings, which the first pull confirms or refuses.
    "fe21f1b1f3a53886515a191ba6309065a54b3e026fe8a43573e75e4ecdfd530d": "nvcr.io/nvidia/vllm:26.03.post1-py3, index",
    "447995cbb57e6c7cf792cab95e9852e5f62b5fb6d2f39e030fa4eda9a54eadb4": "nvcr.io/nvidia/vllm:26.03.post1-py3, arm64 manifest",
    "9204569b17ee4c0eff75194b8e6e458479c8aee18953b5ab9cf359fcdac659e2": "nvcr.io/nvidia/vllm:26.05.post1-py3, arm64 manifest",
    "95c498a475142c20c989c65e5d223348c09fed83ba17ddf44f117610c0bd3268": "nvcr.io/nvidia/vllm:26.07-py3, index",
    "1de8e6bfdb4c81c1f31a806cc9b13b5c6352714a7cec87f4d24964bcc91159b2": "nvcr.io/nvidia/vllm:26.07-py3, arm64 manifest",
    "d049bead397430803ac5b705d50094492f23782716677d746ab721e43f054cf6": "nvcr.io/nvidia/vllm:26.08-py3, arm64 manifest",
    "557747337846eecf34486866f3d992383c6f8af869fdb0e365b5093fcaee02c2": "nvcr.io/nvidia/vllm:26.09-py3, index",
    "fa68ef92f906e1b3770621625c5af539d15297fea15dacfc1466b853a567c5b6": "nvcr.io/nvidia/vllm:26.09-py3, arm64 manifest",
    "3f7dd5b777d34d1724456ce71f87385dca288c3bb23029ab27dee358f5d2b971": "vllm/vllm-openai:v0.31.0-aarch64, arm64 manifest",
    "edb36119c3c7568692cff32e8c1240cabea9810be2664671c6f88d1ae654b514": "nvcr.io/nvidia/sglang:26.09-py3, index",
    "b1259f3ea3275f66237c498ea388919729018bc9f01c3d638391e06e2cf3f469": "lmsysorg/sglang:v0.5.21, index",
    # Commits on Hugging Face that other public projects recorded: third-party readings, which the first fetch confirms or refuses.
    "bee7596271d1495f6992ae224aefde4410e816b8": "NVIDIA-Nemotron-3.5-Lightning-30B-A3B-NVFP4, by aa-agentperf-local",
    "3051796f1bcf60ac44a27c2f79c52a2a2b3e2b37": "NVIDIA-Nemotron-3.5-Lightning-30B-A3B-DFlash-GGUF, by aa-agentperf-local",
    "f1bfb127c64f7072bdd2cad55f258b9c8b2910fe": "unsloth/Qwen3.8-27B-GGUF, by aa-agentperf-local",
    "16993199e436da4ba75ddc410855f87e0d996ee6": "Nemotron-3-Nano-Omni-30B-A3B-Reasoning-NVFP4, by a public project",
    "29d097773436b69ff9feafd636ab4cf873786537": "google/gemma-4-12B-it-qat-q4_0-gguf, by aa-agentperf-local",
    "6cee5e81ee83917806bbde320786a8fb61efebee": "openai/gpt-oss-20b, by several public projects",
    "b5c939de8f754692c1647ca79fbf85e8c1e70f8a": "openai/gpt-oss-120b, by aa-agentperf-local",
    "ff433f5493e25d631c9f12b5d55c674229923d02": "NVIDIA-Nemotron-3-Super-120B-A12B-NVFP4, by aa-agentperf-local",
    "370f27d7550e0def9b39c1f16d3fbaa13aa67728": "Qwen/Qwen3-Embedding-0.6B-GGUF, by several public projects",
    # Checksums in the package tiktoken 0.14.0 (tiktoken_ext/openai_public.py).
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d": "o200k_base.tiktoken",
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7": "cl100k_base.tiktoken",
}


def one(entry: Any, **inputs: Any) -> dict[str, Any]:
    """The only service of ``thor_profiles: [entry]``, which must have no problems."""
    settings = {"allow_broken": True, **inputs}
    resolution = resolve.resolve(Inputs(profiles=[entry], **settings), CATALOG)
    assert resolution.problems == []
    return resolution.facts[0]


def parsed(argv: list[str]) -> tuple[list[str], dict[str, Any]]:
    """The command head with its values, and the options: a list of words each, or parsed JSON."""
    first = ("--served-model-name", "--alias", "--host")
    start = next(index for index, word in enumerate(argv) if word in first)
    options: dict[str, Any] = {}
    name = ""
    for word in argv[start:]:
        if word.startswith("--"):
            name = word[2:]
            assert name not in options, f"--{name} stands twice"
            options[name] = []
        else:
            options[name].append(json.loads(word) if word.startswith("{") else word)
    return argv[:start], options


@pytest.mark.parametrize("command", POST["commands"], ids=lambda command: command["title"])
def test_the_inventory_yields_every_command_of_the_post(command: dict[str, Any]) -> None:
    deviations = POST["deviations"]
    head, options = parsed([deviations["words"].get(word, word) for word in command["argv"]])
    options.setdefault("port", [deviations["port"]])
    for name, value in {**deviations["options"], **command.get("meant", {})}.items():
        options[name] = [value]
    service = one(command["service"])
    options.update(deviations["own"].get(service["engine"], {}))
    found_head, found = parsed(service["argv"])
    shares = [found.pop(name) for name in deviations["memory"] if name in found]
    assert len(shares) == (service["kind"] == "image")
    assert (found_head, found) == (head, options)
    template = "/models/templates/qwen3_nonthinking.jinja"
    fetched = [f"{artifact['path']}/{artifact['file']}" for artifact in service["files"]]
    assert (template in service["argv"]) == (template in fetched)


def test_the_catalog_has_no_problems_and_all_profiles() -> None:
    assert PROBLEMS == []
    assert set(CATALOG.profiles) == PROFILES | TODAY
    assert not PROFILES & TODAY


@pytest.mark.parametrize("name", sorted(PROFILES | TODAY))
def test_every_profile_resolves(name: str) -> None:
    service = one(name)
    assert service["address"] == "127.0.0.1"
    assert service["argv"][service["argv"].index("--host") + 1] == "127.0.0.1"
    assert service["argv"][service["argv"].index("--port") + 1] == str(service["port"])
    assert all(isinstance(word, str) and "{path}" not in word and "{file}" not in word for word in service["argv"])
    assert all(isinstance(value, str) for value in service["environment"].values())
    json.dumps(service)
    size, budget = service["model"]["bytes"], service["memory_gib"]
    assert budget is None or size / 2**30 < budget < 120, "the budget covers the weights and fits a Thor with 128 GB"
    assert size is not None or budget is None
    assert budget is not None or name in TODAY
    assert re.fullmatch(r"(.+)-(vllm|sglang|llama-cpp|whisper-cpp|funasr)", name)
    assert name.endswith(service["engine"].replace(".", "-"))


def test_every_model_has_a_profile() -> None:
    profiles = CATALOG.profiles.values()
    files = {key for profile in profiles for name in ("files", "files_not_thinking") for key in profile.get(name, [])}
    drafts = {one["speculative"]["model"] for one in profiles if "model" in (one.get("speculative") or {})}
    assert {profile["model"] for profile in profiles} | files | drafts == set(CATALOG.models)


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_thinking_can_be_set_exactly_if_the_model_can_switch(name: str) -> None:
    for thinking in (True, False):
        inputs = Inputs([{"profile": name, "thinking": thinking}], allow_broken=True)
        resolution = resolve.resolve(inputs, CATALOG)
        codes = [problem.code for problem in resolution.problems]
        assert codes == ([] if name.startswith("qwen3-8b-") else ["THOR-THINKING-FIXED"])


@pytest.mark.parametrize("name", sorted(PROFILES | TODAY))
def test_every_status_statement_can_apply_and_the_last_applies_to_the_rest(name: str) -> None:
    profile = CATALOG.profiles[name]
    versions = CATALOG.engines[profile["engine"]]["versions"]
    real = [known["engine_version"] for known in versions.values() if "engine_version" in known]
    for statement in profile["status"]:
        assert statement["reason"]
        assert set(statement.get("versions", [])) <= set(versions)
        if engine_version.is_scoped(statement) and "versions" not in statement:
            assert [one for one in real if engine_version.covers(statement, one)], (
                "it is about a version of the catalog"
            )
    assert not engine_version.is_scoped(profile["status"][-1]), "the last statement applies to every other version"


@pytest.mark.parametrize(
    ("profile", "engine", "version", "state"),
    [
        ("qwen3-8b-fp8-vllm", "vllm", "25.10", "broken"),
        ("qwen3-8b-fp8-vllm", "vllm", "26.03", "broken"),
        ("qwen3-8b-fp8-vllm", "vllm", "26.05", "untested"),
        ("qwen3-8b-fp8-sglang", "sglang", "25.10", "works"),
        ("qwen3-coder-30b-a3b-fp8-vllm", "vllm", "26.01", "broken"),
        ("qwen3-coder-30b-a3b-fp8-vllm", "vllm", "26.02", "broken"),
        ("qwen3-coder-30b-a3b-fp8-vllm", "vllm", "26.10", "untested"),
        ("qwen3-coder-30b-a3b-fp8-sglang", "sglang", "25.10", "broken"),
        ("qwen3-coder-30b-a3b-fp8-sglang", "sglang", "26.01", "untested"),
        ("qwen3-vl-30b-a3b-llama-cpp", "llama.cpp", "4227c9b", "broken"),
    ],
)
def test_status_of_a_version(profile: str, engine: str, version: str, state: str) -> None:
    # Only some versions have a list of options.
    service = one(profile, engine_versions={engine: version})
    assert service["status"]["state"] == state


@pytest.mark.parametrize(
    ("profile", "engine", "refused", "allowed"),
    [
        ("qwen3-8b-fp8-vllm", "vllm", ["25.10", "26.01", "26.02", "26.03"], ["26.05", "26.10"]),
        ("qwen3-coder-30b-a3b-fp8-vllm", "vllm", ["25.10", "26.01", "26.02", "26.03"], ["26.05", "26.10"]),
        ("qwen3-coder-30b-a3b-fp8-sglang", "sglang", ["25.10"], ["26.01", "26.05"]),
        ("qwen3-vl-30b-a3b-llama-cpp", "llama.cpp", ["4227c9b"], ["49bfdde", "0c1e570"]),
    ],
)
def test_broken_profiles_are_refused_and_the_known_versions_named(
    profile: str, engine: str, refused: list[str], allowed: list[str]
) -> None:
    for version in refused + allowed:
        inputs = Inputs([profile], engine_versions={engine: version})
        codes = [problem.code for problem in resolve.resolve(inputs, CATALOG).problems]
        assert codes == (["THOR-STATUS-BROKEN"] if version in refused else []), version


ENGINES_OF_THE_POST = {"vllm": "25.10", "sglang": "25.10", "llama.cpp": DATA["engines"]["llama.cpp"]["version"]}


@pytest.mark.parametrize("row", POST["table"], ids=lambda row: row["id"])
def test_the_catalog_yields_every_row_of_the_posts_table(row: dict[str, Any]) -> None:
    (key,) = [key for key, model in CATALOG.models.items() if model.get("modelscope") == row["id"]]
    assert CATALOG.models[key]["precision"] == row["precision"]
    (held,) = [held for held in REFERENCE["table"] if held["model"] == key]
    for engine, version in ENGINES_OF_THE_POST.items():
        assert held[engine] == row[engine]
        profiles = [name for name, one in CATALOG.profiles.items() if (one["model"], one["engine"]) == (key, engine)]
        if row[engine] == "unsupported":
            assert profiles == []
            continue
        for name in profiles:
            status = one(name, engine_versions={engine: version})["status"]
            assert status["state"] == ("broken" if row[engine] == "broken" else "works")
            assert row[engine] == "broken" or status["reason"].startswith(f"{row[engine]} tok/s")
        # Broken profiles are refused, unless the user insists.
        codes = [problem.code for problem in resolve.resolve(Inputs([profiles[0]]), CATALOG).problems]
        assert codes == (["THOR-STATUS-BROKEN"] if row[engine] == "broken" else [])


def test_the_table_has_exactly_the_posts_rows() -> None:
    assert len(REFERENCE["table"]) == len(POST["table"]) == 6


@pytest.mark.parametrize("other", POST["others"], ids=lambda other: other["id"])
def test_models_outside_the_posts_table_have_a_profile(other: dict[str, str]) -> None:
    (key,) = [key for key, model in CATALOG.models.items() if model.get("modelscope") == other["id"]]
    assert [name for name, one in CATALOG.profiles.items() if (one["model"], one["engine"]) == (key, other["engine"])]


def test_engines_are_installed_as_in_the_post() -> None:
    for engine, image in POST["images"].items():
        found = CATALOG.engines[engine]
        version = found["versions"][POST_VERSION]
        assert (version["image"], version["environment"]) == (image, {POST["environment"][engine]: "true"})
    for engine, address in POST["sources"].items():
        assert CATALOG.engines[engine]["source"] == {"git": address}
    assert CATALOG.models["qwen3-nonthinking-template"]["url"] == POST["template"]


@pytest.mark.parametrize("engine", POST["sources"])
def test_native_engines_are_built_with_the_posts_options(engine: str) -> None:
    role = CATALOG.engines[engine]["role"]
    service = {"name": "x", "role": role, "engine": engine, "version": "1", "source": {"commit": "c"}, "argv": ["x"]}
    toolchain = {"cuda": "13.0", "compiler": "g++"}
    (build,) = builds.due([service], {"builds": {}, "toolchain": toolchain, "architecture": "aarch64"}, {})
    options = inputs(vars(build), toolchain, "aarch64")["options"]
    # The post builds "110", which adds as much PTX again; a device needs only the machine code.
    post = {**POST["build"], "CMAKE_CUDA_ARCHITECTURES": f"{POST['build']['CMAKE_CUDA_ARCHITECTURES']}-real"}
    assert {name: options[name] for name in post} == post
    assert options["GGML_CUDA_NCCL"] == "OFF"


@pytest.mark.parametrize("request_", POST["requests"], ids=lambda one: one["profile"])
def test_verification_sends_the_posts_requests(request_: dict[str, Any]) -> None:
    service = one(request_["profile"])
    assert (service["port"], service["api_path"]) == (request_["port"], request_["path"])
    if "form" in request_:
        body, kind = transcription.form({"model": service["served_name"], "response_format": "json"}, "a.wav", b"RIFF")
        assert kind.startswith("multipart/form-data")
        assert all(f'name="{name}"'.encode() in body for name in request_["form"])
    else:
        path = Path(request_["image"].removeprefix("file://"))
        assert service["vision"]["file_url"].format(path=path, name=path.name) == request_["image"]
        assert Path(service["vision"]["folder"]) in path.parents


def test_default_versions_and_a_newer_one_of_container_engines_have_a_list_of_options() -> None:
    """Then the tests above have compared the options of the profiles with those of the real engines."""
    for name in ("llama.cpp", "whisper.cpp", "vllm", "sglang"):
        assert CATALOG.flags_of(name, DATA["engines"][name]["version"])
    for engine, version in (("vllm", "26.05"), ("vllm", "0.33.0"), ("sglang", "26.01"), ("sglang", "0.5.23")):
        assert CATALOG.flags_of(engine, version)
    # The same release has the same options, whichever way it is installed.
    assert CATALOG.flags_of("vllm", "26.10") is CATALOG.flags_of("vllm", "0.31.0")


def test_vllm_finishes_its_answers_at_a_stop_where_it_can() -> None:
    """By default it drops them; the option's seconds are fewer than the unit's."""
    defaults = yaml.safe_load((ROOT / "roles/serving/defaults/main.yml").read_text(encoding="utf-8"))
    listed = {
        version: (CATALOG.flags_of("vllm", version), known.get("options") or {})
        for version, known in CATALOG.engines["vllm"]["versions"].items()
    }
    can = {version: options for version, (flags, options) in listed.items() if flags and "--shutdown-timeout" in flags}
    assert {"26.05", "26.10", "v0.31.0", "0.33.0"} <= set(can)
    assert all(0 < options["shutdown-timeout"] < defaults["serving_stop_timeout"] for options in can.values())
    cannot = [options for version, (flags, options) in listed.items() if flags and version not in can]
    assert cannot and not any("shutdown-timeout" in options for options in cannot)


def test_every_stored_list_belongs_to_a_version_of_the_catalog() -> None:
    for engine, own in CATALOG.flags:
        assert any(
            CATALOG.flags_of(engine, version) is CATALOG.flags[engine, own]
            for version in CATALOG.engines[engine]["versions"]
        ), (
            engine,
            own,
        )


@pytest.mark.parametrize("name", sorted(name for name in PROFILES if "vllm" in name or "sglang" in name))
def test_a_container_service_gets_its_budget_as_a_fraction(name: str) -> None:
    service = one(name)
    budget = service["memory"]["budget_bytes"] / 2**30
    share = float(service["argv"][service["argv"].index(service["memory"]["option"]) + 1])
    assert budget / 122 - 0.001 < share <= budget / 122
    assert service["model"]["bytes"] / 2**30 + 1 < budget < service["memory_gib"]


def test_sampling_of_sglang_overrides_the_models_own_file() -> None:
    service = one("qwen3-8b-fp8-sglang")
    values = {"repetition_penalty": 1.2, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.0}
    assert service["generation_config"] == {
        "path": "/models/Qwen/Qwen3-8B-FP8/generation_config.json",
        "values": values,
    }
    assert one("qwen3-8b-sglang")["generation_config"] is None
    # vLLM has an option for it.
    assert one("qwen3-8b-fp4-vllm")["generation_config"] is None


def test_a_model_switches_only_what_its_profiles_can_switch() -> None:
    """The post switched by options; for models of 2026 the engine's template arguments do, for which no profile needs options."""
    for name in PROFILES:
        profile = CATALOG.profiles[name]
        switchable = CATALOG.models[profile["model"]]["thinking"] == "switchable"
        assert bool(profile.get("options_not_thinking")) == switchable, name


def test_every_version_of_an_engine_is_pinned_or_marked_as_unpinned() -> None:
    for name, engine in CATALOG.engines.items():
        for version, known in engine["versions"].items():
            assert known["origin"], f"{name} {version}"
            kind = kinds.kind_of(engine, version)
            if kind == "build":
                assert re.fullmatch(r"[0-9a-f]{40}", known["commit"])
                assert known["commit"].startswith(version) or re.fullmatch(r"\d+(\.\d+)+", version)
            elif kind == "packages":
                assert known["packages"].partition("==")[2] == known["engine_version"] == version
            else:
                assert known["digest"] == "unpinned" or re.fullmatch(r"sha256:[0-9a-f]{64}", known["digest"])
    for name, model in CATALOG.models.items():
        assert model.get("checksum") or model.get("unpinned"), name
        assert not model.get("checksum") or model["origin"], name


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def test_no_hash_without_a_source() -> None:
    locked = {key: value for key, value in DATA["lock"].items() if key != "models"}
    # Hashes that script/lock read from the hub itself need no other source; all others do.
    locked["files"] = {
        key: value for key, value in DATA["lock"]["files"].items() if value.get("origin") != "script/lock"
    }
    texts = [text for text in _texts([DATA["engines"], DATA["models"], DATA["profiles"], locked]) if "://" not in text]
    found = {match.lower() for text in texts for match in re.findall(r"[0-9A-Fa-f]{32,}", text)}
    assert found == set(PINS)


def test_an_expected_digest_is_what_its_source_says_it_is() -> None:
    said = {"index": "index", "manifest": "arm64 manifest"}
    versions = [known for engine in CATALOG.engines.values() for known in engine["versions"].values()]
    recorded = [
        (known["image"], what, digest) for known in versions for what, digest in known.get("expected", {}).items()
    ]
    assert len(recorded) >= 10
    for image, what, digest in recorded:
        assert PINS[digest.removeprefix("sha256:")] == f"{image}, {said[what]}"
