# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The flag that a signal handler sets."""

from __future__ import annotations

import signal
import time

from thor_supervisor.threads import StopFlag


def test_a_signal_is_heard_at_any_moment() -> None:
    # Even in the middle of a wait, where an Event would deadlock sooner or later.
    flag = StopFlag()
    previous = signal.signal(signal.SIGALRM, lambda *_: flag.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        begin = time.monotonic()
        assert flag.wait(10)
        assert time.monotonic() - begin < 5
        assert flag.wait(0)
        assert not StopFlag().wait(0)
    finally:
        signal.signal(signal.SIGALRM, previous)
