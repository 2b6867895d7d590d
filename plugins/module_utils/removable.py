# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What prune and remove return: things that go, and things that stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Removable:
    """Something that is to be removed: what it is, its name for people, its paths, the bytes that this frees, and why."""

    kind: str
    name: str
    paths: tuple[str, ...]
    bytes: int
    why: str

    def facts(self) -> dict[str, Any]:
        """As the module returns it."""
        return {
            "kind": self.kind,
            "name": self.name,
            "paths": list(self.paths),
            "bytes": self.bytes,
            "why": self.why,
        }


@dataclass(frozen=True)
class Kept:
    """Something that stays, with the reason."""

    kind: str
    name: str
    why: str

    def facts(self) -> dict[str, Any]:
        """As the module returns it."""
        return {"kind": self.kind, "name": self.name, "why": self.why}
