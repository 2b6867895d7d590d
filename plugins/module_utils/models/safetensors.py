# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Models in safetensors files: which of the files an engine reads, and whether the first of them is one."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.jetson.thor.plugins.module_utils import bounded
from ansible_collections.jetson.thor.plugins.module_utils.models import lfs

INDEX = "model.safetensors.index.json"
# A longer index, as mixtures of experts have, is not read: the names of the parts say the same.
LONGEST_INDEX = 900_000  # bytes
START = 4096  # bytes of a file that show whether it is one
# A limit of the format's own library (safetensors, MAX_HEADER_SIZE).
LONGEST_HEADER = 100_000_000
_PART = re.compile(r"(?P<name>.+)-\d{5}-of-(?P<parts>\d{5})\.safetensors")


class Malformed(ValueError):
    """Why files are not what an engine can read; the message continues the file's name."""


def indexed(content: bytes) -> frozenset[str]:
    """The files that an index names. Raises Malformed."""
    try:
        found = bounded.parse(content)
    except ValueError as error:
        raise Malformed(f"is not JSON: {error}") from None
    names = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(names, dict) or not all(isinstance(one, str) for one in names.values()):
        raise Malformed("has no weight_map, so nothing says which files hold the weights")
    return frozenset(names.values())


def weight_files(sizes: Mapping[str, int], index: bytes | None) -> list[str]:
    """The files with the weights, sorted. ``sizes``: of all files by name; ``index``: the content of INDEX if it was read.

    Without it, the parts of a split model, or else all files but Mistral's copy in its own format. vLLM and SGLang choose the same
    way (filter_duplicate_safetensors_files). Raises Malformed, also if a file that the index names is missing.
    """
    if index is not None:
        names = indexed(index)
        missing = sorted(names - set(sizes))
        if missing:
            raise Malformed(f"names {missing[0]}, which is missing (and {len(missing) - 1} more)")
        return sorted(names)
    there = sorted(name for name in sizes if name.endswith(".safetensors") and "/" not in name)
    parts = [name for name in there if _PART.fullmatch(name) and not name.startswith("consolidated")]
    if INDEX in sizes and parts:
        return parts
    return [name for name in there if not name.startswith("consolidated")] or there


def check_start(content: bytes, size: int) -> None:
    """Raise Malformed unless a file of ``size`` bytes that begins so is a safetensors file."""
    if lfs.is_pointer(content):
        raise Malformed("is a Git LFS pointer, not the file itself")
    length = int.from_bytes(content[:8], "little")
    if len(content) < 9 or content[8:9] != b"{" or length > min(LONGEST_HEADER, size - 8):
        raise Malformed(f"is not a safetensors file: it begins with {content[:16]!r}")
