# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a chat template says about thinking. The text is searched, never executed."""

from __future__ import annotations

import re
from typing import Any

LONGEST = 1_000_000  # characters; the longest known has 30,000
SWITCH = "enable_thinking"
EFFORT = "reasoning_effort"
# Words that templates know for an effort, from the weakest on; none switches thinking off.
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_BEGIN = re.compile(r"\{[%{#]")
_ENDS = {"{%": "%}", "{{": "}}", "{#": "#}"}
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_COMPARED = re.compile(rf"\b{EFFORT}\b\s*(?:==|!=|in|not\s+in|\|\s*default)\s*[\[(]?((?:\s*(?:'\w+'|\"\w+\")\s*,?)+)")
_OPENING = re.compile(r"<think>|<\|channel>thought|\[THINK\]")
_CLOSING = re.compile(r"</think>|<channel\|>|\[/THINK\]")


def thinking(template: str | None) -> Any:
    """Whether a model thinks, as the catalog's ``thinking`` says it; None without a template, or with a switch of another name.

    ``switchable``: the template reads ``enable_thinking``. A mapping: it reads ``reasoning_effort``; ``off`` is what switches thinking
    off, None if nothing does. ``always``: every answer begins inside a thought. Otherwise ``never``.
    """
    if not template:
        return None
    text, code = _split(template[:LONGEST])
    names = set(re.findall(r"[A-Za-z_]\w*", _QUOTED.sub("''", code)))
    if EFFORT in names:
        efforts = _efforts(code)
        off = {SWITCH: False} if SWITCH in names else {EFFORT: "none"} if "none" in efforts else None
        efforts = [one for one in efforts if one != "none"]
        return {"argument": EFFORT, "efforts": efforts, "off": off}
    if SWITCH in names:
        return "switchable"
    if _begins_in_thought(text):
        return "always"
    # DeepSeek V3.1 and Granite read ``thinking``, others their own names.
    return None if any("think" in name for name in names) else "never"


def _split(template: str) -> tuple[str, str]:
    """A template without its comments, and its code alone. What does not end counts as text."""
    text, code, place = [], [], 0
    for begin in _BEGIN.finditer(template):
        start = begin.start()
        if start < place:
            continue
        end = template.find(_ENDS[begin[0]], start + 2)
        if end < 0:
            break
        text.append(template[place:start])
        if begin[0] != "{#":
            code.append(template[start : end + 2])
            text.append(code[-1])
        place = end + 2
    return "".join([*text, template[place:]]), " ".join(code)


def _efforts(code: str) -> list[str]:
    """The efforts that the template compares with or defaults to; the three that every engine passes on if it names none."""
    named = {word.strip("'\"") for match in _COMPARED.findall(code) for word in _QUOTED.findall(match)}
    return [one for one in EFFORTS if one in named] if len(named & set(EFFORTS)) > 1 else ["low", "medium", "high"]


def _begins_in_thought(text: str) -> bool:
    """Whether what the template adds before an answer opens a thought and does not close it."""
    _before, found, added = text.rpartition("add_generation_prompt")
    return bool(found and _OPENING.search(added) and not _CLOSING.search(added))
