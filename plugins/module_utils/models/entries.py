# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Files of a model as a hub lists them, and the plan for a directory that is to hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One file of a listing: its bytes, and what the hub states about its content, in lower-case hex.

    ``sha256`` of the content; ``blob``, the id that git gives it, where the hub states no sha256: SHA-1 of ``blob <size>``, a
    zero byte and the content.
    """

    size: int
    sha256: str | None
    blob: str | None = None

    def compare(self, record: Mapping[str, Any]) -> bool | None:
        """Whether a recorded file has this content; None if the two have no hash in common."""
        for kind, wanted in (("sha256", self.sha256), ("blob", self.blob)):
            if wanted is not None and record.get(kind):
                return bool(record[kind] == wanted)
        return None

    @property
    def stated(self) -> bool:
        """Whether the hub states any hash."""
        return self.sha256 is not None or self.blob is not None

    @property
    def words(self) -> str:
        """Size and hash, for a message."""
        digest = f" with sha256 {self.sha256}" if self.sha256 else f" with git blob {self.blob}" if self.blob else ""
        return f"{self.size:,} bytes{digest}"


@dataclass(frozen=True)
class Listing:
    """The files of a model at a commit, and the source (an item of a specification's ``sources``) that listed them.

    ``commit`` is None where the hub does not say which commit a branch is at.
    """

    source: Mapping[str, Any]
    commit: str | None
    files: dict[str, Entry]


@dataclass
class Plan:
    """What must happen to a directory. Names are relative to it."""

    want: dict[str, Entry]
    include: list[str]
    exclude: list[str] = field(default_factory=list)
    source: Mapping[str, Any] = field(default_factory=dict)  # which hub the files come from
    commit: str | None = None
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
