# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Programs whose output is read: their language, their input, and how long they may take."""

from __future__ import annotations

import sys
import time

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import commands

TALK = "echo $LC_ALL; echo aside >&2; read answer || echo nobody; printf '\\377'; exit 3"


def test_output_is_what_a_program_prints_whatever_its_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert commands.output("sh", "-c", TALK) == "C\nnobody\n\N{REPLACEMENT CHARACTER}"
    assert commands.output("/no/such/program") == ""


def test_an_answer_has_the_exit_status_and_the_errors() -> None:
    talk = f"echo $DEBIAN_FRONTEND; {TALK}"
    said = "noninteractive\nC\naside\nnobody\n\N{REPLACEMENT CHARACTER}"
    assert commands.answer("sh", "-c", talk, seconds=20, DEBIAN_FRONTEND="noninteractive") == (3, said)
    status, reason = commands.answer("/no/such/program", seconds=20)
    assert status is None and "No such file" in reason


def test_a_program_that_prompts_on_the_terminal_gets_none() -> None:
    assert commands.answer("sh", "-c", "exec 3</dev/tty", seconds=20)[0] not in (0, None)
    # Where the tests run without a terminal, too: a session of its own cannot have the caller's.
    is_first = "import os; print(os.getsid(0) == os.getpid())"
    assert commands.answer(sys.executable, "-c", is_first, seconds=20) == (0, "True\n")


def test_a_program_that_hangs_holds_nobody_up() -> None:
    begin = time.monotonic()
    assert commands.output("sh", "-c", "echo before; exec sleep 30", seconds=0.5) == ""
    assert commands.answer("sh", "-c", "echo before; exec sleep 30", seconds=0.5) == (None, "before\n")
    assert time.monotonic() - begin < 5
