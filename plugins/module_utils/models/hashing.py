# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Hash files, and report the progress of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Entry

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


def git_blob(size: int) -> Any:
    """A hash that becomes git's blob id of a file of this size (git hash-object)."""
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def fresh_hashes(entry: Entry) -> dict[str, Any]:
    """The hashes that a file's content is fed to: sha256 for the manifest, git's blob id where the hub states that alone."""
    return {"sha256": hashlib.sha256()} | ({"blob": git_blob(entry.size)} if entry.blob else {})


def content_hashes(path: Path, entry: Entry, update: Callable[[int], None]) -> dict[str, str]:
    """The hashes of a file in hex, those of ``fresh_hashes``; ``update`` is called with the bytes read so far."""
    digests = fresh_hashes(entry)
    buffer = memoryview(bytearray(BLOCK))
    done = 0
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            for digest in digests.values():
                digest.update(buffer[:count])
            done += count
            update(done)
    return {kind: digest.hexdigest() for kind, digest in digests.items()}


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
