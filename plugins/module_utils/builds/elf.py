# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a program or library of Linux asks for when it starts: the DT_NEEDED entries of a 64-bit ELF file.

A reader of our own, because binutils is only there where something was compiled, and because a tree may come from elsewhere.
"""

from __future__ import annotations

import struct
from pathlib import Path

MAGIC = b"\x7fELF"
PT_LOAD, PT_DYNAMIC = 1, 2
DT_NULL, DT_NEEDED, DT_STRTAB, DT_STRSZ = 0, 1, 5, 10


def is_elf(path: Path) -> bool:
    """Whether the file begins as every ELF file does."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def needed(path: Path) -> list[str]:
    """The libraries that an ELF file names, in its order; none where it is static. Raises ValueError for another file."""
    with path.open("rb") as stream:

        def read(form: str, offset: int) -> tuple[int, ...]:
            stream.seek(offset)
            return struct.unpack(order + form, stream.read(struct.calcsize(order + form)))

        identity = stream.read(16)
        if identity[:4] != MAGIC or identity[4:5] != b"\x02" or identity[5:6] not in (b"\x01", b"\x02"):
            raise ValueError(f"{path} is not a 64-bit ELF file")
        order = "<" if identity[5] == 1 else ">"
        try:
            (start,) = read("Q", 32)
            size, count = read("HH", 54)
            # type, flags, offset, address, physical address, size in the file
            segments = [read("IIQQQQ", start + index * size) for index in range(count)]
            entries = [
                read("qQ", offset)
                for segment in segments
                if segment[0] == PT_DYNAMIC
                for offset in range(segment[2], segment[2] + segment[5], 16)
            ]
            entries = entries[: next((index for index, entry in enumerate(entries) if entry[0] == DT_NULL), None)]
            values = {entry[0]: entry[1] for entry in entries}
            names = [value for tag, value in entries if tag == DT_NEEDED]
            if not names:
                return []
            address = values[DT_STRTAB]
            table = next(
                segment[2] + address - segment[3]
                for segment in segments
                if segment[0] == PT_LOAD and segment[3] <= address < segment[3] + segment[5]
            )
            stream.seek(table)
            strings = stream.read(values[DT_STRSZ])
            return [strings[name : strings.index(b"\0", name)].decode("utf-8", "replace") for name in names]
        except (struct.error, KeyError, StopIteration, ValueError, OverflowError) as error:
            raise ValueError(f"{path} is a damaged ELF file: {error}") from error
