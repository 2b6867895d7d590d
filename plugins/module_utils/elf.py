# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a program or library of Linux says of itself: the libraries it needs (DT_NEEDED) and its sections, for 64-bit ELF files.

A reader of our own, because binutils is only there where something was compiled, and because a tree may come from elsewhere.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

MAGIC = b"\x7fELF"
PT_LOAD, PT_DYNAMIC = 1, 2
# Offsets of the file header: e_shoff, and e_shentsize, e_shnum, e_shstrndx (elf.h, Elf64_Ehdr).
SECTION_TABLE, SECTION_SIZES = 40, 58
DT_NULL, DT_NEEDED, DT_STRTAB, DT_STRSZ = 0, 1, 5, 10


def is_elf(path: Path) -> bool:
    """Whether the file begins as every ELF file does."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def sections(path: Path) -> dict[str, int]:
    """The sections of an ELF file, with their bytes. Raises ValueError for another file, and OSError if it cannot be read."""
    with path.open("rb") as stream:
        order = _order(stream, path)
        header = stream.read(48)
        try:
            (start,) = struct.unpack_from(order + "Q", header, SECTION_TABLE - 16)
            size, count, names_at = struct.unpack_from(order + "HHH", header, SECTION_SIZES - 16)
            stream.seek(start)
            table = stream.read(size * count)
            # name, type, flags, address, offset, bytes (Elf64_Shdr)
            rows = [struct.unpack_from(order + "IIQQQQ", table, index * size) for index in range(count)]
            if not rows:
                return {}
            stream.seek(rows[names_at][4])
            names = stream.read(rows[names_at][5])
            return {names[row[0] : names.index(b"\0", row[0])].decode("utf-8", "replace"): row[5] for row in rows}
        except (struct.error, IndexError, ValueError, OverflowError) as error:
            raise ValueError(f"{path} is a damaged ELF file: {error}") from error


def _order(stream: IO[bytes], path: Path) -> str:
    """The byte order of a file, as struct writes it; the stream then stands behind the identity, at byte 16."""
    identity = stream.read(16)
    if identity[:4] != MAGIC or identity[4:5] != b"\x02" or identity[5:6] not in (b"\x01", b"\x02"):
        raise ValueError(f"{path} is not a 64-bit ELF file")
    return "<" if identity[5] == 1 else ">"


def needed(path: Path) -> list[str]:
    """The libraries that an ELF file names, in its order; none where it is static. Raises ValueError for another file."""
    with path.open("rb") as stream:

        def read(form: str, offset: int) -> tuple[int, ...]:
            stream.seek(offset)
            return struct.unpack(order + form, stream.read(struct.calcsize(order + form)))

        order = _order(stream, path)
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
