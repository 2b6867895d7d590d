# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which libraries and programs below a folder hold CUDA code that a GPU runs, and what is lost where they do not.

Code that is compiled while an engine runs (Triton, Inductor, FlashInfer, DeepGEMM) is in no file and does not count here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import cuobjdump, elf, records
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

THOR = "110"
# Where nvcc puts code: FATBIN_DATA_SECTION_NAME and FATBIN_PRELINK_DATA_SECTION_NAME in the toolkit's fatbinary_section.h.
SECTIONS = {".nv_fatbin", "__nv_relfatbin"}
# cuobjdump takes up to 5.5 GB of memory for one library (libtorch_cuda of torch 2.14), so few run at once.
WORKERS = 2
Library = dict[str, Any]
SHAPE = {"libraries": {str: {"machine_code": {str: int}, "ptx": {str: int}, "runs": bool}}}


class CudaCodeError(Exception):
    """The code could not be read, or a library that is needed does not run; all problems, one a line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(problem.text() for problem in problems))
        self.problems = list(problems)


def can_run(architecture: str, machine_code: Mapping[str, int], ptx: Mapping[str, int]) -> bool:
    """Whether a GPU of an ``architecture`` (``110``) runs a file with these objects, or its driver can compile it.

    PTX takes the place of machine code where it was made of the whole file: for the newest of the GPUs up to this one that have
    machine code, and of as many objects. vLLM 0.19.0 has PTX of some kernels alone, and was not built for Thor (vllm PR#39233).
    """
    if any(fits(architecture, name, machine=True) for name in machine_code):
        return True
    earlier = {name: _number(name) for name in machine_code if _number(name) <= int(architecture)}
    newest = max(earlier.values(), default=0)
    objects = max((machine_code[name] for name, number in earlier.items() if number == newest), default=1)
    return any(
        fits(architecture, name, machine=False) and _number(name) >= newest and count >= objects
        for name, count in ptx.items()
    )


def fits(architecture: str, name: str, machine: bool) -> bool:
    """Whether one object is for this GPU: ``machine`` code for ``sm_90a``, or else PTX.

    The rules are those of NVIDIA's CUDA Programming Guide, section 5.1 "Compute Capabilities": machine code runs on the same major
    version with the same or a higher minor one, PTX can be compiled for every later version; with ``a`` both are for exactly this
    version, with ``f`` for this family, which is the same major version here (the guide: 100f is for 10.0 and 10.3, 110f for 11.0 alone).
    ``sm_101``, Thor's name in CUDA 12.8 and 12.9, counts as another GPU: that a Thor runs it was not seen.
    """
    number, other, suffix = int(architecture), _number(name), name[-1:]
    if suffix == "a":
        return other == number
    same_major = other // 10 == number // 10
    return other <= number and (same_major or not (machine or suffix == "f"))


def _number(name: str) -> int:
    """``sm_110a`` is 110."""
    return int(re.sub(r"\D", "", name))


def candidates(root: Path, only: Sequence[str] | None = None) -> Iterator[Path]:
    """Every ELF file below ``root`` with a section for CUDA code; neither links nor other file systems (/proc) are followed.

    ``only``: patterns of paths below ``root``, without which other files are not looked at.
    """
    device = os.stat(
        root
    ).st_dev  # of the folder itself: os.path.ismount would leave /proc/<pid>/root for the host's own root
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if is_on(device, os.path.join(folder, name))]
        for name in names:
            path = Path(folder, name)
            if only is not None and not _matches(path.relative_to(root).as_posix(), only):
                continue
            if path.is_symlink() or not path.is_file():
                continue
            try:
                if elf.is_elf(path) and SECTIONS & set(elf.sections(path)):
                    yield path
            except (OSError, ValueError):  # a file of another kind, or one that is cut: nothing can load it
                continue


def is_on(device: int, folder: str) -> bool:
    """Whether a folder is on this device, by its number."""
    try:
        return os.lstat(folder).st_dev == device
    except OSError:  # it is gone
        return False


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def scan(
    root: Path,
    program: Path,
    architecture: str = THOR,
    workers: int = WORKERS,
    only: Sequence[str] | None = None,
    progress: Callable[[int, int, str], None] = lambda _done, _total, _name: None,
) -> dict[str, Library]:
    """What each file below ``root`` holds, by its path there: ``machine_code`` and ``ptx`` (objects by architecture), ``runs``.

    ``program`` is cuobjdump; ``only`` is as for candidates(). ``progress`` is told how many files are done, of how many, and which one
    was the last. Raises cuobjdump.CuobjdumpError.
    """
    paths = sorted(candidates(root, only), key=lambda path: -path.stat().st_size)
    found: dict[str, Library] = {}
    with ThreadPoolExecutor(workers) as pool:
        for path, code in zip(paths, pool.map(lambda one: cuobjdump.read(program, one), paths), strict=True):
            runs = can_run(architecture, code.machine_code, code.ptx)
            found[path.relative_to(root).as_posix()] = {
                "machine_code": code.machine_code,
                "ptx": code.ptx,
                "runs": runs,
            }
            progress(len(found), len(paths), path.name)
    return dict(sorted(found.items()))


def judge(
    found: Mapping[str, Library], required: Sequence[str], lost: Mapping[str, str], architecture: str = THOR
) -> dict[str, Any]:
    """Compare what was found with what an engine needs.

    ``required`` and the keys of ``lost`` are patterns of paths, in which ``*`` also stands for slashes. The result: ``runs`` (paths),
    ``lacks`` (``path``, and what is ``lost`` without it or None) and ``problems`` (THOR-CUDA-CODE for each required library that does
    not run).
    """
    lacking = [path for path, library in found.items() if not library["runs"]]
    problems = []
    for pattern in required:
        paths = [path for path in found if fnmatchcase(path, pattern)]
        if not paths:
            problems.append(_problem(pattern, None, "no such file, or none with CUDA code, is there", architecture))
        problems += [_problem(pattern, path, holds(found[path]), architecture) for path in paths if path in lacking]
    return {
        "runs": [path for path, library in found.items() if library["runs"]],
        "lacks": [{"path": path, "lost": _lost(path, lost)} for path in lacking],
        "problems": problems,
    }


def is_enough(found: Mapping[str, Library], wanted: Mapping[str, Any], absent: bool = False) -> bool:
    """Whether :func:`judge` finds nothing wrong with what was found earlier, for what is ``wanted`` now.

    ``absent``: whether a required file may be missing, as in images, which differ in where they put things.
    """
    return not refused(judge(found, wanted.get("required", ()), wanted.get("lost", {})), absent)


def refused(verdict: Mapping[str, Any], absent: bool = False) -> list[Problem]:
    """The problems of a verdict for which an engine is refused. ``absent``: as for is_enough()."""
    return [problem for problem in verdict["problems"] if problem.value is not None or not absent]


def _problem(pattern: str, path: str | None, held: str, architecture: str) -> Problem:
    reason = f"The engine cannot do without this code, and sm_{architecture} does not run it: {held}"
    remedy = (
        "Choose another version of the engine (docs/cuda_code.md lists what each of them holds), or build it for this GPU. If the service "
        "does not need this library, set cuda_code.required of the engine in thor_extra_engines."
    )
    return Problem("THOR-CUDA-CODE", f"cuda_code.required[{pattern!r}]", path, reason, remedy)


def _lost(path: str, lost: Mapping[str, str]) -> str | None:
    return next((text for pattern, text in lost.items() if fnmatchcase(path, pattern)), None)


def holds(library: Library) -> str:
    """What a library holds, in words: ``machine code for sm_80 (71), sm_90 (58), PTX for sm_80 (19)``."""
    parts = [
        f"{word} for {', '.join(f'{name} ({count})' for name, count in library[key].items())}"
        for key, word in (("machine_code", "machine code"), ("ptx", "PTX"))
        if library[key]
    ]
    return ", ".join(parts) or "no CUDA code that cuobjdump can see"


def prove(
    root: Path,
    wanted: Mapping[str, Any] | None,
    state: Path | None,
    program: Path | None = None,
    architecture: str = THOR,
    progress: Callable[[int, int, str], None] = lambda _done, _total, _name: None,
) -> dict[str, Any]:
    """Read the code below ``root`` and check that what ``wanted`` requires runs; the record to keep, plain data.

    ``wanted`` has the catalog's ``required`` and ``lost``. What was read is kept below ``state``, if given, by the fingerprint of the
    files, so that it is read once, whatever the folder is called. Raises CudaCodeError (THOR-CUDA-CODE, THOR-CUOBJDUMP).
    """
    program = program or cuobjdump.find()
    if program is None:
        reason = f"cuobjdump is neither at {' nor at '.join(cuobjdump.PLACES)}"
        raise CudaCodeError([_unreadable(reason)])
    started = time.monotonic()
    try:
        version = cuobjdump.version(program)
        kept = state / "cuda_code" / f"{_fingerprint(root, version, architecture)}.json" if state else None
        known = records.read(kept, SHAPE) if kept else None
        libraries = known["libraries"] if known else scan(root, program, architecture, progress=progress)
    except (cuobjdump.CuobjdumpError, OSError) as error:
        raise CudaCodeError([_unreadable(str(error))]) from error
    if kept and not known:
        kept.parent.mkdir(parents=True, exist_ok=True)
        records.write(kept, {"libraries": libraries}, 0o644)
    verdict = judge(libraries, (wanted or {}).get("required", ()), (wanted or {}).get("lost", {}), architecture)
    if problems := refused(verdict):
        raise CudaCodeError(problems)
    return {
        "architecture": architecture,
        "cuobjdump": version,
        "seconds": round(time.monotonic() - started, 1),
        "libraries": libraries,
        "runs": verdict["runs"],
        "lacks": verdict["lacks"],
    }


def _unreadable(reason: str) -> Problem:
    remedy = (
        "It is part of the CUDA toolkit (package cuda-toolkit), and of the tools that the role python_engine installs from the package "
        "index. One file needs up to 5.5 GB of memory."
    )
    return Problem("THOR-CUOBJDUMP", "cuda_code", None, reason, remedy)


def _fingerprint(root: Path, version: str, architecture: str) -> str:
    """Identifies the files with CUDA code below a folder, by path, size and time, and what reads them."""
    files = [
        (path.relative_to(root).as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(candidates(root))
    ]
    return hashlib.sha256(json.dumps([version, architecture, files]).encode()).hexdigest()[:24]


def text(record: Mapping[str, Any] | None) -> str:
    """A record in one line, for plan and status; ``record`` is what prove() returned, or None where nothing was read."""
    if record is None:
        return "CUDA code not read"
    if record.get("unread"):
        return f"CUDA code not read: {record['unread']}"
    runs, lacks = record["runs"], record["lacks"]
    if not runs and not lacks:
        return "no file with CUDA code found"
    gpu = "Thor" if record["architecture"] == THOR else f"sm_{record['architecture']}"
    line = f"{len(runs)} of {len(runs) + len(lacks)} CUDA libraries run on {gpu}"
    # The catalog explains a name in brackets.
    named = list(dict.fromkeys(one["lost"].partition(" (")[0] for one in lacks if one["lost"]))
    unnamed = [one["path"].rpartition("/")[2] for one in lacks if not one["lost"]]
    return f"{line}; no code for it in: {', '.join([*named, *unnamed])}" if lacks else line
