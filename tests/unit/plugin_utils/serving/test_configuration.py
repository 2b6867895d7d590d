# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the supervisor reads of a service."""

from __future__ import annotations

import json
from dataclasses import replace

import resolved
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import GenerationConfig
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import configuration
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings


def test_a_native_service_has_no_container() -> None:
    service = resolved.service(resolved.LLAMA, name="chat", port=9000)
    config = configuration.configuration(service, Settings(require_gpu=False, stop_timeout=45, liveness_failures=7))
    assert (config["name"], config["port"], config["api"], config["api_path"]) == (
        "chat",
        9000,
        "chat",
        service.api_path,
    )
    assert (config["require_gpu"], config["stop_timeout"]) == (False, 45)
    assert config["liveness"] == {"interval": 60, "timeout": 60, "failures": 7}
    assert config["gpu"] == service.to_facts()["gpu"]
    assert not {"api_key", "container", "memory", "generation_config"} & set(config)


def test_a_container_is_removed_by_its_name_and_label() -> None:
    service = resolved.service(resolved.VLLM, name="box")
    config = configuration.configuration(service, Settings())
    assert config["container"] == {
        "name": "thor-box",
        "label": "thor.service=thor-box.service",
        "socket": "/run/docker.sock",
    }
    assert config["memory"] == service.to_facts()["memory"]
    laid_over = replace(service, generation_config=GenerationConfig(path="/models/a/g.json", values={"top_k": 1}))
    assert configuration.configuration(laid_over, Settings())["generation_config"] == {
        "path": "/models/a/g.json",
        "values": {"top_k": 1},
        "written": "/var/cache/thor/box/generation_config.json",
    }
    bare = configuration.configuration(replace(service, generation_config=None), Settings())
    assert bare["generation_config"] is None


def test_the_variable_of_the_key_is_named_and_never_its_value() -> None:
    service = resolved.service(resolved.LLAMA, secrets={"LLAMA_API_KEY": "very-secret"})
    text = configuration.text(service, Settings())
    assert json.loads(text)["api_key"] == "LLAMA_API_KEY" and "very-secret" not in text


def test_the_file_does_not_depend_on_the_order_of_keys() -> None:
    text = configuration.text(resolved.service(), Settings())
    assert list(json.loads(text)) == sorted(json.loads(text)) and text.endswith("}\n")
