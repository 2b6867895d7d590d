# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Words of unit files, quoted as systemd reads them."""

from __future__ import annotations

import json
import shlex

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.jetson.thor.plugins.filter.systemd_argv import quote, systemd_argv


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
    assert quote(word) == command
    assert quote(word, command=False) == environment


def test_a_command_is_a_list() -> None:
    argv = ["/bin/x", "--json", json.dumps({"temperature": 0.8}), 8000]
    assert systemd_argv(argv) == '/bin/x --json "{\\"temperature\\": 0.8}" 8000'
    assert shlex.split(systemd_argv(argv)) == [str(word) for word in argv]
    with pytest.raises(AnsibleFilterError, match="a list of words"):
        systemd_argv("one text")
    with pytest.raises(AnsibleFilterError, match="NUL"):
        systemd_argv(["\0"])
