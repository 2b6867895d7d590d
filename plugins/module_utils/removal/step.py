# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the steps of a removal share: the host, and how one of its programs is run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.jetson.thor.plugins.module_utils import commands
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable

SECONDS = 600.0  # for stopping services, or for apt
# Exit status and output of a program.
Run = Callable[..., tuple[int, str]]


def run(*command: str) -> tuple[int, str]:
    """Run a program without questions; 127 where it is missing, 124 where it does not end."""
    status, said = commands.answer(*command, seconds=SECONDS, DEBIAN_FRONTEND="noninteractive")
    if status is None and shutil.which(command[0]):
        return 124, f"{command[0]} has not ended within {SECONDS:.0f} seconds"
    return 127 if status is None else status, said


@dataclass(frozen=True)
class Host:
    """The host below ``root``; ``record``: of install_record.py, as it was at the beginning."""

    root: Path
    record: Mapping[str, Any]
    run: Run = run

    def path(self, absolute: str) -> Path:
        """A path of the host."""
        return self.root / absolute.lstrip("/")

    def name(self, path: Path) -> str:
        """The path on the host."""
        return f"/{path.relative_to(self.root)}"

    def glob(self, pattern: str) -> list[Path]:
        """The paths that a pattern names, also those of links that lead nowhere."""
        return sorted(self.root.glob(pattern.lstrip("/")))


class Step(Protocol):
    """One part of a removal. Both may be called again after an interruption."""

    def find(self) -> Iterable[Removable | Kept]:
        """What goes and what stays. Changes nothing."""

    def remove(self, items: list[Removable]) -> Iterable[Kept]:
        """Remove these; returns what could not be removed, by the names of the items, and what else stays."""
