# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Who is on what: a row for each host of a rollout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.filter.rollout_rows import SHOWN, WORDS, State, rollout_rows

NEW = {
    "name": "chat",
    "engine": "llama.cpp",
    "version": "0c1e570",
    "model": {"key": "next", "sources": [{"hub": "modelscope", "id": "a/next", "revision": "master"}]},
}
FACTS = {
    "thor_services": [NEW],
    "thor_host": {
        "units": {
            "thor-chat.service": {"serves": "chat, a/old@master with llama.cpp 0c1e570", "active": "active"},
            "thor-ear.service": {"serves": "ear, a/ear with whisper.cpp 1.8.5", "active": "failed"},
        }
    },
}
OLD, NEXT = "chat, a/old@master with llama.cpp 0c1e570", "chat, a/next@master with llama.cpp 0c1e570"


def variables(group: str = "thor_rollout_waiting", facts: Any = FACTS, **outcome: str) -> dict[str, Any]:
    return {"ansible_facts": facts, "group_names": [group], "rollout_outcome": outcome}


def test_a_row_for_each_host_says_where_it_stands_and_what_it_serves() -> None:
    hosts: dict[str, dict[str, Any]] = {
        "done": variables("thor_rollout_current"),
        "switched": variables(state="switched"),
        "waiting": variables(),
        "back": variables(state="restored", reason="THOR-SERVICE-START:\n  why"),
        "broken": variables(state="not_restored", reason="x" * 999),
        "lost": variables(state="switching", reason="the connection was lost"),
        "untouched": variables(state="not_switched", reason="THOR-JOB-BUSY"),
        "wrong": variables("thor_rollout_current", state="wrong_answers"),
        "unprepared": variables("thor"),
        "gone": {"group_names": ["thor"]},
    }
    rows = {row["host"]: row for row in rollout_rows(hosts, hosts)}
    assert {name: (row["state"], row["serves"], row["failed"]) for name, row in rows.items()} == {
        "done": ("up to date", NEXT, False),
        "switched": ("switched", NEXT, False),
        "waiting": ("waiting", OLD, False),
        "back": ("back on its previous services", OLD, True),
        "broken": ("not restored", "not known", True),
        "lost": ("lost while switching", "not known", True),
        "untouched": ("not switched", OLD, True),
        "wrong": ("wrong answers", NEXT, True),
        "unprepared": ("not ready", OLD, True),
        "gone": ("out of reach", "not known", False),
    }
    assert rows["back"]["reason"] == "THOR-SERVICE-START: why"
    assert len(rows["broken"]["reason"]) == SHOWN
    assert rows["unprepared"]["reason"] == "it failed before its wave: see above"


def test_a_host_that_serves_nothing_says_so() -> None:
    bare = {"thor_services": [], "thor_host": {"units": {}}}
    rows = rollout_rows(["a", "b"], {"a": variables(facts=bare), "b": variables(facts=bare, state="switched")})
    assert [row["serves"] for row in rows] == ["nothing", "nothing"]


def test_every_state_has_a_word_and_the_role_notes_no_other() -> None:
    assert set(WORDS) == set(State)
    folder = Path(__file__).resolve().parents[3] / "roles" / "rollout" / "tasks"
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.yml"))
    noted = set(re.findall(r"state'?: '?(?:\"{{ ')?(\w+)'?", text)) | {"switched"}
    assert noted <= set(State) and len(noted) == 7
