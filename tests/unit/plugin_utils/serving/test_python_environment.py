# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The unit of an engine from a Python environment: its command, its variables, and what it can reach."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import resolved
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import GenerationConfig, Service
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import configuration, python_environment, unit
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings

TREE = "/opt/thor/engines/vllm/packaged-0123456789ab"
HOST: dict[str, Any] = {
    "systemd": 255,
    "groups": ["render", "video"],
    "device_nodes": ["/dev/nvidia0", "/dev/nvmap"],
    "builds": {},
    "images": {},
    "environments": {"vllm": {"packaged": {"path": TREE}}},
    "docker": None,
}
VLLM = resolved.packaged(resolved.VLLM, name="chat")
SGLANG = resolved.packaged(resolved.SGLANG, name="chat")
FUNASR = resolved.service("sensevoice-small-funasr")
ROOT = Path(__file__).resolve().parents[4]
HOME = "/var/cache/thor/chat"


def lines(service: Service, **settings: Any) -> list[str]:
    return unit.text(service, HOST, Settings(**settings), None).splitlines()


def directive(service: Service, key: str) -> str:
    """The value of the only directive of this name."""
    (only,) = [line for line in lines(service) if line.startswith(f"{key}=")]
    return only.removeprefix(f"{key}=")


def environment(service: Service) -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(directive(service, "Environment")))


def test_the_engines_own_program_is_started_from_the_environment() -> None:
    assert f" -- {TREE}/bin/vllm serve " in directive(VLLM, "ExecStart")
    # Before its installation: the link that will lead there.
    link = "/opt/thor/engines/sglang/packaged/bin/python"
    assert f" -- {link} -m sglang.launch_server --model-path " in directive(SGLANG, "ExecStart")


def test_an_environment_that_was_installed_anew_is_another_unit() -> None:
    """The folder keeps its name; a run that was interrupted after the repair leaves the restart to the next one."""

    def text(service: Service, **made: str) -> str:
        host = {**HOST, "environments": {"vllm": {"packaged": {"path": TREE, **made}}}}
        return unit.text(service, host, Settings(), None)

    first, again, repaired = (text(VLLM, installation=one) for one in ("0a", "0a", "0b"))
    assert first == again and first != repaired and first.replace("0a", "0b") == repaired
    native = resolved.service(name="chat")
    assert text(native, installation="0a") == text(native, installation="0b")


def test_it_is_as_hardened_as_a_native_engine() -> None:
    native = unit.text(resolved.service(name="chat"), HOST, Settings(), None).splitlines()
    begin, end = "CapabilityBoundingSet=", "SystemCallErrorNumber=EPERM"
    hardened = native[native.index(begin) : native.index(end) + 1]
    assert set(hardened) <= set(lines(VLLM))
    for key in ("DynamicUser", "CacheDirectoryMode", "DevicePolicy", "SupplementaryGroups", "UMask"):
        assert [line for line in native if line.startswith(f"{key}=")] == [f"{key}={directive(VLLM, key)}"]
    # Compilers at run time write code and execute it.
    assert not [line for line in lines(VLLM) if line.startswith(("MemoryDenyWriteExecute", "NoExecPaths"))]


def test_compiled_code_is_below_the_cache_and_nowhere_else() -> None:
    found = environment(VLLM)
    assert (found["HOME"], found["XDG_CACHE_HOME"], directive(VLLM, "CacheDirectory")) == (HOME, HOME, "thor/chat")
    caches = [key for key in found if key.endswith(("_CACHE_DIR", "_CACHE_PATH"))]
    compiling = {"TRITON", "TORCHINDUCTOR", "NUMBA", "CUTE_DSL", "QUACK"}
    assert {"CUDA_CACHE_PATH", *(f"{name}_CACHE_DIR" for name in compiling)} <= set(caches)
    assert [key for key in caches if not found[key].startswith(f"{HOME}/")] == []
    # No version in their paths: an upgrade finds what was compiled.
    assert not [key for key in caches if "packaged" in found[key]]


@pytest.mark.parametrize(("service", "tree"), [(VLLM, TREE), (SGLANG, "/opt/thor/engines/sglang/packaged")])
def test_compilers_are_the_environments_own(service: Service, tree: str) -> None:
    found = environment(service)
    assert found["CUDA_HOME"] == f"{tree}/cuda"
    assert found["PATH"].split(":")[:2] == [f"{tree}/bin", f"{tree}/cuda/bin"]
    assert found["PATH"].endswith(":/usr/bin:/sbin:/bin")
    # A bare JetPack has no such file.
    assert "TRITON_PTXAS_PATH" not in found
    assert not [value for value in found.values() if "{" in value or value.startswith("/usr/local/cuda")]


