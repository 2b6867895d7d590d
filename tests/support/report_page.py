# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A report that is read again: what a browser would see of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

import made_up_results as made_up
from ansible_collections.jetson.thor.plugins.plugin_utils.report import page as report
from ansible_collections.jetson.thor.plugins.plugin_utils.report import results
from made_up_results import FLOOR, REFERENCE, result, service

FP4, FP8, CODER, WHISPER = (
    "qwen3-8b-fp4-vllm",
    "qwen3-8b-fp8-sglang",
    "qwen3-coder-30b-a3b-q5-k-m-llama-cpp",
    "whisper-small-vllm",
)
BEFORE, NOW = "2026-04-06T09:00:00Z", "2026-05-04T09:00:00Z"
NO_VALUE = ("area", "br", "col", "hr", "img", "input", "link", "meta", "wbr")  # elements of HTML that have no end


class Page(HTMLParser):
    """What a browser would see of a page: elements, and the text of table cells by section."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.words: list[str] = []
        self._open: list[str] = []
        self._section: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], "an element is not closed"
        for row in (row for rows in self.tables.values() for row in rows):
            row[:] = ["-" if cell == "\N{EN DASH}" else cell for cell in row]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin of an element."""
        found = {name: value or "" for name, value in attrs}
        self.elements.append((tag, found))
        if tag in NO_VALUE:
            return
        self._open.append(tag)
        if tag == "section":
            self._section.append(found.get("id", ""))
        elif tag == "tr":
            self.tables.setdefault(self._section[-1], []).append([])
        elif tag in ("th", "td"):
            self.tables[self._section[-1]][-1].append("")
        elif tag == "small":
            self.handle_data(" (")

    def handle_endtag(self, tag: str) -> None:
        """End of an element."""
        if tag == "small":
            self.handle_data(")")
        assert self._open.pop() == tag
        if tag == "section":
            self._section.pop()

    def handle_data(self, data: str) -> None:
        """Text."""
        if {"th", "td"} & set(self._open):
            self.tables[self._section[-1]][-1][-1] += data
        elif self._open[-1:] != ["style"]:
            self.words.append(data)

    def row(self, section: str, *begin: str) -> list[str]:
        """The one row of a table that begins like this."""
        (found,) = [row for row in self.tables.get(section, []) if row[: len(begin)] == list(begin)]
        return found

    def count(self, tag: str, **attributes: str) -> int:
        """How many elements have these attributes; ``style`` only has to hold the text."""
        return sum(
            name == tag
            and all(
                (value in found.get(key, "") if key == "style" else found.get(key) == value)
                for key, value in attributes.items()
            )
            for name, found in self.elements
        )


def fleet(documents: Sequence[Mapping[str, Any]]) -> results.Fleet:
    """What results.py says of these."""
    return results.fleet(documents, REFERENCE, FLOOR)


def page(documents: Sequence[Mapping[str, Any]], **changes: Any) -> Page:
    """The page of these results, read again."""
    arguments = {"template": made_up.TEMPLATE, "written": "2026-05-04 11:30 CEST", **changes}
    return Page(report.page(fleet(documents), REFERENCE, FLOOR, **arguments))


def runs(profile: str, before: Mapping[str, float | None], now: Mapping[str, float | None]) -> list[dict[str, Any]]:
    """Two runs of one profile, with the speed of every host."""
    return [
        result(host, [service(profile, speed)], measured_at=moment)
        for moment, speeds in ((BEFORE, before), (NOW, now))
        for host, speed in speeds.items()
    ]


SLOW = runs(FP4, {f"thor0{n}": 33.0 for n in range(1, 6)}, {**{f"thor0{n}": 33.0 for n in range(1, 5)}, "thor05": 20.0})
