# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Values for a unit file, as systemd and a shell read them."""

from __future__ import annotations

import json
import shlex

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.services import quoting


@pytest.mark.parametrize(
    ("word", "command", "environment"),
    [
        ("--host", "--host", "--host"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("", '""', '""'),
        ("a b", '"a b"', '"a b"'),
        ("5%", "5%%", "5%%"),
        ("$HOME", "$$HOME", "$HOME"),
        (";", '";"', '";"'),
        ('{"a": "b"}', '"{\\"a\\": \\"b\\"}"', '"{\\"a\\": \\"b\\"}"'),
        ("back\\slash", '"back\\\\slash"', '"back\\\\slash"'),
        ("two\nlines", '"two\\nlines"', '"two\\nlines"'),
        ("\x01", '"\\x01"', '"\\x01"'),
        ("it's", '"it\'s"', '"it\'s"'),
        ("世界", '"世界"', '"世界"'),
    ],
)
def test_words_are_quoted_as_systemd_reads_them(word: str, command: str, environment: str) -> None:
    assert quoting.command([word]) == command
    assert quoting.word_list([word]) == environment


def test_a_shell_reads_the_same_words() -> None:
    argv = ["/bin/x", "--json", json.dumps({"temperature": 0.8}), "8000"]
    assert quoting.command(argv) == '/bin/x --json "{\\"temperature\\": 0.8}" 8000'
    assert shlex.split(quoting.command(argv)) == argv


def test_a_word_with_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        quoting.command(["\0"])


@pytest.mark.parametrize("text", ["two\nlines", "a\\", "a\\ ", "\x00", "\ud800", "a\x85b"])
def test_text_that_would_not_stay_on_its_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be the value"):
        quoting.text(text)


def test_specifiers_are_escaped() -> None:
    assert quoting.text(" 100% of %h ") == "100%% of %%h"
    assert quoting.text("a\\b") == "a\\b"
