# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The command blocks of the pages, and the mark before each that says where it is run.

A mark is a comment in the page's source: ``<!-- run: here -->`` (the molecule scenario documentation), ``<!-- run: client -->`` (on
the client of the scenario gateway), ``<!-- run: ci demo -->`` (by the part of CI of that name), or ``<!-- run: person: why nothing else
can -->``. A table whose first column has the title `command` is also a block.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Generated from the documentation of the modules; its blocks are tasks, not commands.
MODULES = "docs/modules.md"
MARK = re.compile(r"<!-- run: (?P<kind>here|client|ci|person)\b,? ?:? ?(?P<detail>.*?) ?-->")
FENCE = re.compile(r"^( *)```(\w*)$")


@dataclass(frozen=True)
class Block:
    """Commands or an inventory as a page shows them. ``kind`` is empty if the page does not say where it is run."""

    page: str
    line: int
    language: str
    text: str
    kind: str = ""
    detail: str = ""

    @property
    def place(self) -> str:
        """Where readers find it."""
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """The pages for users."""
    paths = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("roles/*/README.md"))]
    return [str(path.relative_to(ROOT)) for path in paths]


def blocks_of(page: str) -> list[Block]:
    """All blocks of a page, in their order."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    found: list[Block] = []
    mark: dict[str, str] = {}
    number = 0
    while number < len(lines):
        line, begin = lines[number], number + 1
        number += 1
        if match := MARK.fullmatch(line.strip()):
            mark = match.groupdict()
        elif fence := FENCE.match(line):
            end = lines.index(f"{fence[1]}```", number)
            text = "\n".join(line.removeprefix(fence[1]) for line in lines[number:end])
            found.append(Block(page, begin, fence[2], text + "\n", **mark))
            number, mark = end + 1, {}
        elif line.startswith("| command |"):
            rows = []
            while number < len(lines) and lines[number].startswith("|"):
                rows += re.findall(r"^\| `([^`]+)`", lines[number])
                number += 1
            found.append(Block(page, begin, "sh", "\n".join(rows) + "\n", **mark))
            mark = {}
        elif line.strip():
            mark = {}
    return found


def blocks() -> list[Block]:
    """All blocks of all pages that users should run or write."""
    return [block for page in pages() if page != MODULES for block in blocks_of(page)]


def files_of(block: Block) -> dict[str, str]:
    """The files that an inventory block shows, by the path in a comment at the top of each; empty if it names none."""
    parts = re.split(r"^# (inventories/\S+)\n", block.text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def program_of(block: Block) -> str:
    """The name of the file that a Python block shows, from the comment at its top."""
    found = re.match(r"# (\w+\.py)\n", block.text)
    return found[1] if found else ""
