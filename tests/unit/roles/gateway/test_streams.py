# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers that stream: at the engine's pace, to the end, and no longer than somebody listens."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import time
from collections.abc import Iterator

import pytest
from gateway_run import RunningGateway, client, kill, wait_for
from gateway_services import ALL, clients
from recording_engine import Engine


@contextlib.contextmanager
def streaming(gateway: RunningGateway, **body: object) -> Iterator[http.client.HTTPResponse]:
    """The answer to a chat that streams, of which nothing has been read."""
    with contextlib.closing(gateway.connection()) as connection:
        headers = {"Authorization": f"Bearer {ALL}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps({"model": "qwen3", **body}), headers)
        yield connection.getresponse()


def test_each_token_leaves_when_it_comes(gateway: RunningGateway) -> None:
    with streaming(gateway, stream=4, wait=0.3) as response:
        times = [time.monotonic() for line in response if line.startswith(b"data: {")]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)][:3]
    assert len(gaps) == 3 and min(gaps) > 0.15


def test_a_client_that_leaves_ends_the_engine_s_work(gateway: RunningGateway, engine: Engine) -> None:
    engine.abandoned.clear()
    with streaming(gateway, stream=1000, wait=0.02) as response:
        assert response.readline().startswith(b"data: ")
    assert engine.abandoned.wait(5)
    wait_for(lambda: gateway.records(1)[-1]["complete"] == "", "the log calls it complete")


def test_a_client_that_leaves_before_the_answer_ends_the_request(gateway: RunningGateway) -> None:
    with contextlib.closing(gateway.connection()) as connection:
        headers = {"Authorization": f"Bearer {ALL}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps({"model": "qwen3", "wait": 30}), headers)
        time.sleep(0.3)
    wait_for(lambda: gateway.records(1)[-1]["status"] == 499, "the request goes on")


def test_an_engine_that_dies_in_a_stream_does_not_look_like_its_end(gateway: RunningGateway) -> None:
    with streaming(gateway, stream=10, dies=3) as response, pytest.raises(http.client.IncompleteRead) as cut:
        response.read()
    assert b"token2" in cut.value.partial and b"[DONE]" not in cut.value.partial


def test_an_engine_that_dies_before_its_answer_is_told_in_shape(gateway: RunningGateway) -> None:
    answer = gateway.chat(ALL, "qwen3", dies=True)
    assert (answer.status, answer.error["code"], answer.error["type"]) == (502, "engine_failed", "server_error")


def test_a_service_that_does_not_run_is_told_in_shape(gateway: RunningGateway) -> None:
    answer = gateway.chat(ALL, "down")
    assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (503, "engine_unavailable", "5")


def test_an_engine_s_own_error_passes_as_it_is(gateway: RunningGateway) -> None:
    headers = {"Content-Type": "application/json"}
    answer = gateway.ask("POST", "/chat/v1/completions", ALL, b"{", headers)
    assert (answer.status, answer.body) == (400, b'{"error": {"message": "not JSON"}}')


def test_a_stream_outlives_a_change_of_keys(own_gateway: RunningGateway) -> None:
    with streaming(own_gateway, stream=30, wait=0.1) as response:
        assert response.readline().startswith(b"data: ")
        own_gateway.reload(clients=(client("all", "other-" + "o" * 20, models=None),))
        assert own_gateway.chat(ALL, "qwen3").status == 401
        assert b"[DONE]" in response.read()
    own_gateway.reload(clients=tuple(clients()))
    assert own_gateway.chat(ALL, "qwen3").status == 200


def test_a_broken_configuration_changes_nothing(own_gateway: RunningGateway) -> None:
    assert own_gateway.process
    (own_gateway.folder / "etc/lua/clients.lua").write_text("return {", encoding="utf-8")
    own_gateway.process.send_signal(1)
    wait_for(lambda: "clients.lua" in own_gateway.errors.read_text(encoding="utf-8"), "nginx accepts it")
    assert own_gateway.chat(ALL, "qwen3").status == 200


def test_a_worker_that_is_killed_is_replaced(own_gateway: RunningGateway) -> None:
    before = own_gateway.workers()
    with streaming(own_gateway, stream=50, wait=0.1) as response:
        assert response.readline().startswith(b"data: ")
        for worker in before:
            kill(worker)
        with pytest.raises((http.client.HTTPException, OSError)):
            response.read()
    wait_for(lambda: len(set(own_gateway.workers()) - set(before)) == 2, "no new workers")
    assert own_gateway.chat(ALL, "qwen3").status == 200
