# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A pointer of Git LFS in place of a file."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.module_utils.models import lfs


def test_a_pointer_is_known_by_its_first_line() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12\n"
    assert lfs.is_pointer(pointer) and len(pointer) < lfs.POINTER_BYTES
    assert not lfs.is_pointer(b"GGUF" + pointer) and not lfs.is_pointer(b"") and not lfs.is_pointer(b"version 3")
