# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Values of role variables and of inventories are checked before anything is changed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import role_variables


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("serving_stop_timeout", 0),
        ("serving_stop_timeout", -1),
        ("serving_stop_timeout", 10**9),
        ("serving_stop_timeout", True),
        ("serving_stop_timeout", "soon"),
        ("serving_liveness_interval", 0),
        ("serving_container_shm_size", "8 g"),
        ("serving_container_shm_size", "8g --privileged"),
        ("serving_container_ulimits", {"memlock=-1 --privileged": 1}),
        ("serving_container_ulimits", {"core": "0 --privileged"}),
        ("serving_container_ipc", "shareable"),
        ("serving_require_gpu", "maybe"),
        ("power_mode", "MAXN\n"),
        ("power_sysctl", {"vm.swappiness": "1\nkernel.core_pattern = |/bin/sh"}),
        ("power_sysctl", {"vm.swappiness = 1\nkernel.x": 1}),
        ("llama_cpp_jobs", -1),
        ("llama_cpp_cmake_options", {"A B": 1}),
        ("llama_cpp_cuda_architectures", "110; rm -rf /"),
        ("model_store_retries", -1),
        ("model_store_idle_timeout", 0),
        ("model_store_endpoint", "modelscope.cn"),
        ("model_store_huggingface_endpoint", "https://registry-password@mirror.example"),
        ("thor_hf_endpoint", "https://me:registry-password@mirror.example/hub"),
        ("thor_modelscope_endpoint", "https://registry-password@mirror.example"),
        ("model_store_client_packages", ["--index-url=http://evil"]),
        ("container_runtime_docker_ce_url", "https://a\nTrusted: yes"),
        ("container_runtime_docker_ce_suite", "noble\nTrusted: yes"),
        ("container_runtime_distribution_packages", ["--allow-unauthenticated"]),
        ("container_runtime_data_root", "docker"),
        ("container_runtime_daemon_options", {"a b": 1}),
        ("container_runtime_daemon_options", {"max-concurrent-downloads": float("nan")}),
        ("thor_memory_reserve_gib", -1),
        ("thor_memory_reserve_gib", float("nan")),
        ("thor_disk_reserve_gib", float("inf")),
        ("thor_facts_root", "../x"),
        ("thor_rollout_max_failures", -1),
        ("thor_rollout_waves", [0]),
        ("thor_rollout_waves", ["110%"]),
        ("thor_registry_logins", "registry-password"),
        ("thor_registry_logins", {"nvcr.io": "registry-password"}),
        ("thor_registry_logins", {"nvcr.io": {"username": "$oauthtoken", "password": "registry-password\n"}}),
        ("thor_registry_logins", {"nvcr.io": {"username": "two words", "password": "registry-password"}}),
        ("thor_registry_logins", {"nvcr.io": {"password": "registry-password"}}),
        ("thor_registry_logins", {"https://nvcr.io/": {"username": "one", "password": "registry-password"}}),
        ("bench_concurrency", [0]),
        ("verify_timeout", float("nan")),
    ],
    ids=lambda part: repr(part)[:40],
)
def test_invalid_values_are_refused_before_the_first_change(name: str, value: Any) -> None:
    found = role_variables.problems({name: value}, lambda one: one)
    assert found and all(problem.variable.startswith(name) for problem in found), found
    assert not any("registry-password" in problem.text() for problem in found), "a password is not shown"


def test_registries_of_logins_have_ports_and_aliases() -> None:
    login = {"username": "$oauthtoken", "password": "registry-password"}
    for name in ("nvcr.io", "localhost:5000", "docker.io", "index.docker.io", "10.0.0.7:5001"):
        assert not role_variables.problems({"thor_registry_logins": {name: login}}, lambda one: one)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("serving_stop_timeout", "30"),
        ("serving_require_gpu", "yes"),
        ("serving_require_gpu", 0),
        ("bench_concurrency", "1,8"),
        ("bench_floor", "0.9"),
        ("llama_cpp_cuda_architectures", 110),
        ("preflight_minimum_l4t", 38.2),
        ("thor_rollout_waves", [1, "10%", "100%"]),
        ("container_runtime_toolkit_key_fingerprint", ""),
        ("power_sysctl", {"vm.swappiness": 1, "net/ipv4/tcp_rmem": "4096 87380 6291456"}),
    ],
)
def test_values_that_ansible_would_convert_are_accepted(name: str, value: Any) -> None:
    assert role_variables.problems({name: value}, lambda one: one) == []


def test_a_variable_that_cannot_be_resolved_yet_is_left_to_its_role() -> None:
    def undefined(value: Any) -> Any:
        raise AnsibleError(f"{value} is undefined")

    assert role_variables.problems({"power_mode": "{{ later }}"}, undefined) == []
