# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Files of a model as a hub lists them, and the plan for a directory that is to hold them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entry:
    """One file of a listing: its bytes, and its sha256 in lower-case hex if the hub states it."""

    size: int
    sha256: str | None


@dataclass
class Plan:
    """What must happen to a directory. Names are relative to it."""

    want: dict[str, Entry]
    include: list[str]
    keep: list[str] = field(default_factory=list)  # right, by the manifest
    check: list[str] = field(default_factory=list)  # there, to be hashed
    fetch: list[str] = field(default_factory=list)  # missing or wrong
    drop: list[str] = field(default_factory=list)  # ours, and no longer wanted
    aside: list[str] = field(default_factory=list)  # somebody else's, where one of ours belongs
    warnings: list[str] = field(default_factory=list)

    @property
    def fetch_bytes(self) -> int:
        """Bytes of the files that are missing or wrong."""
        return sum(self.want[name].size for name in self.fetch)
