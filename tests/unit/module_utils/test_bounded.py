# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers of others are read up to a limit, within a time, and whole."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass, field

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import bounded


@dataclass
class Answer:
    """An HTTP answer that sends these blocks; ``length`` is what its header promised and did not send."""

    blocks: list[bytes]
    length: int = 0
    slow: float = 0
    asked: list[int] = field(default_factory=list)

    def read1(self, most: int) -> bytes:
        """The next block, as far as it is wanted."""
        time.sleep(self.slow)
        self.asked.append(most)
        block = self.blocks.pop(0) if self.blocks else b""
        if block[most:]:
            self.blocks.insert(0, block[most:])
        return block[:most]


def test_a_body_may_have_exactly_its_limit() -> None:
    assert bounded.read(Answer([b"abc", b"de"]), 5, 10) == b"abcde"
    with pytest.raises(bounded.TooMuch, match="more than 4 bytes"):
        bounded.read(Answer([b"abc", b"de"]), 4, 10)


def test_of_an_endless_body_no_more_than_one_byte_too_many_is_read() -> None:
    endless = Answer([b"x" * 1000] * 1000)
    with pytest.raises(bounded.TooMuch):
        bounded.read(endless, 1500, 10)
    assert endless.asked == [1501, 501]
    assert bounded.start(Answer([b"x" * 1000] * 1000), 10, 10) == b"x" * 10


def test_a_body_that_was_cut_is_not_taken_for_a_whole_one() -> None:
    with pytest.raises(http.client.IncompleteRead) as cut:
        bounded.read(Answer([b"abc"], length=7), 100, 10)
    assert (cut.value.partial, cut.value.expected) == (b"abc", 7)


def test_a_server_that_sends_a_byte_now_and_then_ends_with_the_time() -> None:
    with pytest.raises(TimeoutError, match="did not end"):
        bounded.read(Answer([b"x"] * 100, slow=0.03), 1000, 0.1)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, b"[" * 100_000])
def test_json_that_is_nested_deeper_than_python_follows_is_a_wrong_value(text: str | bytes) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        bounded.parse(text)
    assert bounded.parse(b'{"a": [1]}') == {"a": [1]}
