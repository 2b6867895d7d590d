# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Values for a unit file, quoted so that systemd reads exactly what was meant.

``%`` is doubled everywhere (specifiers), and ``$`` in a command (variables); see systemd.service(5), COMMAND LINES.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_PLAIN = re.compile(r"[A-Za-z0-9_@%$+=:,./-]+", re.ASCII)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_BREAKING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|\\\s*$")


def command(words: Iterable[str]) -> str:
    """A command on one line, for ``ExecStart=`` and the like."""
    return " ".join(_word(word).replace("$", "$$") for word in words)


def word_list(words: Iterable[str]) -> str:
    """Words on one line, for directives that systemd splits but does not expand, such as ``Environment=``."""
    return " ".join(map(_word, words))


def text(value: str) -> str:
    """The value of a directive that is not split into words, such as ``Description=``.

    Raises ValueError for a text that would not stay on its line: a control character would begin another directive, and a
    backslash at the end would continue with the next line.
    """
    stripped = value.strip()
    if _BREAKING.search(stripped):
        raise ValueError(f"{stripped!r} cannot be the value of a directive in a unit file")
    return stripped.replace("%", "%%")


def _word(word: str) -> str:
    if "\0" in word:
        raise ValueError(f"{word!r}: a word of a command line cannot hold a NUL byte")
    escaped = re.sub(r'[\\"\x01-\x1f\x7f]', lambda found: _ESCAPES.get(found[0], f"\\x{ord(found[0]):02x}"), word)
    escaped = escaped.replace("%", "%%")
    return escaped if _PLAIN.fullmatch(escaped) else f'"{escaped}"'