def test_a_services_own_variables_win_and_get_the_folder() -> None:
    own = {"TRITON_CACHE_DIR": "/var/cache/thor/chat/mine", "CUDNN_HOME": "{environment}/cudnn"}
    found = environment(replace(VLLM, environment=own))
    assert (found["TRITON_CACHE_DIR"], found["CUDNN_HOME"]) == ("/var/cache/thor/chat/mine", f"{TREE}/cudnn")


def test_no_hub_is_asked_and_nothing_is_reported() -> None:
    for service in (VLLM, SGLANG):
        found = environment(service)
        assert (found["HF_HUB_OFFLINE"], found["TRANSFORMERS_OFFLINE"], found["DO_NOT_TRACK"]) == ("1", "1", "1")
        assert found["MODELSCOPE_ENDPOINT"] == "http://127.0.0.1:9"
        assert (found["GLOO_SOCKET_IFNAME"], found["NCCL_SOCKET_IFNAME"]) == ("lo", "lo")
    assert (environment(VLLM)["VLLM_NO_USAGE_STATS"], environment(VLLM)["VLLM_HOST_IP"]) == ("1", "127.0.0.1")


FETCHES = re.compile(r"^# In use, (?P<package>\S+) fetches .*, unless (?P<name>\w+)=(?P<value>\S+)\.$", re.MULTILINE)


def test_what_a_lock_says_to_switch_off_is_off() -> None:
    """Packages that fetch something while an engine serves; script/lock names them, with the variable that prevents it."""
    found = {}
    for path in sorted((ROOT / "roles/catalog/files/packages").glob("*.txt")):
        service = {"vllm": VLLM, "sglang": SGLANG, "funasr": FUNASR}[path.name.partition("-")[0]]
        for said in FETCHES.finditer(path.read_text(encoding="utf-8")):
            found[said["package"]] = said["name"]
            assert environment(service)[said["name"]] == said["value"], path.name
    assert found == {"flashinfer-python": "FLASHINFER_NO_DOWNLOAD", "kernels": "HF_HUB_OFFLINE"}


def test_funasr_does_not_wait_for_a_hub() -> None:
    """It asks inside its event loop: a request without a model takes 0.1 s with one attempt, and 14 s with its own default."""
    assert environment(FUNASR)["MODELSCOPE_REPO_TREE_PAGE_MAX_ATTEMPTS"] == "1"


def test_nobodys_own_packages_are_imported() -> None:
    assert environment(VLLM)["PYTHONNOUSERSITE"] == "1"


def test_an_engine_on_the_loopback_reaches_nothing_else() -> None:
    assert {"IPAddressDeny=any", "IPAddressAllow=localhost"} <= set(lines(VLLM))
    # Its clients are elsewhere, or it may fetch what they name.
    assert "IPAddressDeny=any" not in lines(replace(VLLM, address="0.0.0.0"))
    assert "IPAddressDeny=any" not in lines(replace(VLLM, remote_media=True))
    assert "IPAddressDeny=any" in lines(replace(VLLM, remote_media=False))


def test_the_supervisor_fits_memory_and_sampling_values_without_a_container() -> None:
    config = configuration.configuration(SGLANG, Settings())
    assert "container" not in config
    assert config["memory"] == SGLANG.to_facts()["memory"]
    assert config["memory"]["of"] == "free"
    laid_over = replace(SGLANG, generation_config=GenerationConfig(path="/models/a/g.json", values={"top_k": 1}))
    assert configuration.configuration(laid_over, Settings())["generation_config"] == {
        "path": "/models/a/g.json",
        "values": {"top_k": 1},
        "folder": f"{HOME}/model",
    }


def test_the_tree_is_the_observed_one() -> None:
    assert python_environment.tree(VLLM, HOST) == TREE
    assert python_environment.tree(VLLM, {}) == "/opt/thor/engines/vllm/packaged"


def test_funasr_finds_its_models_below_the_folder_that_it_is_started_in() -> None:
    funasr = FUNASR
    folder = directive(funasr, "WorkingDirectory")
    assert [one.path.removeprefix(f"{folder}/") for one in (funasr.model, *funasr.files)] == [
        # _server_app.py of 1.4.16 asks for this name, and name_maps_from_hub.py has this one for fsmn-vad.
        *("iic/SenseVoiceSmall", "iic/speech_fsmn_vad_zh-cn-16k-common-pytorch"),
    ]
    assert funasr.argv[funasr.argv.index("--model") + 1] == funasr.served_name == "sensevoice"
    assert directive(VLLM, "WorkingDirectory") == HOME
    # An empty word: it asks for no model that tells speakers apart.
    assert shlex.split(directive(funasr, "ExecStart"))[-4:] == ["--spk-model", "", "--model", "sensevoice"]
