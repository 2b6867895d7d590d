# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Answers of other programs, read up to a limit: an endless answer is an error and does not fill this host's memory."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any


class TooMuch(ValueError):
    """An answer is longer than allowed."""


def read(response: Any, limit: int, seconds: float) -> bytes:
    """The whole body of an HTTP answer.

    Raises TooMuch for more than ``limit`` bytes, TimeoutError if it takes longer than ``seconds`` (a socket's own timeout
    restarts with every byte), and what http.client raises for a body that was cut.
    """
    content = start(response, limit + 1, seconds)
    if len(content) > limit:
        raise TooMuch(f"more than {limit:,} bytes were answered")
    # http.client reports a body that ended too early only if it is read all at once.
    missing = getattr(response, "length", None)
    if missing:
        raise http.client.IncompleteRead(content, missing)
    return content


def start(response: Any, limit: int, seconds: float) -> bytes:
    """The first ``limit`` bytes of a body. The rest is not read."""
    end = time.monotonic() + seconds
    blocks, size = [], 0
    while size < limit and (block := response.read1(min(limit - size, 1 << 20))):
        blocks.append(block)
        size += len(block)
        if time.monotonic() > end:
            raise TimeoutError(f"the answer did not end within {seconds:g} s")
    return b"".join(blocks)


def parse(content: bytes | str) -> Any:
    """Somebody else's JSON. Raises ValueError also if it is nested deeper than Python can follow."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
