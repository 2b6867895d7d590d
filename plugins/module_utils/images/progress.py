# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How far a pull is, from the events that dockerd streams."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import Any

# The containerd store unpacks a layer of many gigabytes without sending events.
UNPACK_SECONDS = 3600.0


class Stalled(Exception):
    """A pull made no progress for too long."""


class PullProgress:
    """The layers of one pull in their order, their bytes, and when anything last moved."""

    def __init__(self, stall_timeout: float) -> None:
        self.stall_timeout = stall_timeout
        self.order: list[str] = []
        self.totals: dict[str, int] = {}
        self.done: dict[str, int] = {}
        self.complete: set[str] = set()
        self.fetched: set[str] = set()
        self.digest: str | None = None
        self.moved = time.monotonic()

    def update(self, event: Mapping[str, Any]) -> None:
        """Take in one event. Raises Stalled if dockerd keeps sending events but nothing moves."""
        status, layer = str(event.get("status", "")), str(event.get("id", ""))
        if status.startswith("Digest: "):
            self.digest = status.removeprefix("Digest: ").strip()
        elif layer and status in ("Pulling fs layer", "Already exists"):
            if layer not in self.order:
                self.order.append(layer)
                self.moved = time.monotonic()
            if status == "Already exists":
                self._finish(layer, self.complete)
        elif layer in self.order:
            self._advance(layer, status, event.get("progressDetail"))
        if time.monotonic() - self.moved > self.allowed_silence():
            raise Stalled

    def _advance(self, layer: str, status: str, detail: Any) -> None:
        if status == "Downloading":
            self.totals[layer] = max(self.totals.get(layer, 0), _count(detail, "total"))
            current = _count(detail, "current")
            if current > self.done.get(layer, -1):
                self.done[layer] = current
                self.moved = time.monotonic()
        elif status == "Extracting":
            self.moved = time.monotonic()
        elif status in ("Verifying Checksum", "Download complete"):
            self._finish(layer, self.fetched)
        elif status == "Pull complete":
            self._finish(layer, self.complete)

    def _finish(self, layer: str, group: set[str]) -> None:
        if layer not in group:
            group.add(layer)
            self.fetched.add(layer)
            self.done[layer] = self.totals.get(layer, 0)
            self.moved = time.monotonic()

    def allowed_silence(self) -> float:
        """Seconds without progress that are acceptable; many more once everything is fetched and being unpacked."""
        fetched = self.order and self.fetched.issuperset(self.order)
        return max(self.stall_timeout, UNPACK_SECONDS) if fetched else self.stall_timeout

    def patience(self) -> float:
        """Seconds that dockerd may be silent from now on."""
        return max(1.0, self.moved + self.allowed_silence() - time.monotonic())

    @property
    def bytes_done(self) -> int:
        """Compressed bytes fetched by this pull."""
        return sum(self.done.values())

    @property
    def bytes_total(self) -> int:
        """Compressed bytes of the layers whose size is known so far."""
        return sum(self.totals.values())

    def finished_prefix(self) -> list[str]:
        """The finished layers from the bottom up to the first unfinished one."""
        return list(itertools.takewhile(self.complete.__contains__, self.order))

    def layers(self) -> str:
        """``2 of 5``."""
        return f"{len(self.complete | self.fetched)} of {len(self.order)}"

    def text(self) -> str:
        """How far the pull is; empty before the first layer."""
        if not self.order:
            return ""
        amount = f"{self.bytes_done / 1e9:.2f} of {self.bytes_total / 1e9:.2f} GB known so far, "
        return f"{amount if self.bytes_total else ''}{self.layers()} layers"


def _count(detail: Any, key: str) -> int:
    """A number of bytes in an event; 0 if it has none."""
    value = detail.get(key) if isinstance(detail, dict) else None
    return value if isinstance(value, int) else 0
