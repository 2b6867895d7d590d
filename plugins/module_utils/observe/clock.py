# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Observe the clock of a host."""

from __future__ import annotations

import contextlib
import ctypes
import struct
import time
from typing import Any


def observe() -> dict[str, Any]:
    """The time, and whether the clock is synchronized (None: unknown). The action adds ``behind_s``."""
    return {"synchronized": synchronized(_adjtimex()), "time": time.time()}


def _adjtimex() -> bytes | None:
    """The kernel's own state of its clock, struct timex of adjtimex(2). Read-only."""
    with contextlib.suppress(OSError, AttributeError):
        state = ctypes.create_string_buffer(512)
        if ctypes.CDLL(None, use_errno=True).adjtimex(state) >= 0:
            return state.raw
    return None


def synchronized(timex: bytes | None) -> bool | None:
    """What timedatectl calls "System clock synchronized": the clock may be wrong by less than 16 seconds."""
    return None if timex is None else bool(struct.unpack_from("@IxxxxqqqI", timex)[3] < 16_000_000)
