# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The values of variables: the shape of every one that roles or an inventory set, checked before anything is changed.

Argument specs know types and choices but neither ranges nor characters, and Ansible checks them only when a role begins, which
may be after hours of building. A test compares names and types with the argument specs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common import validation
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import shapes
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.schema import HOST, NAMES, SWITCH, WORDS
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.shapes import (
    PROSE,
    SECONDS,
    SECRET,
    TEXT,
    Field,
    check,
    needed,
    number,
    text,
    whole,
)

_ROOT = text(r"|/[^\\\s]*", "an absolute path, or empty")
_ARCHITECTURES = text(
    r"(\d{2,3}[af]?(-real|-virtual)?|native|all|all-major)(;\d{2,3}[af]?(-real|-virtual)?)*", "such as 110"
)
_PACKAGES = Field((list,), items=shapes.DEBIAN_PACKAGE)
_FINGERPRINT = text(r"([0-9A-Fa-f]{4} ?){10}|", "a fingerprint of 40 hexadecimal digits")
_CMAKE = Field(
    (dict,),
    names=text(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}", "the name of a CMake variable"),
    values=Field((str, int, float, bool)),
)
_DAEMON = Field((dict,), names=text(r"[A-Za-z0-9][A-Za-z0-9.-]{0,99}", "a key of daemon.json"), free=True)
_LOGINS = Field(
    (dict,),
    secret=True,
    names=text(
        r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:[0-9]{1,5})?",
        "a registry as images name it, such as nvcr.io or hub.example.org:5000; docker.io is Docker Hub",
    ),
    values=Field(
        (dict,),
        keys={
            "username": needed(text(r"[!-~]{1,200}", "a name without blanks")),
            "password": needed(shapes.HANDED_OVER),
        },
        secret=True,
    ),
)
_GATEWAY_HOST = text(
    r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|(?=.*:)[0-9A-Fa-f:.]{2,45}", "the name of a host, or an address"
)
_GATEWAY = Field(
    (bool, dict),
    keys={
        "port": whole(1, 65535),
        "address": shapes.ADDRESS,
        "names": Field((list,), items=_GATEWAY_HOST),
        "body": Field(
            (int, str),
            pattern=r"[1-9][0-9]{0,9}[kmgKMG]?",
            wants="a size such as 64m",
            minimum=1,
        ),
        "tls": SWITCH,
        "certificate": Field((dict,), keys={"cert": needed(shapes.CONTROL_FILE), "key": needed(shapes.CONTROL_FILE)}),
        "ca_dir": shapes.CONTROL_FILE,
    },
)
_GATEWAY_KEYS = Field(
    (dict,),
    secret=True,
    names=text(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "up to 63 lower-case letters, digits and inner hyphens"),
    values=Field(
        (dict,),
        keys={
            "key": text(r"[!-~]{1,512}", "a key of up to 512 ASCII characters without blanks", secret=True),
            "sha256": text(r"[0-9A-Fa-f]{64}", "a SHA-256 in hexadecimal digits", secret=True),
            "models": Field((list, str), items=shapes.SERVED_NAME, pattern="all", wants="a list of names, or all"),
            "requests_per_minute": whole(1, 10**6),
            "concurrency": whole(1, 8192),
            "metrics": SWITCH,
        },
        secret=True,
    ),
)
_JOBS = whole(0, 1024)
_WAVE = Field(
    (int, str), pattern=r"[1-9]\d{0,5}|(100|[1-9]\d?)%", wants="a number of hosts or a share such as 10%", minimum=1
)
_WAVES = replace(_WAVE, types=(list, int, str), items=_WAVE)
_RESERVE = number(0, 4096)
# What programs understand alike. Of a user and a password, everything that ends them or a quoted text is written as %XX.
_PROXY_ADDRESS = text(
    r"|http://([^\s/?#@:\"'\\$;]+(:[^\s/?#@:\"'\\$;]*)?@)?([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?/?",
    "an address such as http://proxy.example.org:3128 or http://USER:PASSWORD@proxy.example.org:3128, with special characters of a "
    "password as %XX",
    secret=True,
)
# Not CIDR and no asterisks: apt and Python do not know them.
_DIRECT = text(
    r"\.?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:]*",
    "the name of a host, a domain such as .example.org, or an IP address, without port and pattern",
)
_PROXY = replace(
    _PROXY_ADDRESS,
    types=(str, dict),
    keys={"http": _PROXY_ADDRESS, "https": _PROXY_ADDRESS, "no_proxy": Field((list,), items=_DIRECT)},
)
# The last one that fits is used: a number may also be a whole number.
_READERS: list[tuple[type, Callable[[Any], Any]]] = [
    (bool, validation.check_type_bool),
    (int, validation.check_type_int),
    (float, validation.check_type_float),
    (list, validation.check_type_list),
    (dict, validation.check_type_dict),
    (str, lambda value: str(value) if type(value) in (int, float) else value),
]

