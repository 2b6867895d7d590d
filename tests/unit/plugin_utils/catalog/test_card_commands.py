# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Options as published commands have them: the model once more, address, port and name as options, switches that are gone."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.filter.plan_text import plan_text
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from real_catalog import CHAT, argument, codes, only, run

MODELS = {
    "gguf": {"huggingface": "org/Name-GGUF", "file": "name-Q4_K_M.gguf"},
    "mine": {"huggingface": "org/Name", "modelscope": "Org/name"},
}


def service(engine: str, options: dict[str, Any], **more: Any) -> Any:
    settings = {"allow_unauthenticated": True, **more.pop("settings", {})}
    entry = {"model": "gguf" if engine == "llama.cpp" else "mine", "engine": engine, "options": options, **more}
    return run(entry, extra={"models": MODELS}, **settings)


def test_a_switch_that_is_gone_is_given_as_what_it_means_today() -> None:
    result = service("llama.cpp", {"no-mmap": True, "ctx-size": 4096})
    assert not result.problems
    (one,) = result.services
    assert argument(one, "load-mode") == "none" and "--no-mmap" not in one.argv
    assert one.replaced == {"--no-mmap": "--load-mode none"}
    assert Service.from_facts(one.to_facts()) == one
    assert "gguf: in llama.cpp 0c1e570, --no-mmap is --load-mode none today" in plan_text(result.facts, 122, 8)


def test_underscores_are_hyphens_here_too() -> None:
    result = service("llama.cpp", {"no_mmap": True, "ctx_size": 4096})
    assert not result.problems
    assert argument(result.services[0], "load-mode") == "none"
    assert argument(result.services[0], "ctx_size") == "4096"
    (under,) = run({"profile": CHAT, "options": {"ctx_size": 4096}}).services
    (dashes,) = run({"profile": CHAT, "options": {"ctx-size": 4096}}).services
    assert under.memory_parts == dashes.memory_parts
    assert "--ctx-size" not in under.argv


def test_a_version_that_has_it_or_may_have_it_is_given_it_as_written() -> None:
    (one,) = service("llama.cpp", {"no-mmap": True}, version="49bfdde").services
    assert "--no-mmap" in one.argv and "--load-mode" not in one.argv and not one.replaced


def test_profiles_may_have_it_too() -> None:
    profile = {"engine": "llama.cpp", "model": "gguf", "options": {"-no-mmap": True}}
    (one,) = run("own", extra={"models": MODELS, "profiles": {"own": {**profile, "options": {"mlock": True}}}}).services
    assert argument(one, "load-mode") == "mmap+mlock"


@pytest.mark.parametrize("other", [{"load-mode": "dio"}, {"lm": "dio"}, {"mlock": True}])
def test_two_that_mean_the_same_option_are_refused(other: dict[str, Any]) -> None:
    result = service("llama.cpp", {**other, "no-mmap": True})
    assert codes(result) == ["THOR-FLAG-UNKNOWN"] and "load-mode: none" in result.problems[0].remedy


@pytest.mark.parametrize(
    ("engine", "options", "words"),
    [
        (
            "llama.cpp",
            {"host": "127.0.0.2", "port": 8080, "alias": "my_model"},
            "--host 127.0.0.2 --port 8080 --alias my_model",
        ),
        ("llama.cpp", {"-a": "my_model,other", "port": "8080"}, "-a my_model,other --port 8080"),
        ("vllm", {"host": "0.0.0.0", "port": 8010, "served-model-name": "my_model"}, "--served-model-name my_model"),
        ("vllm", {"served_model_name": ["my_model", "other"]}, "--served_model_name my_model other"),
        ("sglang", {"served-model-name": "my_model", "port": 30000}, "--served-model-name my_model --port 30000"),
    ],
)
def test_address_port_and_name_may_be_options(engine: str, options: dict[str, Any], words: str) -> None:
    result = service(engine, options)
    assert not result.problems
    (one,) = result.services
    assert f" {words} " in f"{' '.join(one.argv)} "
    for names in (("--host",), ("--port",), ("--alias", "-a", "--served-model-name", "--served_model_name")):
        assert sum(one.argv.count(name) for name in names) == 1
    bare = {name.lstrip("-").replace("_", "-"): value for name, value in options.items()}
    assert one.address == bare.get("host", "127.0.0.1") and one.port == int(bare.get("port", 8000))
    assert one.served_name == ("Name" if engine != "llama.cpp" and "served-model-name" not in bare else "my_model")
    assert "served_name" not in one.derived


