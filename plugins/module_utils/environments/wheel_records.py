# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Compare installed packages with the lists of files that their wheels brought.

uv trusts its cache, and a file there may be cut if the machine lost power after its name was written. Each wheel has the SHA-256
of each of its files in ``RECORD``: https://packaging.python.org/en/latest/specifications/recording-installed-packages/.
"""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 1 << 20


def damaged(site_packages: Path) -> Iterator[str]:
    """The files, as paths from ``site_packages``, that differ from their package's record or are not there."""
    for record in sorted(site_packages.glob("*.dist-info/RECORD")):
        with record.open(encoding="utf-8", newline="") as stream:
            for row in csv.reader(stream):
                if len(row) < 2 or not row[1].startswith("sha256="):
                    continue
                if _digest(site_packages / row[0]) != row[1].removeprefix("sha256="):
                    yield row[0]


def _digest(path: Path) -> str | None:
    """The SHA-256 of a file as records have it; None if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError:
        return None
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
