# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the memory of a service is computed from: its files, its model's geometry, its options, and the device."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import Geometry

MIB, GIB = 1024**2, 1024**3
# The suffixes of vLLM's numbers: 64k is 64,000 and 64K is 65,536 (vllm/utils/argparse_utils.py, human_readable_int).
_COUNT = re.compile(r"(\d+(?:\.\d+)?)([kmgtKMGT]?)")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


@dataclass(frozen=True, kw_only=True)
class Load:
    """Everything that decides how much memory a service takes. ``options`` are the engine's own, by their long names."""

    like: str  # which engine's way: a key of budget.WAYS
    device_bytes: int
    overhead_bytes: int  # the process itself: CUDA, libraries, activations
    weights: int
    projector: int = 0
    draft: int = 0
    adapters: int = 0
    geometry: Geometry | None = None
    draft_geometry: Geometry | None = None
    method: str | None = None  # how answers are speculated: mtp, eagle3, ...
    draft_tokens: int = 0  # tokens that are drafted at once
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def files_bytes(self) -> int:
        """What is read from disk and stays in memory."""
        return self.weights + self.projector + self.draft + self.adapters

    @property
    def is_bound(self) -> bool:
        """Whether the caches are an upper bound, because nobody has described the architecture of a model."""
        return any(one is not None and one.is_bound for one in (self.geometry, self.draft_geometry))

    def to_facts(self) -> dict[str, Any]:
        """Plain JSON."""
        facts = {one.name: getattr(self, one.name) for one in fields(self)}
        for key in ("geometry", "draft_geometry"):
            facts[key] = facts[key].to_facts() if facts[key] else None
        return {**facts, "options": dict(self.options)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Load:
        """Read ``to_facts`` again."""
        read = {key: Geometry.from_facts(facts[key]) if facts[key] else None for key in ("geometry", "draft_geometry")}
        return cls(**{**facts, **read})

    def count(self, name: str, default: int) -> int:
        """An option that counts something. What is no number (``auto``), or below zero, means the default."""
        found = count(self.options.get(name))
        return default if found is None or found < 0 else found

    def is_on(self, name: str, default: bool = False) -> bool:
        """A switch."""
        value = self.options.get(name)
        return default if value is None else value not in (False, "false", "off", 0)


def count(value: Any) -> int | None:
    """A number as engines write it; None of anything else."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    found = _COUNT.fullmatch(str(value).strip())
    if not found:
        return None
    base = 1024 if found[2].isupper() else 1000
    return int(float(found[1]) * base ** _POWERS[found[2].lower()])


def rounded(value: int, step: int) -> int:
    """Rounded up to a multiple."""
    return -(-value // step) * step
