# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What verify returns of a service: its state, and for each code what to do about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import verdicts

CLIENTS = Path(__file__).resolve().parents[4] / "plugins" / "module_utils" / "clients"
SERVICE = {
    "name": "chat",
    "unit": "thor-chat.service",
    "api": "chat",
    "address": "127.0.0.1",
    "port": 8000,
    "api_path": "/v1/chat/completions",
}
CODES = sorted(
    {
        code
        for path in CLIENTS.glob("*.py")
        for code in re.findall(
            r'"(THOR-(?:ANSWER|TOOL|LORA|EMBEDDING|RERANK|AUDIO|MEDIA|LISTENS)-[A-Z-]+)"',
            path.read_text(encoding="utf-8"),
        )
    }
)


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_a_verdict_has_a_way_out(code: str) -> None:
    found = verdicts.problem(code, SERVICE, None, "It is so.")
    assert found.code == code and found.remedy and found.variable.startswith("thor_services[chat]")


def test_a_result_is_failed_by_its_problems_unless_another_state_is_given() -> None:
    wrong = verdicts.problem("THOR-ANSWER-WRONG", SERVICE, None, "It is so.")
    states = [
        (verdicts.result(SERVICE, "chat"), "ok", True),
        (verdicts.result(SERVICE, "chat", [wrong]), "failed", False),
        (verdicts.result(SERVICE, "chat", state="asleep"), "asleep", False),
    ]
    for found, state, ok in states:
        assert (found["state"], found["ok"]) == (state, ok)
    failed = states[1][0]
    assert failed["messages"] == [wrong.text()] and failed["problems"] == [wrong.as_dict()]
    assert failed["endpoint"].startswith("http://127.0.0.1:8000/v1/chat/completions")


def test_what_was_measured_is_added() -> None:
    assert verdicts.result(SERVICE, "chat", seconds=0.5, tokens=7)["tokens"] == 7
