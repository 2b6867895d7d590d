# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How observation reads a file of the device."""

from __future__ import annotations

from pathlib import Path


def read(root: Path | None, path: str) -> str | None:
    """A file of the device, or its stand-in below ``root``; None where there is none."""
    for candidate in ([root / path.lstrip("/")] if root else []) + [Path(path)]:
        try:
            return candidate.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
    return None
