# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Install a compiled engine: copy its programs, check them, record what they are, and rename the whole into place."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import elf, files, flags, records
from ansible_collections.jetson.thor.plugins.module_utils.builds import finished, gpu_code
from ansible_collections.jetson.thor.plugins.module_utils.builds.inputs import fingerprint
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter

# A program prints its version at once; on a device the CUDA driver is loaded first.
ANSWER_SECONDS = 120


def install(spec: Mapping[str, Any], build: Path, tree: Path, report: Reporter) -> None:
    """Copy the programs beside the final name, check them, and rename."""
    wanted = spec["inputs"]
    stage = tree.with_name(f".{tree.name}.partial")
    program = _copy_programs(wanted, build, stage)
    libraries = check_libraries(stage, spec["libraries"], wanted["engine"])
    code = gpu_code.prove(spec, stage, program, report)
    report.progress(0, 0, text=f"ask {program.name} for its version and help")
    version_output = _check_version(program, spec["version_text"], wanted["source"])
    help_text = _ask(program, "--help")
    (stage / "help.txt").write_text(help_text, encoding="utf-8")
    content = {
        "schema": 1,
        "fingerprint": fingerprint(wanted),
        "inputs": wanted,
        "programs": {path.name: finished.measure(path) for path in sorted((stage / "bin").iterdir())},
        "libraries": libraries,
        "cuda_code": code,
        "version_output": version_output,
        "options": _options(help_text),
    }
    records.write(stage / finished.NAME, content, 0o644)
    for path in (*stage.rglob("*"), stage):
        files.sync(path)
    # A tree without its build.json is not a build: somebody has modified it.
    shutil.rmtree(tree, ignore_errors=True)
    stage.rename(tree)
    files.sync(tree.parent)
    report.say(f"installed {tree}")


def _copy_programs(wanted: Mapping[str, Any], build: Path, stage: Path) -> Path:
    """Copy the programs to ``stage``; returns the first, which is the one that serves."""
    shutil.rmtree(stage, ignore_errors=True)
    (stage / "bin").mkdir(parents=True)
    for name in wanted["programs"]:
        if not (build / name).is_file():
            raise JobFailed(
                f"THOR-BUILD-FAILED: the build did not make {name}. Targets: {', '.join(wanted['targets'])}. "
                "Name the programs by their paths in the build tree, and a target that makes each of them."
            )
        shutil.copy2(build / name, stage / "bin" / Path(name).name)
    return stage / "bin" / Path(wanted["programs"][0]).name


def check_libraries(tree: Path, allowed: Sequence[str], engine: str) -> list[str]:
    """The libraries that the files of a tree need; JobFailed if one is not among those ``allowed``.

    A build finds more than its options ask for: where NCCL is installed, ggml links it, and the tree does not start when copied
    to a device without it. ``allowed`` are patterns of file names, such as ``libcublas.so.*``.
    """
    needed: dict[str, list[str]] = {}
    for path in sorted(tree.rglob("*")):
        if path.is_file() and elf.is_elf(path):
            for name in elf.needed(path):
                needed.setdefault(name, []).append(path.relative_to(tree).as_posix())
    included = {path.name for path in tree.rglob("*.so*")}
    foreign = {
        name: users
        for name, users in sorted(needed.items())
        if name not in included and not any(fnmatchcase(name, pattern) for pattern in allowed)
    }
    if foreign:
        users = "; ".join(f"{', '.join(programs)} asks for {name}" for name, programs in foreign.items())
        raise JobFailed(
            f"THOR-BUILD-LIBRARY: {engine} was built, and not installed: {users}. A device as JetPack makes it has no such library. "
            "The build found it on this host: switch it off with a CMake option of the engine "
            "(llama_cpp_cmake_options or whisper_cpp_cmake_options, as GGML_CUDA_NCCL: false does for libnccl), or, if every "
            "device has it, add its name to cmake_build_libraries."
        )
    return sorted(needed)


def _check_version(program: Path, version_text: str, source: str) -> str:
    """What the program prints of its version; JobFailed if ``version_text`` is not in it. An empty text asks for none."""
    if not version_text:
        return ""
    output = _ask(program, "--version")
    if version_text not in output:
        raise JobFailed(
            f"THOR-BUILD-VERSION: {program.name} was built from {source} and prints:\n{output}\n"
            f"That does not contain {version_text}: the engine's version and the commit of its source do not belong "
            "together. Correct the catalog entry."
        )
    return output


def _options(help_text: str) -> list[str]:
    """Every spelling of every option; empty if the help cannot be parsed."""
    with contextlib.suppress(ValueError):
        found = flags.parse_help(help_text)["options"]
        spellings = {name for key, one in found.items() for name in (key, one["negation"], *one["aliases"])}
        return sorted(spellings - {None})
    return []


def _ask(program: Path, question: str) -> str:
    """The output of a program that must answer at once and without an error."""
    try:
        done = subprocess.run(
            [program, question],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            check=False,
            timeout=ANSWER_SECONDS,
        )
        failure = f"exit status {done.returncode}: {done.stdout[-2000:]}" if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        failure = str(error)
    if failure:
        raise JobFailed(
            f"THOR-BUILD-VERSION: the finished {program.name} does not answer {question}: {failure} "
            "It was not installed. A library that it needs may be missing on this host (ldd shows which)."
        )
    return done.stdout.strip() + "\n"
