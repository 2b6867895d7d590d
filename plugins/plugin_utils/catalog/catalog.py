# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The merged catalog: what the collection offers, with a person's own entries over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Catalog:
    """The merged catalog. ``flags`` maps (engine, version) to the options that this version knows.

    ``refused``: entries (noun, name) with a problem that is told already; ``refused_nouns``: all of a person's of one noun.
    ``foreign``: versions (engine, version) that are a person's, wholly or in what they are made of; the catalog knows nothing of
    how they fare. ``own_status``: profiles whose status is a person's statement.
    """

    engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: dict[str, Any] = field(default_factory=dict)
    flags: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    refused_nouns: set[str] = field(default_factory=set)
    refused: set[tuple[str, str]] = field(default_factory=set)
    foreign: set[tuple[str, str]] = field(default_factory=set)
    own_status: set[str] = field(default_factory=set)

    def is_refused(self, noun: str, name: Any) -> bool:
        """Whether an entry is not there because of a problem that is told already."""
        return noun in self.refused_nouns or (noun, name) in self.refused
