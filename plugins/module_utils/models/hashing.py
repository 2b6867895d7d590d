# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Hash files, and report the progress of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

BLOCK = 4 * 1024 * 1024


class Reporter(Protocol):
    """The part of jobs.Reporter that is used here."""

    def progress(self, done: float, total: float, unit: str = "steps", text: str = "") -> None:
        """Record that ``done`` of ``total`` are complete."""

    def say(self, line: str) -> None:
        """Write a line to the job's log."""


class Meter:
    """Progress over several files, block by block."""

    def __init__(self, report: Reporter, total: int) -> None:
        self.report, self.total = report, total
        self._complete, self._size, self._text = 0, 0, ""

    def start(self, size: int, text: str) -> Callable[[int], None]:
        """Begin a file of ``size`` bytes; call the result with the bytes of it that are done."""
        self._complete, self._size, self._text = self._complete + self._size, size, text
        return self.update

    def update(self, done: int) -> None:
        """``done`` bytes of the current file are complete."""
        self.report.progress(self._complete + done, self.total, "B", self._text)


def silent(_done: int) -> None:
    """Progress of what is too short to report."""


def hash_file(path: Path, update: Callable[[int], None], kind: str = "sha256") -> str:
    """The hash of a file in hex; ``update`` is called with the bytes read so far."""
    digest = hashlib.new(kind)
    buffer = memoryview(bytearray(BLOCK))
    done = 0
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            digest.update(buffer[:count])
            done += count
            update(done)
    return digest.hexdigest()