@pytest.mark.parametrize(
    ("options", "more", "code", "variable"),
    [
        ({"host": "0.0.0.0"}, {"settings": {"allow_unauthenticated": False}}, "THOR-ADDRESS-OPEN", "options['host']"),
        ({"host": "localhost"}, {}, "THOR-ADDRESS-INVALID", "options['host']"),
        ({"port": 80}, {}, "THOR-PORT-INVALID", "options['port']"),
        ({"port": "x"}, {}, "THOR-PORT-INVALID", "options['port']"),
        ({"port": 8080.5}, {}, "THOR-PORT-INVALID", "options['port']"),
        ({"port": True}, {}, "THOR-FLAG-RESERVED", "options['port']"),
        ({"port": 8001}, {"port": 8002}, "THOR-FLAG-RESERVED", "options['port']"),
        ({"host": "127.0.0.1"}, {"address": "127.0.0.1"}, "THOR-FLAG-RESERVED", "options['host']"),
        ({"served-model-name": "-x y"}, {}, "THOR-NAME-INVALID", "options['served-model-name']"),
        ({"served-model-name": "x"}, {"served_name": "y"}, "THOR-FLAG-RESERVED", "options['served-model-name']"),
    ],
)
def test_they_are_checked_as_the_keys_are(
    options: dict[str, Any], more: dict[str, Any], code: str, variable: str
) -> None:
    problems = service("vllm", options, **more).problems
    assert problems[0].code == code and {one.variable for one in problems} == {f"thor_profiles[0].{variable}"}


def test_two_services_cannot_have_the_port_of_an_option() -> None:
    entries = [{"model": "mine", "engine": "vllm", "name": name, "options": {"port": 8011}} for name in ("a", "b")]
    assert "THOR-PORT-DUPLICATE" in codes(run(*entries, extra={"models": MODELS}))


def test_a_profile_has_keys_for_them() -> None:
    assert only(run({"profile": CHAT, "options": {"port": 8001}})).code == "THOR-FLAG-RESERVED"


@pytest.mark.parametrize(
    ("engine", "options"),
    [
        ("vllm", {"model": "org/Name"}),
        ("vllm", {"--model": "Org/name"}),
        ("sglang", {"model-path": "org/Name"}),
        ("sglang", {"model": "/models/org/Name"}),
        ("llama.cpp", {"hf": "org/Name-GGUF:Q4_K_M"}),
        ("llama.cpp", {"-hf": "org/Name-GGUF:q4_k_m"}),
        ("llama.cpp", {"hf-repo": "org/Name-GGUF", "hf-file": "name-Q4_K_M.gguf"}),
        ("llama.cpp", {"m": "/models/org/Name-GGUF/name-Q4_K_M.gguf"}),
    ],
)
def test_an_option_may_name_the_model_once_more(engine: str, options: dict[str, Any]) -> None:
    result = service(engine, options)
    assert not result.problems
    assert result.services[0].argv == service(engine, {}).services[0].argv


@pytest.mark.parametrize(
    ("engine", "options"),
    [
        ("vllm", {"model": "org/Other"}),
        ("llama.cpp", {"hf": "org/Name-GGUF:Q8_0"}),
        ("llama.cpp", {"hf-file": "name-Q8_0.gguf"}),
        ("llama.cpp", {"model-url": "https://example.org/name-Q4_K_M.gguf"}),
    ],
)
def test_an_option_cannot_name_another_model(engine: str, options: dict[str, Any]) -> None:
    assert codes(service(engine, options)) == ["THOR-FLAG-RESERVED"]


def test_a_negation_that_help_does_not_show_arrives_as_written() -> None:
    result = service("vllm", {"no-enable-prefix-caching": True})
    assert not result.problems and "--no-enable-prefix-caching" in result.services[0].argv
