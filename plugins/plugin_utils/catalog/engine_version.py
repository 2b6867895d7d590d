# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The versions that engines themselves report, in order (packaging.python.org, "Version specifiers")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

PATTERN = (
    r"v?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[._-]?(?P<pre>a|b|rc|alpha|beta)[._-]?(?P<pre_number>\d*))?"
    r"(?P<post>[._-]?post[._-]?(?P<post_number>\d*)|-(?P<implicit_post>\d+))?"
    r"(?P<dev>[._-]?dev[._-]?(?P<dev_number>\d*))?"
    r"(?:\+[a-z0-9.]+)?"
)
_PHASES = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "rc": 2}
_FINAL = 3
_LAST = 1 << 62  # a version without .dev comes after each of its own with one
Key = tuple[tuple[int, ...], tuple[int, int], int, int]


def key(version: str) -> Key:
    """A version for comparison: 0.5.5.dev1 < 0.5.5rc1 < 0.5.5 < 0.5.5.post2; what follows a plus sign does not count.

    Raises ValueError for a text that is not such a version.
    """
    found = re.fullmatch(PATTERN, version)
    if found is None:
        raise ValueError(f"not a version: {version}")
    numbers = [int(part) for part in found["release"].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    post = int(found["post_number"] or found["implicit_post"] or 0) if found["post"] else -1
    dev = int(found["dev_number"] or 0) if found["dev"] else _LAST
    if found["pre"]:
        phase = (_PHASES[found["pre"]], int(found["pre_number"] or 0))
    else:
        # 0.5.5.dev1 comes before every 0.5.5a1, but 0.5.5.post1.dev1 after 0.5.5.
        phase = (-1 if found["dev"] and not found["post"] else _FINAL, 0)
    return tuple(numbers), phase, post, dev


def is_scoped(statement: Mapping[str, Any]) -> bool:
    """Whether a statement of a profile is about some versions of the engine only."""
    return bool({"versions", "engine_versions", "from", "before"} & set(statement))


def covers(statement: Mapping[str, Any], version: str) -> bool:
    """Whether a statement names the engine's ``version``, or a range (``from`` included, ``before`` not) that contains it."""
    here = key(version)
    if any(key(one) == here for one in statement.get("engine_versions", ())):
        return True
    start, end = statement.get("from"), statement.get("before")
    if start is None and end is None:
        return False
    return (start is None or key(start) <= here) and (end is None or here < key(end))
