# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The catalog's data: it yields every command of the reference post, is consistent, and invents no pin."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import real_catalog
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.builds.inputs import inputs
from ansible_collections.jetson.thor.plugins.module_utils.clients import transcription
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import engine_version, resolve
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
