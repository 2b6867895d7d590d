# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The catalog's models of 2026 against the facts that were read about them (models_2026.yml), in both directions."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import real_catalog
import resolved
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import Geometry
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files

FACTS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("models_2026.yml").read_text(encoding="utf-8"))
CATALOG = real_catalog.BUILT_IN
PROFILES: dict[str, dict[str, Any]] = {one["name"]: one for one in FACTS["profiles"]}
MARKS = {"C", "B", "V", "K", "I", "A", "P", "2nd", "U"}
ITEMS = {
    "Nemotron 3.5 Lightning NVFP4 with DSpark",
    "Nemotron 3.5 Lightning GGUF with DFlash",
    "Qwen3.6-35B-A3B NVFP4",
    "Qwen3-30B-A3B NVFP4",
    "Qwen3.8-27B GGUF with MTP",
    "Nemotron 3 Nano Omni",
    "Qwen3-VL-8B",
    "Gemma 4 26B-A4B with its assistant",
    "Gemma 4 12B QAT",
    "gpt-oss-20b",
    "gpt-oss-120b",
    "Nemotron 3 Super",
    "Qwen3-ASR",
    "Qwen3-Embedding-0.6B",
    "Qwen3-Reranker-0.6B",
}


def near(found: float, wanted: float, tolerance: float) -> bool:
    """Whether two figures are equal up to a share."""
    return abs(found / wanted - 1) <= tolerance


def facts() -> list[tuple[str, str, Any, str]]:
    """Every fact about a model: model, what, value, mark."""
    return [
        (model, what, value, mark) for model, known in FACTS["models"].items() for what, (value, mark) in known.items()
    ]


def geometry(model: str) -> Geometry:
    return Geometry.from_facts(CATALOG.models[model]["geometry"])


def bytes_a_token(shape: Geometry, *, sliding: bool) -> int:
    """Keys and values of one token in BF16, in the layers with full attention or in the sliding ones."""
    groups = [one for one in shape.attention if (one.window is not None) == sliding]
    return sum(one.layers * one.kv_heads * (one.key_dim + one.value_dim) * 2 for one in groups)


def held(model: str, what: str) -> Any:
    """What the catalog has in the place of a fact."""
    entry = CATALOG.models[model]
    thinking: Any = entry.get("thinking")
    match what:
        case "thinking":
            return thinking["argument"] if isinstance(thinking, dict) else thinking
        case "efforts":
            return thinking["efforts"]
        case "default_effort":
            return thinking["default"]
        case "reasoning" | "tools":
            return entry["parsers"][what]["vllm"]
        case "kv" | "sliding":
            return bytes_a_token(geometry(model), sliding=what == "sliding")
        case "state":
            state = geometry(model).state
            return state.bytes / 2**20 if state else 0
        case "window":
            return next(one.window for one in geometry(model).attention if one.window)
        case "dimension":
            return geometry(model).hidden
        case "gb":
            return entry["bytes"] / 1e9
        case "active":
            return entry["active_bytes"]
    return entry[what]


@pytest.mark.parametrize(("model", "what", "value", "mark"), facts(), ids=str)
def test_the_catalog_holds_each_fact(model: str, what: str, value: Any, mark: str) -> None:
    assert mark in MARKS
    found = held(model, what)
    if what in ("gb", "state"):
        # The table's figures of the states leave the convolution out, or round.
        assert near(found, value, 0.005 if what == "gb" else 0.03), (found, value)
    elif what == "active":
        # Weights at 4.25 to 6.5 bits.
        assert value * 1e9 * 4.1 / 8 < found < value * 1e9 * 6.5 / 8
    else:
        assert found == value


@pytest.mark.parametrize("model", FACTS["models"])
def test_what_is_not_verified_says_so(model: str) -> None:
    entry, known = CATALOG.models[model], FACTS["models"][model]
    marks = {what: mark for what, (_value, mark) in known.items()}
    assert entry["unpinned"], "no hub was listed"
    if entry.get("bytes"):
        assert entry["estimated"] and (
            "gb" in known or entry.get("unverified") or model in ("qwen3-vl-8b-awq", "gpt-oss-20b")
        )
    else:
        assert "gb" not in known, "an unknown size is null, and no fact is left out"
    if marks.get("file") in ("U", "2nd"):
        assert entry.get("unverified") or entry.get("origin"), "a file name that nobody has listed"
    if marks.get("kv") == "U":
        assert entry["unverified"]
    if "revision" in entry:
        assert entry["origin"]


def test_models_and_profiles_are_those_of_the_facts() -> None:
    post = yaml.safe_load(Path(__file__).with_name("reference_post.yml").read_text(encoding="utf-8"))
    ids = {one["id"] for one in (*post["table"], *post["others"])}
    earlier = {key for key, model in CATALOG.models.items() if model.get("modelscope") in ids}
    earlier |= {"whisper-large-v3-turbo-ggml", "sensevoice-small", "fsmn-vad", "qwen3-nonthinking-template"}
    assert set(CATALOG.models) - earlier == {*FACTS["models"], *FACTS["encodings"]}
    assert {name for name, one in CATALOG.profiles.items() if one["model"] not in earlier} == set(PROFILES)


