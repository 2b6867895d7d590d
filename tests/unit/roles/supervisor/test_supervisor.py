# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The life of a service, with stand-in engines and without systemd."""

from __future__ import annotations

import os
from typing import Any

import pytest
from fake_dockerd import LABEL, Dockerd
from supervisor_helper import GPU, Run, container_settings, log_arguments
from thor_supervisor import start_lock, supervisor
from thor_supervisor.engine import Engine


def test_ready_comes_with_the_answer_and_a_stop_is_not_a_failure(run: Run, notified: list[str]) -> None:
    status, journal = run("ok", stop=True)
    assert status == 0
    assert "READY=1" in notified
    assert notified.index("READY=1") < notified.index("STOPPING=1")
    assert "page cache not dropped" in journal
    assert "serving stand-in on 127.0.0.1:" in journal


@pytest.mark.parametrize(("api", "path"), [("embedding", "/v1/embeddings"), ("rerank", "/v1/rerank")])
def test_an_embedder_and_a_reranker_are_ready_when_they_answer(
    run: Run, notified: list[str], api: str, path: str
) -> None:
    status, _journal = run("ok", stop=True, api=api, api_path=path)
    assert status == 0 and "READY=1" in notified


@pytest.mark.parametrize(
    ("mode", "settings", "code", "text"),
    [
        ("die", {}, "THOR-ENGINE-EXITED", "ended with code 3"),
        ("die-0", {}, "THOR-ENGINE-EXITED", "ended with code 0"),
        ("refuse", {}, "THOR-ENGINE-REFUSED", "HTTP 400"),
        ("errors", {"start_timeout": 3}, "THOR-START-TIMEOUT", "HTTP 500: an illegal memory access"),
        ("silent", {"start_timeout": 3}, "THOR-START-TIMEOUT", "within 3 s"),
        ("ok", {"gpu": GPU, "require_gpu": True}, "THOR-GPU-UNUSED", "fallen back to the CPU"),
        ("ok", {"api": "telepathy"}, "THOR-ENGINE-REFUSED", "telepathy"),
        # The stand-in answers there as a chat does.
        ("ok", {"api": "rerank", "api_path": "/rank", "start_timeout": 3}, "THOR-START-TIMEOUT", "not a ranking"),
    ],
)
def test_a_failed_start_says_why(
    run: Run, notified: list[str], mode: str, settings: dict[str, Any], code: str, text: str
) -> None:
    status, journal = run(mode, **settings)
    assert status == 1
    assert "READY=1" not in notified
    assert f"<3>supervisor: {code}: " in journal
    assert text in journal


@pytest.mark.parametrize(
    ("mode", "settings"), [("ok", {"gpu": GPU, "require_gpu": True}), ("silent", {"start_timeout": 2})]
)
def test_a_failed_engine_returns_its_memory_before_the_next_one_starts(
    run: Run, monkeypatch: pytest.MonkeyPatch, mode: str, settings: dict[str, Any]
) -> None:
    locks: list[int] = []
    engines: list[Engine] = []
    alive: list[bool] = []
    take, close = start_lock.take, os.close

    def take_lock(*arguments: Any) -> int:
        locks.append(take(*arguments))
        return locks[-1]

    def start(*arguments: Any) -> Engine:
        engines.append(Engine(*arguments))
        return engines[-1]

    def close_descriptor(descriptor: int) -> None:
        if descriptor in locks:
            alive.append(engines[0].process.poll() is None)
            locks.remove(descriptor)
        close(descriptor)

    monkeypatch.setattr(start_lock, "take", take_lock)
    monkeypatch.setattr(supervisor, "Engine", start)
    monkeypatch.setattr(os, "close", close_descriptor)
    run(mode, *log_arguments("llama-partial-offload.txt"), **settings)
    assert alive == [False]


def test_a_container_service_is_ready_and_stops_like_any_other(run: Run, notified: list[str], dockerd: Dockerd) -> None:
    status, journal = run("ok", stop=True, **container_settings(dockerd))
    assert status == 0
    assert "READY=1" in notified
    assert "started the container thor-chat" in journal
    assert dockerd.removed == []  # docker's client has seen to it (--rm)


@pytest.mark.parametrize(("refusals", "status"), [(1, 0), (2, 1)])
def test_a_container_that_docker_refuses_to_start_gets_one_more_try(
    run: Run, dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch, refusals: int, status: int
) -> None:
    left = [["/bin/sh", "-c", "exit 125"]] * refusals

    def start(argv: list[str], *more: Any) -> Engine:
        return Engine(left.pop() if left else argv, *more)

    monkeypatch.setattr(supervisor, "Engine", start)
    ended, journal = run("ok", stop=status == 0, **container_settings(dockerd))
    assert ended == status, journal
    assert journal.count("trying once more") == 1
    assert not left


@pytest.mark.parametrize("mode", ["die", "late-errors"])
def test_no_container_is_left_after_a_failure(
    run: Run, dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    def start(*arguments: Any) -> Engine:
        dockerd.has("thor-chat", LABEL)  # as if docker's client had died: --rm does nothing then
        return Engine(*arguments)

    monkeypatch.setattr(supervisor, "Engine", start)
    status, _ = run(mode, **container_settings(dockerd))
    assert status == 1
    assert dockerd.removed == ["thor-chat"]
