# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The clock of a host."""

from __future__ import annotations

import struct
import time

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.observe import clock as observe


def test_the_clock_is_observed_with_whether_it_is_synchronized(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = observe.observe()
    assert clock["synchronized"] in (True, False, None) and abs(clock["time"] - time.time()) < 5
    # struct timex: modes, offset, frequency, maximum error in microseconds. The kernel begins at 16 seconds.
    for error, synchronized in ((16_000_000, False), (48_500, True)):
        timex = struct.pack("@IxxxxqqqI", 0, 12, 34, error, 64) + bytes(200)
        assert observe.synchronized(timex) is synchronized
    monkeypatch.setattr(observe, "_adjtimex", lambda: None)
    assert observe.observe()["synchronized"] is None
