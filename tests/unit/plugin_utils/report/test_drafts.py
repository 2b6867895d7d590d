# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What speculation was worth."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.report import drafts, results
from lean_results import result, service

DRAFT = {"method": "eagle3", "tokens": 5, "model": "d"}
SEEN = {"drafted_tokens": 300, "accepted_tokens": 120, "acceptance": 0.4, "tokens_per_step": 2.2}


def guessing(with_it: float, without: float | None, **more: Any) -> dict[str, Any]:
    plain = None if without is None else {"state": "measured", "reason": None, "loads": service(without)["loads"]}
    one = service(with_it, speculative=DRAFT, without_speculation=plain, **more)
    one["loads"][1]["speculation"] = SEEN
    return one


@pytest.mark.parametrize(
    ("with_it", "without", "ratio", "words"),
    [
        (60.0, 30.0, 2.0, "pays"),
        (39.0, 30.0, 1.3, "pays"),
        (38.9, 30.0, 38.9 / 30, "does not pay: below 1.3 times the speed for one client"),
        (20.0, 30.0, 2 / 3, "does not pay: below 1.3 times the speed for one client"),
        (20.0, None, None, ""),
    ],
)
def test_it_pays_from_a_ratio_on(with_it: float, without: float | None, ratio: float | None, words: str) -> None:
    one = guessing(with_it, without)
    assert drafts.gain(one) == (None if ratio is None else pytest.approx(ratio))
    assert drafts.verdict(one) == words


def test_what_could_not_be_measured_says_why() -> None:
    one = service(
        30.0, speculative=DRAFT, without_speculation={"state": "failed", "reason": "It did not start.", "loads": []}
    )
    assert drafts.gain(one) is None and drafts.verdict(one) == "It did not start."


def rows(*services: dict[str, Any]) -> list[list[str]]:
    fleet = results.fleet([result("thor01", 1, *services)], {"table": []}, 0.9)
    return [[str(cell) for cell in row.cells] for row in drafts.drafts_table(fleet).rows]


def test_the_table_has_the_services_that_speculate() -> None:
    profile = str(service()["profile"])
    assert rows(service(37.0, name="plain"), guessing(60.0, 30.0)) == [
        ["thor01", f"{profile} (chat)", "eagle3 (5 tokens)", "40 %", "2.20", "60.0", "30.0", "2.00", "pays"]
    ]
    assert rows(service()) == []
    # Options of a person: the inventory knows nothing of it, and the engine does.
    by_hand = service(50.0)
    by_hand["loads"][1]["speculation"] = {**SEEN, "acceptance": None}
    assert rows(by_hand) == [["thor01", f"{profile} (chat)", "by options", "2.20", "50.0"]]
