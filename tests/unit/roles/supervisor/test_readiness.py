# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The requests to an engine that is starting."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import api, smallest_request
from supervisor_helper import service_document
from thor_supervisor import readiness
from thor_supervisor.configuration import Configuration
from thor_supervisor.endings import GiveUp
from thor_supervisor.engine import Engine
from thor_supervisor.readiness import Readiness

REFUSAL = api.ProbeError("status", "HTTP 400: no such model", 400)
OTHER_REFUSAL = api.ProbeError("status", "HTTP 401: who are you?", 401)
NO_ANSWER = api.ProbeError("timeout", "http://127.0.0.1:8000 did not answer within 0 s")
LOADING = api.ProbeError("status", "HTTP 503: loading", 503)

Answers = Callable[..., list[str]]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Wait for an engine whose requests fail like this, and are answered then; the statuses meanwhile.

    With a limit in seconds, the last request is not answered.
    """
    monkeypatch.setattr(readiness, "PAUSE", 0.02)

    def run(failures: list[Exception], limit: float | None = None) -> list[str]:
        left = list(failures)

        def ready(_service: Any, _timeout: float) -> None:
            if left:
                raise left.pop(0)
            if limit:
                time.sleep(limit)

        monkeypatch.setattr(smallest_request, "ready", ready)
        statuses: list[str] = []

        def wait(status: str) -> None:
            statuses.append(status)
            time.sleep(0.005)

        document = service_document() | ({"start_timeout": limit} if limit else {})
        engine = Engine(["/bin/sleep", "30"], None)
        try:
            Readiness(Configuration.from_document(document)).wait(engine, time.monotonic(), wait)
        finally:
            engine.stop(1)
        return statuses

    return run


def test_five_identical_refusals_end_the_start(start: Answers) -> None:
    with pytest.raises(GiveUp, match="refuses a plain request: HTTP 400: no such model") as failure:
        start([REFUSAL] * 5)
    assert failure.value.code == "THOR-ENGINE-REFUSED"


@pytest.mark.parametrize(
    "failures", [[REFUSAL] * 4, [LOADING] * 9, [*[REFUSAL] * 4, OTHER_REFUSAL, *[REFUSAL] * 4], [REFUSAL, LOADING] * 6]
)
def test_anything_else_is_asked_again_until_it_is_answered(start: Answers, failures: list[Exception]) -> None:
    start(failures)


@pytest.mark.parametrize(("limit", "last"), [(1, "HTTP 503: loading"), (3, "did not answer")])
def test_a_last_request_without_time_does_not_hide_what_the_engine_said(
    start: Answers, limit: float, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "PAUSE", 0.1)
    with pytest.raises(GiveUp, match=last) as failure:
        start([LOADING, NO_ANSWER], limit)
    assert failure.value.code == "THOR-START-TIMEOUT"


def test_the_status_shows_the_last_error(start: Answers) -> None:
    assert any("HTTP 503: loading" in status for status in start([LOADING] * 5))
