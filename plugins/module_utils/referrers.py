# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What may name an engine, an image or a model on a host: nothing that one of these files names is removed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils import files

# Units with their drop-ins and configurations, those that a switch has staged or would put back (transaction.py), and what a host would
# roll back to (previous.py).
REFERRERS: tuple[tuple[Path, str], ...] = (
    (Path("/etc/systemd/system"), "thor-*.service"),
    (Path("/etc/systemd/system"), ".thor-*"),
    (Path("/etc/systemd/system"), "thor-*.service.d/*.conf"),
    (Path("/etc/thor/services"), "*.json"),
    (Path("/etc/thor/services"), ".*.json.*"),
    (Path("/var/lib/thor"), "before.json"),
    (Path("/var/lib/thor"), "switch.json"),
)


def texts(places: Sequence[tuple[Path, str]] | None = None) -> dict[str, str]:
    """The texts of all these files by their paths. Read anew at each call."""
    found = {}
    for folder, pattern in REFERRERS if places is None else places:
        for path in sorted(folder.glob(pattern)):
            content = None if path.is_dir() else files.content(path)
            if content is not None:
                found[str(path)] = content.decode(errors="replace")
    return found
