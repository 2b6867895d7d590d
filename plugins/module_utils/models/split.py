# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Names of a GGUF that was split (llama.cpp, tools/gguf-split)."""

from __future__ import annotations

import re

# The first part or any other.
PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


def parts_of(name: str) -> list[str]:
    """The names of all parts, the first one first; nothing for a file that is whole."""
    found = PART.fullmatch(name)
    return (
        [f"{found['stem']}-{number:05}-of-{found['count']}.gguf" for number in range(1, int(found["count"]) + 1)]
        if found
        else []
    )
