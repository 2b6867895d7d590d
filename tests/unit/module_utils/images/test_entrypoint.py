# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Entrypoints of images: the ones that run the service's command, that are its beginning, and that swallow it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.images import gpu_check, record
from fake_dockerd import Dockerd
from image_runs import VLLM, failed, image, listening, pulled, run, spec

SERVE = ["vllm", "serve"]
NVIDIA = ["/opt/nvidia/nvidia_entrypoint.sh"]


def said(how: str, words: list[str] | None = None) -> dict[str, Any]:
    return {**image(), "entrypoint": {"how": how, "words": words or SERVE}}


def checks(dockerd: Dockerd) -> list[dict[str, Any]]:
    """How the containers of the check were created."""
    return [json.loads(body) for body in dockerd.bodies if b"HostConfig" in body]


def test_an_entrypoint_that_runs_its_arguments_runs_the_check_too(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.entrypoint, dockerd.log, dockerd.pulls = NVIDIA, "cuInit: 0 CUDA devices: 1", [pulled()]
    run(tmp_path, spec(said("runs"), require_gpu=True))
    (body,) = checks(dockerd)
    assert "Entrypoint" not in body and body["Cmd"][:2] == ["python3", "-c"]
    proof = record.read_record()["images"][VLLM]["proof"]
    assert proof["output"] == "cuInit: 0 CUDA devices: 1", "without the entrypoint's banner"
    assert proof["entrypoint"] == {"how": "runs", "words": SERVE}


def test_an_image_without_an_entrypoint(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled()]
    run(tmp_path, spec(said("runs")))
    assert checks(dockerd)[0]["Entrypoint"][:2] == ["python3", "-c"]


def test_an_entrypoint_that_swallows_the_command(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.entrypoint, dockerd.runs_command, dockerd.pulls = ["/start.sh"], False, [pulled()]
    words = failed(tmp_path, spec(said("runs")))
    assert words.startswith("THOR-IMAGE-ENTRYPOINT: ") and '["/start.sh"]' in words and '["vllm", "serve"]' in words
    assert "unrecognized arguments" in words and "entrypoint: [vllm, serve]" in words
    assert len(checks(dockerd)) == 2, "without that entrypoint the check runs: it is to blame"
    assert dockerd.containers == {} and record.read_record()["images"][VLLM]["proof"] is None


def test_a_check_that_fails_under_any_entrypoint_is_not_blamed_on_it(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.entrypoint, dockerd.pulls, dockerd.exit_code = NVIDIA, [pulled()], 1
    assert "THOR-GPU-HIDDEN" in failed(tmp_path, spec(said("runs"), require_gpu=True))


@pytest.mark.parametrize("own", [SERVE, ["/usr/local/bin/vllm", "serve"], [*SERVE, "--enable-log-requests"]])
def test_an_entrypoint_that_is_the_command_already(own: list[str], dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.entrypoint, dockerd.pulls = own, [pulled()]
    words = failed(tmp_path, spec(said("runs")))
    assert "THOR-IMAGE-ENTRYPOINT" in words and json.dumps(own) in words and "`entrypoint: null`" in words
    assert checks(dockerd) == [], "its configuration says so: no container is run"


@pytest.mark.parametrize("own", [SERVE, ["/usr/local/bin/vllm", "serve"]])
def test_an_entrypoint_that_is_the_beginning_of_the_command(own: list[str], dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.entrypoint, dockerd.pulls = own, [pulled()]
    run(tmp_path, spec(said("is")))
    assert checks(dockerd)[0]["Entrypoint"][:2] == ["python3", "-c"], "it cannot run anything else"


@pytest.mark.parametrize("own", [[], NVIDIA, ["python3", "-m", "vllm.entrypoints.openai.api_server"]])
def test_another_entrypoint_than_the_catalog_says(own: list[str], dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.entrypoint, dockerd.pulls = own, [pulled()]
    words = failed(tmp_path, spec(said("is")))
    assert "THOR-IMAGE-ENTRYPOINT" in words and '["vllm", "serve"]' in words
    assert (json.dumps(own) if own else "is empty") in words and "entrypoint: [vllm, serve]" in words


def test_python_has_several_names(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.entrypoint, dockerd.pulls = ["/usr/bin/python3.12", "-m", "sglang.launch_server"], [pulled()]
    run(tmp_path, spec(said("is", ["python", "-m", "sglang.launch_server"])))


def test_an_entrypoint_that_is_set_replaces_any(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.entrypoint, dockerd.runs_command, dockerd.pulls = ["/start.sh"], False, [pulled()]
    run(tmp_path, spec(said("set")))
    assert len(checks(dockerd)) == 1


def test_another_entrypoint_asks_for_another_check(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled()]
    run(tmp_path, spec(said("set")))
    assert run(tmp_path, spec(said("set")))["checked"] == []
    assert run(tmp_path, spec(said("runs")))["checked"] == [VLLM]


def test_a_derived_image_keeps_the_entrypoint_and_is_made_without_it(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.entrypoint, dockerd.runs_command, dockerd.pulls = SERVE, False, [pulled()]
    dockerd.lacking = {"soundfile": "ModuleNotFoundError"}
    wanted = {**listening(), "entrypoint": {"how": "is", "words": SERVE}}
    assert run(tmp_path, spec(wanted))["derived"]
    commits = [
        json.loads(dockerd.bodies[number]) for number, asked in enumerate(dockerd.asked) if asked[1] == "/commit"
    ]
    assert [one["Entrypoint"] for one in commits] == [SERVE]


def test_the_check_says_that_it_runs() -> None:
    assert gpu_check.SAID in gpu_check.SCRIPT.splitlines()[0]
