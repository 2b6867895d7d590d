# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A service becomes plain JSON and is read back unchanged."""

from __future__ import annotations

import ast
import dataclasses
import json
from pathlib import Path

import pytest
import resolved
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import (
    HubArtifact,
    LocalArtifact,
    Lora,
    Service,
    UrlArtifact,
)
from real_catalog import BUILT_IN, run

PLUGINS = Path(__file__).resolve().parents[4] / "plugins"


@pytest.mark.parametrize("profile", sorted(BUILT_IN.profiles))
def test_every_service_survives_the_way_through_json(profile: str) -> None:
    changes = [{}, {"thinking": False}, {"remote_media": False}]
    model = BUILT_IN.models[BUILT_IN.profiles[profile]["model"]]
    possible = [True, model.get("thinking") == "switchable", bool(model.get("vision"))]
    for change in [one for one, can in zip(changes, possible, strict=True) if can]:
        service = resolved.service(profile, **change)
        facts = json.loads(json.dumps(service.to_facts(), allow_nan=False))
        assert facts == service.to_facts()
        assert Service.from_facts(facts) == service


def test_keys_that_always_exist_are_there_and_others_only_where_they_are_set() -> None:
    facts = resolved.service(resolved.LLAMA).to_facts()
    assert set(facts) == {field.name for field in dataclasses.fields(Service)}
    assert facts["image"] is None and facts["memory"] is None
    assert set(facts["source"]) == {"git", "commit"}
    assert "url" not in facts["model"] and facts["model"]["include"]
    assert set(resolved.service(resolved.WHISPER).to_facts()["progress"]) == {"match"}


def test_files_from_a_web_server_and_from_a_hub_are_told_apart() -> None:
    (template,) = resolved.service("qwen3-8b-fp4-vllm", thinking=False).files
    assert isinstance(template, UrlArtifact) and template.url.startswith("https://")


def test_a_service_with_a_missing_or_an_unknown_key_is_not_read() -> None:
    facts = resolved.service().to_facts()
    with pytest.raises(KeyError):
        Service.from_facts({key: value for key, value in facts.items() if key != "argv"})
    with pytest.raises(TypeError):
        Service.from_facts({**facts, "status": {"state": "works", "reason": "", "more": 1}})


def test_a_draft_model_adapters_and_a_local_model_survive_it_too() -> None:
    models = {
        "mine": {"local": "/models/mine", "file": "x.gguf", "bytes": 5},
        "draft": {"huggingface": "a/draft", "modelscope": "a/draft", "file": "d.gguf"},
        "adapter": {"url": "https://example.org/a.gguf", "path": "adapters", "file": "a.gguf"},
    }
    entry = {
        "model": "mine",
        "engine": "llama.cpp",
        "speculative": {"method": "draft", "model": "draft", "tokens": 8},
        "loras": [{"name": "poet", "model": "adapter"}],
        "tools": True,
        "memory_gib": 4,
    }
    (service,) = run(entry, extra={"models": models}).services
    assert isinstance(service.model, LocalArtifact)
    assert service.speculative is not None and isinstance(service.speculative.model, HubArtifact)
    assert [one.hub for one in service.speculative.model.sources] == ["modelscope", "huggingface"]
    assert service.loras == (Lora(name="poet", key="adapter", path="/models/adapters/a.gguf"),)
    # What is beside the model is fetched and observed as everything else.
    assert [one.key for one in service.files] == ["draft", "adapter"]
    facts = json.loads(json.dumps(service.to_facts(), allow_nan=False))
    assert Service.from_facts(facts) == service
    assert Service.from_facts({**facts, "speculative": {**facts["speculative"], "model": None}}).speculative is not None


def keys_read(source: str) -> set[str]:
    """The keys that a Python file reads of what it calls ``service``."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Subscript):
            of, key = node.value, node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            of, (key, *_default) = node.func.value, node.args
        else:
            continue
        if isinstance(of, ast.Name) and of.id == "service" and isinstance(key, ast.Constant):
            found.add(str(key.value))
    return found


@pytest.mark.parametrize("folder", ["plugin_utils/plan", "filter", "module_utils/clients", "module_utils/prune"])
def test_whoever_reads_a_service_as_a_fact_reads_keys_that_it_has(folder: str) -> None:
    known = {field.name for field in dataclasses.fields(Service)}
    read = {path.name: keys_read(path.read_text(encoding="utf-8")) for path in (PLUGINS / folder).glob("*.py")}
    assert any(read.values())
    assert {name: sorted(keys - known) for name, keys in read.items() if keys - known} == {}


def test_both_ways_of_reading_a_key_are_seen() -> None:
    source = "service['one'] + service.get('two', 3) + other['three'] + service[number] + get('four')"
    assert keys_read(source) == {"one", "two"}
