# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""JSON that somebody has written as the value of an option."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import json_values

DEEP = '{"a":' * 100_000
LONG = "1" * 5000  # Python converts no more than 4300 digits


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ('{"a": [1]}', {"a": [1]}),
        ({"a": 1}, {"a": 1}),
        (True, True),
        ("image=2", "image=2"),
        (DEEP, DEEP),
        (LONG, LONG),
    ],
)
def test_json_is_read_and_anything_else_stays_as_it_is(value: Any, says: Any) -> None:
    assert json_values.decoded(value) == says


@pytest.mark.parametrize(
    ("text", "reason"),
    [('{"a": 1}', None), ("{", "Expecting property name"), (DEEP, "nested too deeply"), (LONG, "limit")],
)
def test_the_reason_why_a_text_is_no_json(text: str, reason: str | None) -> None:
    found = json_values.fault(text)
    assert found is None if reason is None else found is not None and reason in found
