# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The lock by which the engines of a host start one after the other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import files

from thor_supervisor import configuration
from thor_supervisor.endings import GiveUp
from thor_supervisor.notification import say

LOCK = "/run/thor/gpu.lock"  # see thor.conf (tmpfiles.d)
# Seconds that a start may hold the lock beyond its engine's start_timeout: dropping the page cache, removing a container.
SLACK = 180.0
CODE = "THOR-START-LOCK"


def open_lock(path: str) -> int:
    """A read-only descriptor of the lock: services can lock the file and cannot change it. Raises GiveUp."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = error.strerror
    else:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        reason = "it is not a regular file"
    raise GiveUp(
        CODE,
        f"{path}, the lock by which engines start one after the other, cannot be used: {reason}. Remove what is there and run "
        "systemd-tmpfiles --create /etc/tmpfiles.d/thor.conf; the service then starts by itself",
    )


def holder_of(descriptor: int) -> str:
    """The process that holds the lock, as far as it can be seen (proc_locks(5))."""
    status = os.fstat(descriptor)
    name = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in (files.text(Path("/proc/locks")) or "").splitlines():
        words = line.split()
        if words[1] != "->" and name in words:
            return f"process {words[4]}"
    return "a process that cannot be seen"


def take(start_timeout: float, wait: Callable[[str], None]) -> int:
    """Wait until no other engine is starting; returns the descriptor that holds the lock. Raises GiveUp.

    ``wait`` is called with a status between two tries. No process may hold the lock for longer than the slowest engine of
    this host may take to start, and all of them together for no longer than all engines may.
    """
    descriptor = open_lock(LOCK)
    limits = [seconds + SLACK for seconds in configuration.start_timeouts() or [start_timeout]]
    begin = time.monotonic()
    first_seen: dict[str, float] = {}  # by holder
    try:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            now, holder = time.monotonic(), holder_of(descriptor)
            if not first_seen:
                say(f"another engine is starting ({holder}), waiting for it")
            since = first_seen.setdefault(holder, now)
            if now - since > max(limits) or now - begin > sum(limits):
                raise GiveUp(
                    CODE,
                    f"{holder} has kept {LOCK}, the lock by which engines start one after the other, for "
                    f"{now - since:.0f} s, {len(first_seen)} in all for {now - begin:.0f} s: longer than the engines of this "
                    "host may take to start. See who it is (lslocks, systemctl status PID) and end it",
                )
            wait(f"waiting: another engine is starting ({holder})")
    except BaseException:
        os.close(descriptor)
        raise
