# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A terminal's text as a picture."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
import terminal_picture
from hypothesis import given
from hypothesis import strategies as st
from terminal_picture import COLOURS, lines_of, picture, wrapped

TABLE = "host    state     reason\nthor05  switched  -\nthor06  failed    it did not start because of a file"


def test_columns_and_words_are_kept() -> None:
    document = picture("A table", "show <it> & more", TABLE, 80)
    assert lines_of(document) == ["$ show <it> & more", *TABLE.splitlines()]
    assert ET.fromstring(document).findtext("{*}title") == "A table"


def test_what_is_left_of_a_line_continues_below_its_column() -> None:
    shown = lines_of(picture("A table", "show", TABLE, width=40, last="reason"))
    assert shown[3:] == ["thor06  failed    it did not start", "                  because of a file"]


def test_words_get_the_colours_that_they_are_given() -> None:
    document = picture("A table", "show", TABLE, 80, styles={"switched": "good", "failed": "bad"})
    assert re.findall(r'class="(good|bad)">(\w+)<', document) == [("good", "switched"), ("bad", "failed")]


@given(st.lists(st.from_regex(r"[a-z]{1,30}", fullmatch=True), min_size=1, max_size=30), st.integers(20, 60))
def test_no_line_is_too_long_and_no_letter_is_lost(words: list[str], width: int) -> None:
    lines = wrapped(" ".join(words), width)
    assert all(len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(words)


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.1 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", COLOURS)
@pytest.mark.parametrize("name", ["text", "dim", "good", "bad"])
def test_text_is_legible(scheme: str, name: str) -> None:
    levels = sorted(luminance(COLOURS[scheme][which]) for which in (name, "back"))
    assert (levels[1] + 0.05) / (levels[0] + 0.05) >= 4.5


def test_both_schemes_are_in_the_file() -> None:
    document = picture("A table", "show", TABLE, 80)
    rules = re.findall(r"<style>(.*)</style>", document)[0]
    assert (
        rules.index(COLOURS["light"]["back"])
        < rules.index("prefers-color-scheme: dark")
        < rules.index(COLOURS["dark"]["back"])
    )
    assert terminal_picture.ADVANCE * len("thor05") < 60
