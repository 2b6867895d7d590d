# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Services that sleep: who waits for them, and who does not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from gateway_run import RunningGateway, wait_for
from gateway_services import ALL, EYES
from recording_engine import Engine


class Door:
    """What listens in front of a sleeping service: it counts connections, and passes none on."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_server(("127.0.0.1", port))
        self.connections = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        """Accept and close."""
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()


@pytest.fixture
def door(gateway: RunningGateway) -> Iterator[Door]:
    """The port of the service `sleeper`, as systemd holds it."""
    (sleeper,) = (service for service in gateway.services if service.name == "sleeper")
    assert sleeper.port
    found = Door(sleeper.port)
    yield found
    found.socket.shutdown(socket.SHUT_RDWR)
    found.socket.close()


def test_who_does_not_wait_wakes_the_service_and_comes_back(gateway: RunningGateway, door: Door) -> None:
    headers = {"Prefer": "respond-async, wait=5"}
    answer = gateway.ask("POST", "/v1/chat/completions", ALL, {"model": "big"}, headers)
    assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (503, "service_starting", "10")
    wait_for(lambda: door.connections == 1, "nobody woke it")


def test_who_waits_is_connected(gateway: RunningGateway, door: Door) -> None:
    assert gateway.chat(ALL, "big").status in {502, 503}  # the door closes the connection
    assert door.connections == 1


def test_once_it_runs_nobody_is_sent_away(gateway: RunningGateway, door: Door) -> None:
    (sleeper,) = (service for service in gateway.services if service.name == "sleeper")
    with socket.create_server(("127.0.0.1", sleeper.engine_port or 0)):
        answer = gateway.ask("POST", "/v1/chat/completions", ALL, {"model": "big"}, {"Prefer": "respond-async"})
    assert answer.error["code"] in {"engine_failed", "engine_unavailable"} and door.connections == 1


def test_services_that_always_run_are_not_asked_first(gateway: RunningGateway, engine: Engine) -> None:
    before = len(engine.asked)
    answer = gateway.ask("POST", "/v1/chat/completions", ALL, {"model": "qwen3"}, {"Prefer": "respond-async"})
    assert answer.status == 200 and len(engine.asked) == before + 1


def test_reading_its_metrics_does_not_wake_it(gateway: RunningGateway, door: Door) -> None:
    answer = gateway.ask("GET", "/metrics/sleeper", EYES)
    assert (answer.status, answer.error["code"], door.connections) == (503, "engine_unavailable", 0)


def test_reading_the_metrics_of_a_sleeper_leaves_no_error_in_the_journal(gateway: RunningGateway) -> None:
    before = gateway.errors.read_text(encoding="utf-8").count("[error]")
    assert gateway.ask("GET", "/metrics/sleeper", EYES).status == 503
    assert gateway.errors.read_text(encoding="utf-8").count("[error]") == before
