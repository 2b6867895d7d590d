# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The libraries that a program needs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import elf


@pytest.mark.parametrize("program", [sys.executable, "/bin/sh", shutil.which("cmake")])
def test_needed_libraries_are_those_that_readelf_lists(program: str) -> None:
    told = subprocess.run(["readelf", "-d", program], check=True, capture_output=True, text=True).stdout
    assert elf.needed(Path(program)) == re.findall(r"\(NEEDED\).*\[(.*)\]", told)


def test_a_damaged_program_is_reported(tmp_path: Path) -> None:
    whole = Path("/bin/sh").read_bytes()
    for length in (8, 40, 70, 500):
        (tmp_path / "sh").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"sh is (a damaged|not a 64-bit) ELF file"):
            elf.needed(tmp_path / "sh")


@pytest.mark.parametrize("program", [sys.executable, "/bin/sh"])
def test_sections_are_those_that_readelf_lists(program: str) -> None:
    told = subprocess.run(["readelf", "-SW", program], check=True, capture_output=True, text=True).stdout
    wanted = re.findall(r"^ +\[ *\d+\] +(\.\S+) +\S+ +\w+ +\w+ +(\w+)", told, re.MULTILINE)
    found = elf.sections(Path(program))
    assert wanted
    assert [(name, size) for name, size in found.items() if name] == [(name, int(size, 16)) for name, size in wanted]


def test_sections_of_a_damaged_program_are_reported(tmp_path: Path) -> None:
    whole = Path("/bin/sh").read_bytes()
    for length in (8, 40, 500):
        (tmp_path / "sh").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"sh is (a damaged|not a 64-bit) ELF file"):
            elf.sections(tmp_path / "sh")
