# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What git has in place of a file that Git LFS has not fetched: "version https://git-lfs.github.com/spec/v1", its oid and its size."""

from __future__ import annotations

_START = b"version https://git-lfs"
# Such a file is shorter (the specification of Git LFS).
POINTER_BYTES = 1024


def is_pointer(content: bytes) -> bool:
    """Whether a file that begins so is a pointer."""
    return content.startswith(_START)
