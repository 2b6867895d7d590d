# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Problems as text and as data: one line each, printable, without secrets, whatever the value is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import problems
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

LOOP: list[Any] = []  # as YAML's "&a [*a]" is
LOOP.append(LOOP)
DEEP: list[Any] = []
for _level in range(5000):
    DEEP = [DEEP]


def problem(value: Any, variable: str = "thor_profiles[0].port") -> Problem:
    """A problem with this value."""
    return Problem("THOR-X", variable, value, "It is wrong", "Write another one.")


def test_a_problem_is_one_line_with_value_reason_and_way_out() -> None:
    assert problem(80).text() == "THOR-X: thor_profiles[0].port = 80: It is wrong. Write another one."
    assert problem(None).text() == "THOR-X: thor_profiles[0].port: It is wrong. Write another one."
    assert problem("a\nb").text() == 'THOR-X: thor_profiles[0].port = "a\\nb": It is wrong. Write another one.'


@pytest.mark.parametrize(
    "value",
    [LOOP, 10**5000, {1: float("nan")}, {("a",): 1}, "\ud800", b"x", object()],
    ids=lambda one: type(one).__name__,
)
def test_a_value_that_json_cannot_hold_is_shown_and_kept_as_text(value: Any) -> None:
    assert problem(value).text().isprintable()
    json.dumps(problem(value).as_dict(), allow_nan=False, ensure_ascii=False).encode()


def test_a_long_value_is_cut() -> None:
    assert len(problem("x" * 10_000).text()) < problems.LONGEST + 200


def test_what_moves_the_cursor_of_a_terminal_is_written_out() -> None:
    assert problem("\x1b[2Jgone").text().isprintable()
    assert "\x1b" not in json.dumps(problem("\x1b[2Jgone").as_dict()["value"])


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("thor_profiles[0].options.api-key", "hunter2hunter2"),
        ("thor_profiles[0].options", {"deep": [{"hf-token": "hunter2hunter2"}]}),
        ("thor_profiles[0].options.x", '{"api_key": "hunter2hunter2"}'),
        ("thor_proxy", "http://me:hunter2hunter2@proxy:3128"),
    ],
)
def test_a_secret_is_in_neither(variable: str, value: Any) -> None:
    found = problem(value, variable)
    assert "hunter2" not in found.text() and "hunter2" not in json.dumps(found.as_dict())
    assert found.as_dict()["value"] is None


def test_a_failed_task_has_all_problems_of_its_host() -> None:
    text = problems.fail_text("thor01", [problem(80), problem(81)])
    first, *lines = text.splitlines()
    assert first.startswith("thor01: 2 problems, nothing was changed")
    assert [line.split(" = ")[0] for line in lines] == ["thor01: THOR-X: thor_profiles[0].port"] * 2
    assert problems.fail_text("thor01", [problem(80)]).startswith("thor01: 1 problem, ")


@pytest.mark.parametrize(
    ("word", "close"),
    [("vLLM", "vllm"), ("VLLM", "vllm"), ("vlm", "vllm"), ("llamacpp", "llama.cpp"), ("trt", None), (10**5000, None)],
    ids=lambda one: one if isinstance(one, str) else type(one).__name__,
)
def test_the_name_that_was_meant_is_found(word: object, close: str | None) -> None:
    known = ["vllm", "llama.cpp", "sglang"]
    assert problems.closest(word, known) == close
    hint = problems.nearest(word, known)
    assert hint == f"Did you mean {close!r}?" if close else all(name in hint for name in known)
