# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Times, sizes and states in words."""

from __future__ import annotations

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.status import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (-5, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_spans(seconds: float | None, text: str) -> None:
    assert words.span(seconds) == text


@pytest.mark.parametrize(
    ("before", "text"), [(5, "just now"), (-100, "just now"), (61, "1 min ago"), (7300, "2 h ago"), (200000, "2 d ago")]
)
def test_how_long_ago(before: float, text: str) -> None:
    assert words.ago(1000000 - before, 1000000) == text
    assert words.ago(None, 5) == ""


@pytest.mark.parametrize(("size", "text"), [(None, ""), (2**30, "1.0 GiB"), (40 * 2**20, "40 MiB")])
def test_sizes(size: float | None, text: str) -> None:
    assert words.gib(size) == text


@pytest.mark.parametrize(
    ("active", "sub", "is_woken", "word"),
    [
        ("active", "running", False, "running"),
        ("reloading", "reload", False, "running"),
        ("activating", "start", False, "starting"),
        ("activating", "auto-restart", False, "restarting"),
        ("failed", "failed", True, "failed"),
        ("inactive", "dead", False, "stopped"),
        ("inactive", "dead", True, "asleep"),
        ("", "", False, "unknown"),
    ],
)
def test_states(active: str, sub: str, is_woken: bool, word: str) -> None:
    assert words.state({"active": active, "sub": sub}, is_woken) == word


def test_without_a_unit_nothing_is_deployed() -> None:
    assert words.state(None) == "not deployed"
    assert words.moment(1795737600) == "2026-11-27T00:00:00Z" and words.moment(None) is None
