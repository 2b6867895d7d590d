# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the supervisor tells others: lines in the journal, and notifications to systemd (sd_notify(3))."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time

from thor_supervisor.endings import Stopped
from thor_supervisor.threads import StopFlag

TICK = 0.25  # seconds between two looks at the engine's process
NOTIFY_EVERY = 5.0  # seconds; well under WatchdogSec and EXTEND
EXTEND = 60  # seconds by which each notification extends systemd's patience during the start


def say(text: str, level: int = 6) -> None:
    """Write a line to the journal with a syslog level (3 error, 4 warning, 6 information)."""
    with contextlib.suppress(OSError):
        print(f"<{level}>supervisor: {text}", file=sys.stderr, flush=True)


def notify(*assignments: str) -> None:
    """Tell systemd; does nothing where no systemd listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto("\n".join(assignments).encode(), address)


class Heartbeat:
    """The main thread's pulse: every wait goes through here, so systemd hears of it and a stop is noticed at once."""

    def __init__(self, stop: StopFlag) -> None:
        self.stop = stop
        self._notified = 0.0

    def starting(self, status: str) -> None:
        """Wait a moment during the start, and ask systemd for more time. Raises Stopped when asked to end."""
        self._beat(f"EXTEND_TIMEOUT_USEC={EXTEND * 1_000_000}", f"STATUS={status}")

    def serving(self) -> None:
        """Wait a moment while the engine serves, and feed systemd's watchdog. Raises Stopped when asked to end."""
        self._beat("WATCHDOG=1")

    def _beat(self, *assignments: str) -> None:
        if self.stop.wait(TICK):
            raise Stopped
        now = time.monotonic()
        if now - self._notified >= NOTIFY_EVERY:
            self._notified = now
            notify(*assignments)
