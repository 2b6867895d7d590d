# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Why a service did not start, read in its journal."""

from __future__ import annotations

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.services.failure import journal_text, reason_of


def test_the_first_exception_is_shown_where_it_stands_above_the_last_lines() -> None:
    cause = "(EngineCore pid=7) ERROR 11-24 [core.py:1] ImportError: Please install modelscope>=1.18.1"
    tail = [f"(APIServer pid=1)   File {number}" for number in range(40)]
    last = "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above."
    shown = journal_text("thor-chat.service", ["INFO ok", cause, *tail, last])
    assert shown[0].startswith("The first exception") and shown[1].strip() == cause
    assert "The last lines of journalctl -u thor-chat.service:" in shown
    assert journal_text("x", [cause, last])[0].startswith("The last lines"), "the last lines show it"
    assert journal_text("x", tail)[0].startswith("The last lines")


@pytest.mark.parametrize(
    ("journal", "code", "reason"),
    [
        (["supervisor: THOR-GPU-UNUSED: no GPU", "Failed to start x."], "THOR-GPU-UNUSED", "no GPU"),
        (["thor-serve: THOR-GPU-UNUSED: that of version 0.1"], "THOR-GPU-UNUSED", "that of version 0.1"),
        (
            ["x.service: Failed at step EXEC", "x.service: Failed with result 'exit-code'."],
            None,
            "x.service: Failed at step EXEC",
        ),
        (["the model said THOR-FAKE: x"], None, "the model said THOR-FAKE: x"),
        ([], None, "its journal says nothing"),
    ],
)
def test_the_reason_is_found_in_the_journal(journal: list[str], code: str | None, reason: str) -> None:
    assert reason_of(journal) == (code, reason)
