# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A double of cuobjdump, and files that it reads: real ELF files with the section in which nvcc puts code.

It prints as cuobjdump 13.5.37 does: the listing that a file holds in that section, the sentence and the exit status 255 for a file
without code, its version. ``FAIL`` as the listing makes it fail, which is made up.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

SCRIPT = """\
#!/bin/sh
if [ "$1" = --version ]; then echo 'Cuda compilation tools, release 13.5, V13.5.37'; exit; fi
[ "$1 $2" = '-lelf -lptx' ] || exit 9
echo "$3" >>"$0.calls"
objcopy -O binary --only-section=.nv_fatbin --set-section-flags .nv_fatbin=alloc "$3" "$0.$$"
listing=$(cat "$0.$$"); rm "$0.$$"
case "$listing" in
  FAIL*) echo 'cuobjdump fatal   : out of memory' >&2; exit 2;;
  NONE*) echo "cuobjdump info    : File '$3' does not contain device code" >&2; exit 255;;
esac
echo "$listing"
"""


def make(folder: Path) -> Path:
    """The program; the files that it was asked about stand in ``<program>.calls``, a line each."""
    program = folder / "cuobjdump"
    program.write_text(SCRIPT)
    return program


def calls(program: Path) -> list[str]:
    """The files that the program was asked about."""
    told = program.with_name(f"{program.name}.calls")
    return told.read_text().splitlines() if told.exists() else []


def library(path: Path, listing: str | None, section: str = ".nv_fatbin") -> Path:
    """A real ELF file; with a listing also the section for CUDA code, which holds that listing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["objcopy", "/bin/true", str(path)]
    if listing is not None:
        content = path.with_name(f"{path.name}.listing")
        content.write_text(listing)
        command[1:1] = [f"--add-section={section}={content}"]
        subprocess.run(command, check=True, capture_output=True)
        content.unlink()
    else:
        subprocess.run(command, check=True, capture_output=True)
    return path


def listing(machine_code: Mapping[str, int], ptx: Mapping[str, int] | None = None) -> str:
    """Lines as cuobjdump prints them for so many objects."""
    lines = []
    for word, ending, objects in (("ELF", "cubin", machine_code), ("PTX", "ptx", ptx or {})):
        names = [name for name, count in objects.items() for _ in range(count)]
        lines += [f"{word} file {number:4}: lib.{number}.{name}.{ending}" for number, name in enumerate(names, 1)]
    return "\n".join(lines) + "\n"