_HOST_NAME = text(r"[A-Za-z0-9_.-]+", "the name of a host")
_HOSTS = Field((list, str), pattern=r"[A-Za-z0-9_. ,-]*", wants="names of hosts, separated by commas", items=_HOST_NAME)

VARIABLES: dict[str, Field] = {
    **{f"thor_{key}": spec for key, spec in HOST.items()},
    "bench_audio_file": TEXT,
    "bench_audio_seconds": number(1, 3600),
    "bench_concurrency": Field((list,), items=whole(1, 1024)),
    "bench_document_tokens": whole(8, 10**6),
    "bench_documents": whole(1, 4096),
    "bench_facts_root": _ROOT,
    "bench_floor": number(0, 1),
    "bench_input_tokens": whole(1, 10**7),
    "bench_output_tokens": whole(1, 10**6),
    "bench_request_timeout": SECONDS,
    "bench_requests": whole(1, 10**5),
    "bench_results": TEXT,
    "bench_services": NAMES,
    "bench_speculation": SWITCH,
    "bench_timeout": SECONDS,
    "bench_tools": SWITCH,
    "bench_warmups": whole(0, 1000),
    "cmake_build_facts_root": _ROOT,
    "cmake_build_jobs": _JOBS,
    "cmake_build_libraries": Field((list,), items=text(r"[A-Za-z0-9._+*?\[\]-]+", "a pattern of a library's name")),
    "cmake_build_packages": Field((dict,), names=shapes.NAME, values=shapes.DEBIAN_PACKAGE),
    "cmake_build_proxy": _PROXY,
    "cmake_build_timeout": SECONDS,
    "container_runtime_allow_restart": SWITCH,
    "container_runtime_daemon_options": _DAEMON,
    "container_runtime_data_root": _ROOT,
    "container_runtime_default_runtime": text(r"|[A-Za-z0-9][A-Za-z0-9._-]*", "the name of a runtime, or empty"),
    "container_runtime_distribution_packages": _PACKAGES,
    "container_runtime_docker_ce_key_fingerprint": _FINGERPRINT,
    "container_runtime_docker_ce_key_url": shapes.URL,
    "container_runtime_docker_ce_packages": _PACKAGES,
    "container_runtime_docker_ce_suite": text(r"[a-z0-9][a-z0-9./-]*", "the code name of an operating system"),
    "container_runtime_docker_ce_url": shapes.URL,
    "container_runtime_docker_source": Field((str,), choices=("distribution", "docker-ce")),
    "container_runtime_facts_root": _ROOT,
    "container_runtime_no_iptables_raw": Field((str,), choices=("auto", "always", "never")),
    "container_runtime_proxy": _PROXY,
    "container_runtime_timeout": SECONDS,
    "container_runtime_toolkit_key_fingerprint": _FINGERPRINT,
    "container_runtime_toolkit_key_url": shapes.URL,
    "container_runtime_toolkit_url": shapes.URL,
    "container_runtime_toolkit_version": text(r"[0-9][A-Za-z0-9.+:~-]*|", "the version of a Debian package"),
    "engine_image_attempts": whole(1, 1000),
    "engine_image_proxy": _PROXY,
    "engine_image_prune": SWITCH,
    "engine_image_derive": SWITCH,
    "engine_image_facts_root": _ROOT,
    "engine_image_pip_extra_args": TEXT,
    "engine_image_registry_logins": _LOGINS,
    "engine_image_require_gpu": SWITCH,
    "engine_image_stall_timeout": SECONDS,
    "engine_image_timeout": SECONDS,
    "gateway_keys": _GATEWAY_KEYS,
    "gateway_metrics": SWITCH,
    "gateway_timeout": SECONDS,
    "llama_cpp_cmake_options": _CMAKE,
    "llama_cpp_cuda": SWITCH,
    "llama_cpp_cuda_architectures": _ARCHITECTURES,
    "llama_cpp_jobs": _JOBS,
    "llama_cpp_timeout": SECONDS,
    "metrics_bench_floor": number(0, 1),
    "metrics_enabled": SWITCH,
    "metrics_facts_root": _ROOT,
    "model_store_client_packages": Field((list,), items=shapes.REQUIREMENT),
    "model_store_endpoint": shapes.ENDPOINT,
    "model_store_facts_root": _ROOT,
    "model_store_huggingface_endpoint": shapes.ENDPOINT,
    "model_store_huggingface_packages": Field((list,), items=shapes.REQUIREMENT),
    "model_store_huggingface_token": SECRET,
    "model_store_idle_timeout": SECONDS,
    "model_store_pip_extra_args": TEXT,
    "model_store_proxy": _PROXY,
    "model_store_update": SWITCH,
    "model_store_verify_checksums": SWITCH,
    "model_store_retries": whole(0, 1000),
    "model_store_timeout": SECONDS,
    "model_store_token": SECRET,
    "monitoring_ca_file": text(r"[^\s\\]*", "a path without blanks, or empty"),
    "monitoring_dir": TEXT,
    "monitoring_key_file": text(r"[^\s\\]+", "a path without blanks"),
    "power_disable_zram": SWITCH,
    "power_headless": SWITCH,
    "power_lock_clocks": SWITCH,
    "power_mode": text(r"[A-Za-z0-9][A-Za-z0-9_.+ -]{0,63}", "the name of a power mode"),
    "power_reboot": SWITCH,
    "power_reboot_timeout": SECONDS,
    "power_set_mode": SWITCH,
    "power_stop_display_manager": SWITCH,
    "power_sysctl": Field(
        (dict,),
        names=text(r"[a-z0-9_]+([./][A-Za-z0-9_-]+)+", "the name of a kernel setting, such as vm.swappiness"),
        values=Field((str, int)),
    ),
    "preflight_device_memory_gib": HOST["device_memory_gib"],
    "preflight_disk_reserve_gib": _RESERVE,
    "preflight_facts_root": _ROOT,
    "preflight_memory_reserve_gib": _RESERVE,
    "preflight_minimum_l4t": text(r"\d+(\.\d+)*", "a version of Linux for Tegra, such as 38.2"),
    "preflight_packages_timeout": whole(0, 86400),
    "preflight_parts": NAMES,
    "preflight_plan_contact": SWITCH,
    "preflight_plan_file": TEXT,
    "preflight_supported_os": Field((list,), items=text(r"[a-z0-9._-]+ [0-9.]+", "such as ubuntu 24.04")),
    "proxy_address": _PROXY,
    "prune_keep": whole(0, 1000),
    "prune_pins": Field((list,), items=TEXT),
    "python_engine_attempts": whole(1, 1000),
    "python_engine_facts_root": _ROOT,
    "python_engine_install_packages": SWITCH,
    "python_engine_pip_extra_args": TEXT,
    "python_engine_prove_cuda_code": SWITCH,
    "python_engine_proxy": _PROXY,
    "python_engine_prune": SWITCH,
    "python_engine_timeout": SECONDS,
    "restart_services": NAMES,
    "restart_timeout": SECONDS,
    "remove_confirm": _HOSTS,
    "remove_models": SWITCH,
    "remove_packages": SWITCH,
    "rollout_first": WORDS,
    "rollout_max_failures": whole(0, 100000),
    "rollout_waves": _WAVES,
    "serving_container_ipc": Field((str,), choices=("private", "host")),
    "serving_container_shm_size": text(r"[1-9][0-9]{0,15}[bkmgBKMG]?", "a size as docker takes it, such as 8g"),
    "serving_container_ulimits": Field(
        (dict,),
        names=text(r"[a-z]{2,20}", "the name of a limit as docker takes it, such as memlock"),
        values=Field(
            (str, int), pattern=r"(-1|[0-9]{1,18})(:(-1|[0-9]{1,18}))?", wants="a number, or SOFT:HARD", minimum=-1
        ),
    ),
    "serving_liveness_failures": whole(1, 1000),
    "serving_liveness_interval": SECONDS,
    "serving_liveness_timeout": SECONDS,
    "serving_require_gpu": SWITCH,
    "serving_stop_timeout": whole(1, 3600),
    "serving_switch_timeout": SECONDS,
    "status_facts_root": _ROOT,
    "status_file": TEXT,
    "status_logs_lines": whole(1, 100000),
    "status_logs_since": TEXT,
    "status_services": NAMES,
    "status_support_dir": TEXT,
    "thor_bench_floor": number(0, 1),
    "thor_bench_results": TEXT,
    "thor_disk_reserve_gib": _RESERVE,
    "thor_facts_root": _ROOT,
    "thor_gateway": _GATEWAY,
    "thor_gateway_keys": _GATEWAY_KEYS,
    "thor_hf_endpoint": shapes.ENDPOINT,
    "thor_hf_token": SECRET,
    "thor_junit_dir": TEXT,
    "thor_logs_lines": whole(1, 100000),
    "thor_logs_since": TEXT,
    "thor_memory_reserve_gib": _RESERVE,
    "thor_modelscope_endpoint": shapes.ENDPOINT,
    "thor_modelscope_token": SECRET,
    "thor_monitoring_dir": TEXT,
    "thor_pip_extra_args": TEXT,
    "thor_plan_contact": SWITCH,
    "thor_plan_file": TEXT,
    "thor_proxy": _PROXY,
    "thor_prune_keep": whole(0, 1000),
    "thor_prune_pins": Field((list,), items=TEXT),
    "thor_remove_confirm": _HOSTS,
    "thor_remove_models": SWITCH,
    "thor_remove_packages": SWITCH,
    "thor_require_gpu": SWITCH,
    "thor_registry_logins": _LOGINS,
    "thor_rollout_first": WORDS,
    "thor_rollout_max_failures": whole(0, 100000),
    "thor_rollout_waves": _WAVES,
    "thor_service": NAMES,
    "thor_status_file": TEXT,
    "thor_support_dir": TEXT,
    "thor_update_models": SWITCH,
    "verify_audio_file": TEXT,
    "verify_image_prompt": PROSE,
    "verify_image_url": text(r"|https?://[^\s\"'<>\\]+", "an address that begins with http:// or https://, or empty"),
    "verify_junit_dir": TEXT,
    "verify_max_tokens": whole(1, 10**6),
    "verify_prompt": PROSE,
    "verify_services": NAMES,
    "verify_timeout": SECONDS,
    "verify_wake": SWITCH,
    "whisper_cpp_cmake_options": _CMAKE,
    "whisper_cpp_cuda": SWITCH,
    "whisper_cpp_cuda_architectures": _ARCHITECTURES,
    "whisper_cpp_install_ffmpeg": SWITCH,
    "whisper_cpp_jobs": _JOBS,
    "whisper_cpp_timeout": SECONDS,
}


def problems(variables: Mapping[str, Any], template: Callable[[Any], Any]) -> list[Problem]:
    """What is wrong with the values of a host's variables; ``template`` resolves the templates in them.

    A template that cannot be resolved yet is left to the role that reads it. plugin_utils/catalog/inputs.py checks those in HOST.
    """
    found: list[Problem] = []
    for name in sorted(VARIABLES.keys() & variables.keys() - {f"thor_{key}" for key in HOST}):
        try:
            value = template(variables[name])
        except AnsibleError:
            continue
        found += check(coerce(value, VARIABLES[name]), VARIABLES[name], name)
    return found


def coerce(value: Any, spec: Field) -> Any:
    """``value`` as Ansible itself converts it for an argument of this type: ``"30"`` is a number, ``"yes"`` is true."""
    readers = [reader for one, reader in _READERS if one in spec.types]
    if len(spec.types) > 1 and set(spec.types) != {int, float}:
        return value
    try:
        value = readers[-1](value)
    except (TypeError, ValueError, ArithmeticError):
        return value
    if isinstance(value, list) and spec.items is not None:
        return [coerce(one, spec.items) for one in value]
    return value
