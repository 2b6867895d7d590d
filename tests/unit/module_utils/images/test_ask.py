# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The engine in an image, asked for its options in a container."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import docker_api, kept_flags, real_parser
from ansible_collections.jetson.thor.plugins.module_utils.images import ask, container, predict, record
from fake_dockerd import Dockerd
from image_runs import ONE, VLLM, failed, image, pulled, run, spec

ANSWER = {
    "engine_version": "0.34.0",
    "options": {"--port": {"takes": "value"}, "--enforce-eager": {"takes": "none"}},
    "removed": {},
}


def asking(*words: str) -> dict[str, Any]:
    """An image without a stored list, with one service."""
    argvs = {"chat": ["serve", "/models/x", "--port", "8000", *words]}
    return {**image(), "parser": "vllm", "argvs": argvs}


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the kept lists."""
    monkeypatch.setattr(kept_flags, "KEPT", tmp_path / "flags")
    return tmp_path / "flags"


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int | None, str]]:
    """What the container of the question prints, once it is asked: its exit status and its output."""
    planned: list[tuple[int | None, str]] = []
    waits = container.wait

    def wait(docker: Any, name: str, seconds: float, *more: Any) -> tuple[int | None, str]:
        return planned.pop(0) if name == ask.NAME else waits(docker, name, seconds, *more)

    monkeypatch.setattr(container, "wait", wait)
    return planned


def line(*errors: str | None) -> str:
    """The output of a container whose engine answered."""
    answers = [{"error": one} for one in errors]
    return f"INFO a greeting\r\n{real_parser.MARK}{json.dumps({**ANSWER, 'answers': answers})}\r\n"


def test_the_list_is_kept_by_digest_and_asked_once(
    dockerd: Dockerd, tmp_path: Path, kept: Path, says: list[tuple[int | None, str]]
) -> None:
    dockerd.pulls = [pulled()]
    says.append((0, line(None)))
    result = run(tmp_path, spec(asking()))
    assert result["asked"] == [VLLM]
    assert [path.name for path in kept.iterdir()] == [f"vllm-{'1' * 12}.json"]
    created = [
        json.loads(body)
        for (_, path), body in zip(dockerd.asked, dockerd.bodies, strict=True)
        if "create" in path and body
    ]
    (body,) = [one for one in created if "errors" in one["Entrypoint"]]
    assert body["Entrypoint"][:2] == ["python3", "-c"] and body["Entrypoint"][3:5] == ["errors", "vllm"]
    assert body["Cmd"] == [] and body["Image"].endswith(f"@{ONE}")
    host = body["HostConfig"]
    assert (host["Runtime"], host["NetworkMode"], host["CapDrop"]) == ("runc", "none", ["ALL"])
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert {"CUDA_VISIBLE_DEVICES=", "HF_HUB_OFFLINE=1"} <= set(body["Env"])
    again = predict.predict(
        spec(asking()), record.read_record(), record.Local.ask(docker_api.Docker(str(dockerd.path)))
    )
    assert again["ask"] == []
    assert run(tmp_path, spec(asking()))["asked"] == []


def test_a_model_that_the_engine_lacks_is_refused_before_the_switch(
    dockerd: Dockerd, tmp_path: Path, says: list[tuple[int | None, str]]
) -> None:
    """On every run: a model that was refused is not kept as accepted."""
    dockerd.pulls = [pulled()]
    known = {
        **ANSWER,
        "architectures": ["OwnForCausalLM"],
        "transformers": ["OtherModel"],
        "answers": [{"error": None}],
    }
    for name, accepted in (("NoForCausalLM", False), ("NoForCausalLM", False), ("OtherModel", True)):
        says.append((0, f"{real_parser.MARK}{json.dumps(known)}\r\n"))
        asked = {**asking(), "wanted": {"chat": [name]}}
        if accepted:
            assert run(tmp_path, spec(asked))["asked"] == [VLLM]
            assert run(tmp_path, spec(asked))["asked"] == []
        else:
            message = failed(tmp_path, spec(asked))
            assert "THOR-MODEL-ARCHITECTURE" in message and "thor_services['chat'].model" in message
    assert says == []


def test_an_option_that_the_engine_lacks_is_refused_before_the_switch(
    dockerd: Dockerd, tmp_path: Path, says: list[tuple[int | None, str]]
) -> None:
    dockerd.pulls = [pulled()]
    says.append((0, line("vllm serve: error: unrecognized arguments: --prot")))
    message = failed(tmp_path, spec(asking("--prot", "1")))
    assert ask.is_due(asking("--prot", "1"), ONE) and ask.is_due(asking(), ONE)
    assert (
        "THOR-FLAG-UNKNOWN" in message
        and "thor_services['chat'].argv" in message
        and "Did you mean '--port'?" in message
    )


def test_what_the_parser_refuses_is_refused_on_every_run(
    dockerd: Dockerd, tmp_path: Path, says: list[tuple[int | None, str]]
) -> None:
    dockerd.pulls = [pulled()]
    wrong = asking("--enforce-eager", "--port", "many")
    for _run in range(2):
        says.append((0, line("argument --port: invalid int value: 'many'")))
        message = failed(tmp_path, spec(wrong))
        assert "THOR-FLAG-VALUE" in message and "invalid int value: 'many'" in message
    assert says == [], "it was asked both times"
    says.append((0, line(None)))
    assert run(tmp_path, spec(asking()))["asked"] == [VLLM], "changed arguments meet the parser"
    assert run(tmp_path, spec(asking()))["asked"] == []


@pytest.mark.parametrize(
    ("status", "output", "words"),
    [
        (1, f'\r\n{real_parser.MARK}{{"error": "ImportError: libcuda.so.1"}}\r\n', "ImportError: libcuda.so.1"),
        (139, "Fatal Python error: Segmentation fault\r\n", "it ended with 139 and did not answer"),
        (None, "loading\r\n", "did not answer within 600 s; its last output: loading"),
    ],
)
def test_an_engine_that_cannot_be_asked_is_refused(
    dockerd: Dockerd,
    tmp_path: Path,
    kept: Path,
    says: list[tuple[int | None, str]],
    status: int | None,
    output: str,
    words: str,
) -> None:
    dockerd.pulls = [pulled()]
    says.append((status, output))
    message = failed(tmp_path, spec(asking()))
    assert "THOR-ENGINE-UNASKABLE" in message and words in message
    assert not kept.exists() and dockerd.containers == {}


def test_an_image_with_a_stored_list_is_not_asked(dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.pulls = [pulled()]
    assert run(tmp_path, spec(image()))["asked"] == []
    assert not ask.is_due(image(), None) and ask.is_due(asking(), None)
