# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of data written as Lua."""

from __future__ import annotations

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import lua_table


def test_a_table_reads_like_its_data() -> None:
    data = {
        "chat": {"port": 8000, "paths": ["a", "b"], "sleeps": False, "engine": None},
        "chat/completions": 1.5,
        "end": 2,
    }
    assert lua_table.text(data) == (
        "{\n"
        '    ["chat"] = {\n'
        '        ["port"] = 8000,\n'
        '        ["paths"] = {\n            "a",\n            "b",\n        },\n'
        '        ["sleeps"] = false,\n'
        "    },\n"
        '    ["chat/completions"] = 1.5,\n'
        '    ["end"] = 2,\n'
        "}"
    )


@pytest.mark.parametrize("empty", [{}, [], ()])
def test_nothing_is_an_empty_table(empty: object) -> None:
    assert lua_table.text(empty) == "{}"


def test_a_text_cannot_end_its_quotes_or_its_line() -> None:
    assert lua_table.quoted('a"\\b\n\x001') == '"a\\"\\\\b\\010\\0001"'
    assert lua_table.quoted("Qwen3 für alle") == '"Qwen3 für alle"'


def test_what_lua_does_not_know_is_an_error() -> None:
    with pytest.raises(TypeError, match="cannot be written as Lua"):
        lua_table.text({"a": object()})
