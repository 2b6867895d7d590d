# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Data as a Lua table that people can read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_STEP = "    "


def text(value: Any, indent: str = "") -> str:
    """The value as Lua: mappings, lists, texts, numbers and truth values. What is None in a mapping is left out, as Lua does."""
    inner = indent + _STEP
    if isinstance(value, Mapping):
        entries = [f"[{quoted(key)}] = {text(one, inner)}" for key, one in value.items() if one is not None]
    elif isinstance(value, list | tuple):
        entries = [text(one, inner) for one in value]
    elif isinstance(value, bool):
        return "true" if value else "false"
    elif isinstance(value, int | float):
        return repr(value)
    elif isinstance(value, str):
        return quoted(value)
    else:
        raise TypeError(f"{value!r} cannot be written as Lua")
    return "{\n" + "".join(f"{inner}{entry},\n" for entry in entries) + indent + "}" if entries else "{}"


def quoted(value: str) -> str:
    """A text as Lua reads it; characters that do not print are written as their bytes."""
    found = []
    for character in value:
        if character in {'"', "\\"}:
            found.append("\\" + character)
        elif character.isprintable():
            found.append(character)
        else:
            found += [f"\\{byte:03d}" for byte in character.encode("utf-8", "surrogatepass")]
    return '"' + "".join(found) + '"'
