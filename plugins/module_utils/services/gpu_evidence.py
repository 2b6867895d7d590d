# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether an engine uses the GPU, judged by what it prints while it starts. Pure; the supervisor uses this file, too.

Engines announce what they are about to do, do it, and sometimes fail and continue on the CPU. So announcements do not count, what was
placed on the GPU does, and a failure invalidates everything, whenever it comes. The expressions are in the catalog (``gpu`` of an
engine, docs/catalog.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# An option, short (-ngl) or long; -1 is a number.
_OPTION = re.compile(r"--?[A-Za-z][\w.-]*")


def asked(spec: Mapping[str, Any], argv: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """What a service's options and variables say about the GPU: the catalog's ``options``, applied to this service.

    ``none`` and ``part`` list those, as text, that keep all or part of the model off the GPU; ``layers`` and ``draft_layers`` map those
    that ask for a number of layers of the model, or of a draft model, to that number. A catalog entry is a name, or a name and the value
    that it must have; names that set the same thing share an entry, separated by ``|``.
    """
    known = spec.get("options") or {}
    found: dict[str, Any] = {"none": [], "part": [], "layers": {}, "draft_layers": {}}
    for kind in ("none", "part"):
        for entry in known.get(kind) or []:
            names, _blank, wanted = entry.partition(" ")
            text, value = _given(names.split("|"), argv, environment)
            if text and (value == wanted if wanted else not _is_off(value)):
                found[kind].append(text)
    for kind in ("layers", "draft_layers"):
        for entry in known.get(kind) or []:
            text, value = _given(entry.split("|"), argv, environment)
            # auto, all and negative numbers ask for all of them.
            if value is not None and value.isdecimal():
                found[kind][text] = int(value)
    return found


def silenced(
    spec: Mapping[str, Any], argv: Sequence[str], environment: Mapping[str, str]
) -> list[tuple[list[str], str]]:
    """What stops the engine from logging what ``evidence`` looks for (``silenced_by``): the names of the setting, and how it was given."""
    found = []
    for entry in spec.get("silenced_by") or []:
        names, _blank, wanted = entry.partition(" ")
        text, value = _given(names.split("|"), argv, environment)
        if text and ((value or "").casefold() == wanted.casefold() if wanted else not _is_off(value)):
            found.append((names.split("|"), text))
    return found


def _given(names: Sequence[str], argv: Sequence[str], environment: Mapping[str, str]) -> tuple[str, str | None]:
    """An option or a variable as it was given, and its value; an empty text if it was not given.

    The last option in ``argv`` counts, and a variable only without one (llama.cpp: "will be overwritten by command line argument").
    """
    for index in range(len(argv) - 1, -1, -1):
        flag = argv[index]
        if _OPTION.fullmatch(flag) and flag.lstrip("-").replace("_", "-") in names:
            value = argv[index + 1] if index + 1 < len(argv) and not _OPTION.fullmatch(argv[index + 1]) else None
            return flag if value is None else _short(f"{flag} {value}"), value
    for name in names:
        if name in environment:
            return _short(f"{name}={environment[name]}"), environment[name]
    return "", None


def _short(text: str) -> str:
    """On one line, as systemd requires for a status."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:77]}..."


def _is_off(value: str | None) -> bool:
    """Whether a value switches its option off: 0 of something, or a variable such as ``off``."""
    if value is None:
        return False
    try:
        return float(value) <= 0
    except ValueError:
        return value.lower() in ("off", "false", "disabled")


def asked_text(gpu: Mapping[str, Any] | None) -> str:
    """The same for people; empty if the whole model should be on the GPU."""
    found = (gpu or {}).get("asked") or {}
    if found.get("none"):
        return f"on the CPU by its options ({', '.join(found['none'])})"
    if found.get("part"):
        return _partly(found)
    # The number may exceed the layers of the model: only the engine knows.
    layers = _layers(found)
    return f"no more layers on the GPU than its options say ({', '.join(layers)})" if layers else ""


def _layers(found: Mapping[str, Any]) -> list[str]:
    """The options that ask for a number of layers. Configurations from older versions of the collection have only one kind."""
    return [*(found.get("layers") or {}), *(found.get("draft_layers") or {})]


def _partly(found: Mapping[str, Any]) -> str:
    return f"partly on the GPU by its options ({', '.join([*found['part'], *_layers(found)])})"


def _two_numbers(pattern: re.Pattern[str] | None, line: str) -> tuple[int, int] | None:
    """The two numbers that an expression captures from a line; None if it does not."""
    match = pattern.search(line) if pattern else None
    if match is None or not (match[1] or "").isdecimal() or not (match[2] or "").isdecimal():
        return None
    return int(match[1]), int(match[2])


class Evidence:
    """Reads the lines of one start and says what they prove. ``spec`` is a service's ``gpu``."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._missing = [re.compile(pattern) for pattern in spec["evidence"]]
        self._revoked = [re.compile(pattern) for pattern in spec.get("revoked") or []]
        self._partial = [re.compile(pattern) for pattern in spec.get("partial") or []]
        self._layers = re.compile(spec["layers"]) if spec.get("layers") else None
        self._needs = re.compile(spec["needs"]) if spec.get("needs") else None
        self._asked: Mapping[str, Any] = spec.get("asked") or {}
        self._spec = spec
        self._failure = ""
        self._part = ""
        self._counts: list[tuple[int, int]] = []
        # MiB that the engine says it needs, and that it finds free; None if it does not say.
        self.needs: tuple[int, int] | None = None

    def read(self, text: str) -> None:
        """Read one line."""
        line = text.strip()
        if any(pattern.search(line) for pattern in self._revoked):
            self._failure = self._failure or line
        if any(pattern.search(line) for pattern in self._partial):
            self._part = line
        self._missing = [pattern for pattern in self._missing if not pattern.search(line)]
        if counts := _two_numbers(self._layers, line):
            self._counts.append(counts)
        self.needs = _two_numbers(self._needs, line) or self.needs

    def verdict(self) -> tuple[str, str]:
        """``used``, ``asked`` (less than all of it, by the service's own options), ``partial`` or ``unused``, and why."""
        if self._asked.get("none"):
            return "asked", asked_text(self._spec)
        if self._failure:
            return "unused", f"it said: {self._failure}"
        if self._missing:
            return "unused", f"its log has nothing like {self._missing[0].pattern!r}"
        if self._layers is not None and not self._counts:
            return "unused", f"its log has nothing like {self._layers.pattern!r}"
        fewer = [f"{here} of {total} layers" for here, total in self._counts if here < total]
        short = [
            f"{here} of {total} layers"
            for index, (here, total) in enumerate(self._counts)
            # An engine loads the model first (llama.cpp: common_init_from_params, then "loading draft model").
            if here < total and here not in (self._asked.get("draft_layers" if index else "layers") or {}).values()
        ]
        if short:
            return "partial", f"only {' and '.join(short)} are on the GPU"
        if self._part:
            return "partial", f"its layers are not on the GPU with all of their weights ({self._part})"
        if fewer or self._asked.get("part"):
            return "asked", ": ".join([_partly(self._asked), *([", ".join(fewer)] if fewer else [])])
        return "used", ""