def test_each_of_the_fifteen_has_a_profile() -> None:
    assert {one["what"] for one in FACTS["profiles"]} == ITEMS
    assert len(ITEMS) == 15
    assert set(PROFILES) <= set(CATALOG.profiles)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_has_the_options_of_its_source(name: str) -> None:
    profile, known = CATALOG.profiles[name], PROFILES[name]
    wanted = {option: value for option, (value, _mark) in known.get("options", {}).items()}
    assert {mark for _value, mark in known.get("options", {}).values()} <= MARKS
    options = dict(profile.get("options", {}))
    for option in known.get("ours", {}):
        assert option in options, f"{option} is explained but not set"
        options.pop(option)
    assert options == wanted
    assert profile.get("speculative") == known.get("speculative", [None])[0]
    assert profile.get("thinking") == known.get("thinking", [None])[0]


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_for_a_version_whose_options_are_stored(name: str) -> None:
    profile = CATALOG.profiles[name]
    default = {"vllm": "0.33.0", "llama.cpp": "0c1e570"}[profile["engine"]]
    assert profile["version"] == PROFILES[name].get("version", default)
    assert CATALOG.flags_of(profile["engine"], profile["version"])
    assert profile["title"] and profile["served_name"]
    assert "memory_gib" not in profile, "it is computed"


@pytest.mark.parametrize("name", PROFILES)
def test_parsers_and_tools_are_used_where_the_model_has_them(name: str) -> None:
    profile = CATALOG.profiles[name]
    model = CATALOG.models[profile["model"]]
    chat = model.get("api", "chat") == "chat"
    has_tools = "tools" in model.get("parsers", {}) or profile["engine"] == "llama.cpp"
    assert profile.get("tools", False) == (chat and has_tools)


@pytest.mark.parametrize("name", PROFILES)
def test_parsers_and_drafts_reach_the_engine(name: str) -> None:
    service, profile = resolved.service(name), CATALOG.profiles[name]
    words = list(service.argv)
    for key, option in (("reasoning", "--reasoning-parser"), ("tools", "--tool-call-parser")):
        parser = CATALOG.models[profile["model"]].get("parsers", {}).get(key, {}).get(service.engine)
        assert (words[words.index(option) + 1] if option in words else None) == parser
    draft = (profile.get("speculative") or {}).get("model")
    if draft:
        assert draft in [one.key for one in service.files], "it is fetched and mounted"
        assert any(f"/models/{CATALOG.models[draft]['huggingface']}" in word for word in words)
    off = {"switchable": {"enable_thinking": False}}.get(str(CATALOG.models[profile["model"]].get("thinking")))
    if off:
        option = {"vllm": "--default-chat-template-kwargs", "llama.cpp": "--chat-template-kwargs"}[service.engine]
        quiet = list(resolved.service(name, thinking=False).argv)
        assert json.loads(quiet[quiet.index(option) + 1]) == off


@pytest.mark.parametrize("name", [name for name, one in PROFILES.items() if "speed" in one])
def test_a_measured_speed_is_told_and_is_among_the_published_ones(name: str) -> None:
    one, eight = PROFILES[name]["speed"]
    said = CATALOG.profiles[name]["status"][0]["reason"]
    assert said.startswith(f"{one:g} tok/s, and {eight:g} for 8 clients, ")
    engine = CATALOG.profiles[name]["engine"]
    rows = [row for row in files.published_speeds() if row.module == "T5000" and row.engine == engine]
    measured = {(row.title, row.precision, row.concurrency): row.tokens_per_s for row in rows}
    pairs = {
        (measured[title, precision, 1], speed)
        for (title, precision, clients), speed in measured.items()
        if clients == 8 and (title, precision, 1) in measured
    }
    assert (one, eight) in pairs


def test_published_speeds_name_the_models_that_they_are_about() -> None:
    about = {row.model for row in files.published_speeds() if row.model}
    told = {one["model"] for name, one in CATALOG.profiles.items() if "speed" in PROFILES.get(name, {})}
    assert told | {"nemotron-3-5-lightning-nvfp4"} == about - {"qwen3-8b", "qwen3-8b-fp8", "qwen3-8b-fp4"}


def test_code_of_a_repository_runs_only_at_a_pinned_commit() -> None:
    trusting = {name for name in PROFILES if CATALOG.profiles[name].get("options", {}).get("trust-remote-code")}
    assert trusting == {"nemotron-3-nano-omni-nvfp4-vllm"}
    for name in trusting:
        assert re.fullmatch(r"[0-9a-f]{40}", CATALOG.models[CATALOG.profiles[name]["model"]]["revision"])


def test_known_trouble_stands_as_a_default_or_a_status() -> None:
    """models_2026.yml has the sources."""
    profiles = CATALOG.profiles
    lightning = profiles["nemotron-3-5-lightning-nvfp4-vllm"]
    assert lightning["options"]["enforce-eager"] is True
    assert "vllm#55406" in lightning["status"][-1]["origin"]
    assert profiles["gemma-4-12b-qat-q4-0-llama-cpp"]["options"]["mmproj-auto"] is False
    for name in ("gpt-oss-20b", "gpt-oss-120b"):
        assert CATALOG.models[name]["exclude"] == ["original/*", "metal/*"]
        profile = profiles[f"{name}-vllm"]
        assert profile["options"]["kv-cache-dtype"] == "fp8"
        assert profile["environment"] == {"TIKTOKEN_ENCODINGS_BASE": "/models/tiktoken"}
        assert set(profile["files"]) == set(FACTS["encodings"])


@pytest.mark.parametrize(("model", "checksum"), FACTS["encodings"].items())
def test_encodings_are_the_files_that_the_engine_looks_for(model: str, checksum: str) -> None:
    entry = CATALOG.models[model]
    assert entry["checksum"] == f"sha256:{checksum}"
    assert entry["path"] == "tiktoken"
    assert entry["url"].endswith(f"/{entry['file']}")
