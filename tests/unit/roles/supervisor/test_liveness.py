# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether an engine that serves is alive."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import api
from supervisor_helper import Run, service_document
from thor_supervisor.configuration import Configuration
from thor_supervisor.engine import Engine
from thor_supervisor.liveness import Liveness, progress_of


class Table:
    """An engine as a table: what the page shows at each look, and what each request gets."""

    def __init__(self, pages: list[Any], requests: list[str]) -> None:
        self.pages = pages
        self.requests = requests
        self.asked = 0

    def look(self) -> Any:
        return self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]

    def ask(self) -> None:
        self.asked += 1
        answer = self.requests.pop(0) if len(self.requests) > 1 else self.requests[0]
        if answer == "ok":
            return
        kind, _, status = answer.partition(" ")
        raise api.ProbeError(kind, answer, int(status) if status else None)


def rounds(pages: list[Any], requests: list[str], count: int) -> tuple[list[str], Any, Table]:
    table = Table(pages, requests)
    liveness = Liveness(table.ask, table.look)
    return [liveness.check() for _ in range(count)], liveness, table


def test_no_request_is_sent_while_the_page_moves() -> None:
    results, _, table = rounds([[0], [1], [2], [3], [4]], ["ok"], 4)
    assert results == ["answered", "working", "working", "working"]
    assert table.asked == 1


def test_a_page_that_moves_is_not_trusted_forever() -> None:
    results, liveness, _ = rounds([[number] for number in range(99)], ["ok", "status 500"], 9)
    assert results == ["answered", *["working"] * 5, "failed", "failed", "failed"]
    assert liveness.dead


def test_an_idle_engine_is_asked_every_time() -> None:
    results, _, table = rounds([[7]], ["ok"], 3)
    assert results == ["answered"] * 3
    assert table.asked == 3


def test_the_output_shows_the_progress_of_an_engine_without_a_page() -> None:
    progress = {"match": r"progress = +\d+%"}
    words = "print('progress =   5%\\nother\\nprogress = 272%')"
    configuration = Configuration.from_document(service_document(progress=progress))
    engine = Engine([sys.executable, "-c", words], None, None, configuration.progress_line)
    engine.wait(10)
    engine.flush()
    assert progress_of(configuration, engine, 1) == [2]


@pytest.mark.parametrize("page", [[7], None])
def test_three_failures_in_a_row_are_the_end(page: Any) -> None:
    results, liveness, _ = rounds([page], ["timeout", "ok", "timeout", "unreachable", "status 500"], 5)
    assert results == ["failed", "answered", "failed", "failed", "failed"]
    assert liveness.dead
    assert liveness.reason == "status 500"


def test_a_slow_answer_is_excused_while_the_page_moves() -> None:
    # Looks: before the request, after it.
    results, liveness, _ = rounds([[1], [2], [2], [3]], ["timeout"], 2)
    assert results == ["busy", "busy"]
    assert not liveness.failures


def test_errors_are_not_excused_by_a_page_that_counts_them() -> None:
    results, liveness, _ = rounds([[1]], ["status 500"], 3)
    assert results == ["failed"] * 3
    assert liveness.dead


def test_a_full_queue_is_not_a_failure() -> None:
    results, liveness, _ = rounds([None], ["status 429"], 3)
    assert results == ["busy"] * 3
    assert not liveness.dead


def test_an_engine_that_answers_only_errors_is_given_up(run: Run, notified: list[str]) -> None:
    status, journal = run("late-errors")
    assert status == 1
    assert "READY=1" in notified
    assert "THOR-ENGINE-HUNG: the engine failed 3 requests in a row" in journal
