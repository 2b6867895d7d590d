# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How much a client may ask for."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import gateway_run
import pytest
from gateway_run import RunningGateway, client, wait_for
from gateway_services import ALL, ONE, services_on
from recording_engine import Engine


@pytest.fixture
def limited(engine: Engine) -> Iterator[RunningGateway]:
    """A gateway with a client that may send five requests a minute, and one that may have two at a time."""
    clients = [
        client("all", ALL, models=None, requests_per_minute=5),
        client("one", ONE, models=None, concurrency=2),
    ]
    with gateway_run.running(services_on(engine.server_port), clients) as found:
        yield found


def test_a_client_that_is_too_fast_is_told_when_to_come_back(limited: RunningGateway, engine: Engine) -> None:
    answers = [limited.chat(ALL, "qwen3") for _ in range(8)]
    assert [answer.status for answer in answers] == [200] * 5 + [429] * 3
    before = len(engine.asked)
    last = limited.chat(ALL, "qwen3")
    assert (last.error["code"], last.error["type"]) == ("rate_limit_exceeded", "rate_limit_error")
    assert 1 <= int(last.headers["retry-after"]) <= 120 and "5 requests a minute" in last.error["message"]
    assert len(engine.asked) == before
    # Others, and the list of models, are not concerned.
    assert limited.chat(ONE, "qwen3").status == limited.ask("GET", "/v1/models", ALL).status == 200


def test_a_client_has_so_many_requests_at_a_time(limited: RunningGateway) -> None:
    def slow() -> int:
        return limited.chat(ONE, "qwen3", wait=1.5).status

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(slow) for _ in range(2)]
        time.sleep(0.7)
        refused = limited.chat(ONE, "qwen3")
        assert (refused.status, refused.error["code"]) == (429, "concurrency_exceeded")
        assert refused.headers["retry-after"] == "1"
        assert [one.result() for one in running] == [200, 200]
    assert limited.chat(ONE, "qwen3").status == 200


def test_places_are_given_back_whatever_becomes_of_a_request(limited: RunningGateway) -> None:
    bodies = [
        {"model": "nosuch"},
        {"model": "down"},
        {"model": "qwen3", "dies": True},
        {"model": 1},
        {"model": "whisper"},
    ]
    for body in bodies * 2:
        assert limited.ask("POST", "/v1/chat/completions", ONE, body).status in {400, 404, 502, 503}
    assert limited.chat(ONE, "qwen3").status == 200


def test_one_request_after_the_other_is_never_too_many(limited: RunningGateway) -> None:
    """Each on a connection of its own, so that another worker may take it before the first has written its log."""
    limited.reload(clients=(client("one", ONE, models=None, concurrency=1),))
    assert {limited.chat(ONE, "qwen3", stream=2).status for _ in range(40)} == {200}


def test_the_places_of_a_worker_that_was_killed_are_free_again(limited: RunningGateway) -> None:
    """The worker is killed with both places taken; see test_faults.py for what becomes of its streams."""

    def slow() -> None:
        with contextlib.suppress(OSError):
            while limited.chat(ONE, "qwen3", wait=20).status == 429:
                pass  # the request below that looks whether both are taken had the place

    threads = [threading.Thread(target=slow, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_for(lambda: limited.chat(ONE, "qwen3").status == 429, "the places are not taken")
    for worker in limited.workers():
        gateway_run.kill(worker)
    wait_for(lambda: limited.listens() and limited.chat(ONE, "qwen3").status == 200, "the places stay taken")
