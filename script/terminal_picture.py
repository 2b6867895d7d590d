# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A terminal's text as an SVG file that is legible on light and dark pages.

Columns stay aligned whatever font a reader has: each word group is placed, and stretched if it must be, by its column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape

LICENCE = "<!-- Copyright: (c) 2026, jetson.thor contributors. SPDX-License-Identifier: Apache-2.0 -->"
# CSS pixels: the advance of a letter and the distance of two lines at 13 pixels, and the border around the text.
ADVANCE, LEADING, BORDER = 7.8, 20, 18
# Contrast against the background is at least 4.5 to 1 in both (WCAG 2.1, 1.4.3).
COLOURS = {
    "light": {
        "back": "#f6f8fa",
        "edge": "#d0d7de",
        "text": "#1f2328",
        "dim": "#59636e",
        "good": "#116329",
        "bad": "#a40e26",
    },
    "dark": {
        "back": "#161b22",
        "edge": "#3d444d",
        "text": "#e6edf3",
        "dim": "#9198a1",
        "good": "#56d364",
        "bad": "#ff7b72",
    },
}


def wrapped(line: str, width: int, indent: int | None = None) -> list[str]:
    """The line as a terminal of this width shows it, broken between words.

    The rest is indented, by default a little more than the line.
    """
    if len(line) <= width:
        return [line]
    if indent is None:
        indent = min(len(line) - len(line.lstrip()) + 4, width // 2)
    cut = line.rfind(" ", indent + 1, width + 1)
    first, rest = (line[:cut], line[cut:].lstrip()) if cut > 0 else (line[:width], line[width:])
    return [first, *wrapped(" " * indent + rest, width, indent)]


def picture(
    title: str, command: str, text: str, width: int, last: str = "", styles: Mapping[str, str] | None = None
) -> str:
    """Return the SVG document.

    ``title`` is what a screen reader says. Lines are at most ``width`` letters long; what is left of one continues below the column with
    the title ``last``, if the text is a table. ``styles`` has a class of COLOURS by regular expression.
    """
    indent = min(text.index(last), width - 20) if last else None
    lines = ["$ " + command, ""] + [
        part for line in text.splitlines() for part in wrapped(line.rstrip(), width, indent)
    ]
    wide = round(max(map(len, lines)) * ADVANCE + 2 * BORDER)
    high = len(lines) * LEADING + 2 * BORDER - 6
    body = [
        element
        for number, line in enumerate(lines)
        for element in _elements(line, BORDER + 13 + number * LEADING, {r"^\$ .*": "dim", **(styles or {})})
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" role="img">',
            LICENCE,
            f"<title>{escape(title)}</title>",
            f"<style>{_rules('light')}@media (prefers-color-scheme: dark) {{{_rules('dark')}}}</style>",
            f'<rect class="back" x="0.5" y="0.5" width="{wide - 1}" height="{high - 1}" rx="8"/>',
            *body,
            "</svg>\n",
        ]
    )


def lines_of(document: str) -> list[str]:
    """The lines of a picture, with their columns: what `picture` was given, after wrapping."""
    lines: dict[int, list[tuple[int, str]]] = {}
    for x, y, text in re.findall(r'<text x="([\d.]+)" y="(\d+)"[^>]*>([^<]*)</text>', document):
        plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        lines.setdefault(int(y), []).append((round((float(x) - BORDER) / ADVANCE), plain))
    result = []
    for _y, parts in sorted(lines.items()):
        line = ""
        for column, text in parts:
            line = line.ljust(column) + text
        result.append(line)
    return result


def _elements(line: str, y: int, styles: Mapping[str, str]) -> Iterator[str]:
    for begin, end, name in _spans(line, styles):
        for group in re.finditer(r"\S+(?: \S+)*", line[begin:end]):
            x = BORDER + (begin + group.start()) * ADVANCE
            length = len(group[0]) * ADVANCE
            yield f'<text x="{x:.1f}" y="{y}" textLength="{length:.1f}" class="{name}">{escape(group[0])}</text>'


def _spans(line: str, styles: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    """Begin, end and class of each part of a line."""
    found = sorted(
        (match.start(), match.end(), name) for pattern, name in styles.items() for match in re.finditer(pattern, line)
    )
    at = 0
    for begin, end, name in found:
        if begin < at:
            continue
        yield at, begin, "text"
        yield begin, end, name
        at = end
    yield at, len(line), "text"


def _rules(scheme: str) -> str:
    colours = COLOURS[scheme]
    texts = "".join(f".{name} {{fill: {colours[name]}}}" for name in ("text", "dim", "good", "bad"))
    font = "font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
    return f".back {{fill: {colours['back']}; stroke: {colours['edge']}}} text {{{font}}} {texts}"
