# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Locks of Python environments for script/lock: resolved by uv, one file a package, chosen for one platform.

uv resolves from the index's own listings (with the hash and size of every file) and metadata, for another platform than this
machine's, and builds nothing. Of the files that it lists for a package, packaging's order of tags chooses the one that an installer
takes. A lock is refused when it is made rather than on a device; docs/development.md says what is checked.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cuda_compiler
from environment_lock import Lock, LockError, parse
from packaging.requirements import InvalidRequirement, Requirement
from source_check import Refused, build_requirements
from wheel_choice import JETPACK_7, MACHINES, PLATFORMS, Platform, Unreadable, choose

# Packages that fetch code or data in use, and what switches it off. Read in flashinfer/jit/cubin_loader.py of 0.7.2.post1 and in the
# documentation of kernels (it uses the hub's client).
FETCH_IN_USE = {
    "flashinfer-python": "fetches compiled kernels that it lacks, unless FLASHINFER_NO_DOWNLOAD=1",
    "kernels": "fetches kernels from the hub, unless HF_HUB_OFFLINE=1",
}
TIMEOUT = 900  # seconds for a resolution; from an empty cache it takes 20 on a fast line
HEADER = """\
# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
#
# Written by script/lock. Do not edit: run it again.
#   {command}
"""


@dataclass(frozen=True)
class Request:
    """What is to be locked: a requirement, what else the environment needs (``others``) and can do ``without``."""

    requirement: str
    others: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    platform: Platform = JETPACK_7
    extra_index: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command that makes this lock. Indexes are left out: an address may hold a password."""
        options = [("--with", one) for one in self.others] + [("--without", one) for one in self.without]
        options += [("--no-binary", one) for one in self.no_binary]
        options += [("--python", self.platform.python), ("--machine", self.platform.machine)]
        return shlex.join(["script/lock", "--packages", self.requirement, *(word for pair in options for word in pair)])


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of script/lock that are about packages."""
    packages = parser.add_argument_group("locks of Python environments")
    packages.add_argument(
        "--packages", metavar="NAME==VERSION", help="lock this package and all that it needs, and nothing else"
    )
    packages.add_argument("--python", default="3.12", help=f"{', '.join(PLATFORMS)} (%(default)s)")
    packages.add_argument("--machine", default="aarch64", help=f"{', '.join(MACHINES)} (%(default)s)")
    packages.add_argument("--output", type=Path, metavar="DIR", help="folder of the file (packages/ of the catalog)")
    repeatable: dict[str, Any] = {"action": "append", "default": []}
    packages.add_argument(
        "--with", dest="others", metavar="REQUIREMENT", help="one more package (repeatable)", **repeatable
    )
    packages.add_argument(
        "--without", metavar="NAME", help="leave out a package that nothing uses (repeatable)", **repeatable
    )
    packages.add_argument(
        "--no-binary", metavar="NAME", help="a package to be built on the device (repeatable)", **repeatable
    )
    packages.add_argument(
        "--extra-index", metavar="URL", help="one more index, before the others (repeatable)", **repeatable
    )


def check_request(request: Request) -> None:
    """Refuse what no lock can be made for, before anything is fetched."""
    if request.platform.python not in PLATFORMS:
        known = "; ".join(f"{python}: {place}" for python, (_glibc, place) in PLATFORMS.items())
        raise Refused(f"--python {request.platform.python}: no host has that Python. Known are {known}.")
    if request.platform.machine not in MACHINES:
        raise Refused(f"--machine {request.platform.machine}: Known are {' and '.join(MACHINES)}.")
    for text in (request.requirement, *request.others):
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise Refused(f"{text!r} is not a requirement: {str(error).splitlines()[0]}") from None
        if requirement.url is not None or "://" in text:
            raise Refused(f"{text}: an address has no hash on any index. Publish the wheel on an index of your own.")
    specifiers = list(Requirement(request.requirement).specifier)
    if len(specifiers) != 1 or specifiers[0].operator != "==" or "*" in specifiers[0].version:
        raise Refused(f"{request.requirement} is not pinned to one version: write name==version, such as vllm==0.33.0.")


def make_lock(request: Request) -> tuple[Lock, str]:
    """The lock and its text; raises Refused and Unreadable."""
    check_request(request)
    entries = choose_versions(request)
    packages, source_only, wanted = [], [], set()
    for entry in entries:
        file = choose(entry, request.platform, request.no_binary)
        packages.append(file.package)
        if file.is_source:
            source_only.append(entry["name"])
            wanted |= set(build_requirements(*file.read()))
    needed = resolve(request, sorted(wanted), build=True) if wanted else []
    build = [choose(entry, request.platform).package for entry in needed]
    lock = Lock(
        requirement=request.requirement,
        python=request.platform.python,
        machine=request.platform.machine,
        glibc=request.platform.glibc,
        packages=tuple(sorted(packages, key=lambda one: one.name)),
        bytes=sum(one.bytes or 0 for one in [*packages, *build]),
        source_only=tuple(sorted(source_only)),
        build=tuple(sorted(build, key=lambda one: one.name)),
    )
    try_lock(request, lock)
    return lock, render(lock, request.command)


def choose_versions(request: Request) -> list[dict[str, Any]]:
    """The packages of the environment, with the CUDA compiler of its runtime; raises Refused if there is none that fits."""
    wanted = [request.requirement, *request.others]
    entries = resolve(request, wanted)
    versions = _versions(entries)
    misfits = cuda_compiler.misfits(versions)
    if not misfits:
        return entries
    runtime = versions[cuda_compiler.RUNTIME]
    reason = f"{request.requirement}: {', '.join(misfits)} cannot compile with {cuda_compiler.RUNTIME}=={runtime}"
    try:
        entries = resolve(request, wanted, constraints=cuda_compiler.constraints(runtime))
    except Refused as error:
        raise Refused(f"{reason}, and those of {cuda_compiler.minor(runtime)} do not resolve:\n{error}") from None
    return entries


def _versions(entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {entry["name"]: entry["version"] for entry in entries}


def render(lock: Lock, command: str) -> str:
    """The file of a lock."""
    fields = {"requirement": lock.requirement, "python": lock.python, "machine": lock.machine, "glibc": lock.glibc}
    lines = [f"# {key}: {value}" for key, value in fields.items()]
    lines += [f"# packages: {len(lock.packages)}", f"# bytes: {lock.bytes}", f"# digest: {lock.sha256}"]
    lines += [f"# source_only: {' '.join(lock.source_only)}"] if lock.source_only else []
    lines += [f"# build: {one.line}" for one in lock.build]
    lines += [f"# In use, {name} {text}." for name, text in FETCH_IN_USE.items() if name in lock.versions]
    note = cuda_compiler.note(lock.versions)
    lines += [f"# {note}"] if note else []
    return "".join(
        [HEADER.format(command=command), *(f"{line}\n" for line in lines), *(f"{one.line}\n" for one in lock.packages)]
    )


def find_uv() -> str:
    """The uv of requirements/dev.txt, beside this Python; else the one on PATH."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise Unreadable("uv is missing: run script/lock with .venv/bin/python (script/test creates .venv, with uv)")
    return found


def resolve(
    request: Request, requirements: Sequence[str], build: bool = False, constraints: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The packages that ``requirements`` need on the platform, as uv lists them in a pylock.toml (PEP 751)."""
    command = ["pip", "compile", "-", "--format", "pylock.toml", "--generate-hashes", "--no-header"]
    command += [] if build else [word for name in request.no_binary for word in ("--no-binary", name)]
    if request.without and not build:
        command += ["--excludes", "without.txt"]
    command += ["--constraints", "constraints.txt"] if constraints else []
    files = {"without.txt": "".join(f"{name}\n" for name in request.without)}
    files["constraints.txt"] = "".join(f"{one}\n" for one in constraints)
    run = _uv(request, command, files, "".join(f"{one}\n" for one in requirements))
    return list(tomllib.loads(run.stdout)["packages"])


def try_lock(request: Request, lock: Lock) -> None:
    """Let uv choose the files to install by the lock; a hash that it does not find or a yanked file is a refusal."""
    files = {"lock.txt": "".join(f"{one.line}\n" for one in lock.packages)}
    files["build.txt"] = "".join(f"{one.line}\n" for one in lock.build)
    command = ["pip", "install", "--dry-run", "--no-deps", "--require-hashes", "--target", "none", "-r", "lock.txt"]
    command += ["--build-constraints", "build.txt", "--require-build-hashes"] if lock.build else []
    _uv(request, [*command, *(word for name in lock.source_only for word in ("--no-binary", name))], files)


def _uv(
    request: Request, command: Sequence[str], files: Mapping[str, str], text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run uv for the platform in a folder with ``files``. Indexes come from its own configuration, and --extra-index before them."""
    platform = f"{request.platform.machine}-manylinux_{request.platform.glibc.replace('.', '_')}"
    arguments = [find_uv(), *command, "--only-binary", ":all:", "--no-python-downloads"]
    arguments += ["--python-version", request.platform.python, "--python-platform", platform]
    # From the environment, because an address may hold a password and everybody can read a command line.
    indexes = [*request.extra_index, *os.environ.get("UV_INDEX", "").split()]
    environment = {**os.environ, "NO_COLOR": "1"} | ({"UV_INDEX": " ".join(indexes)} if indexes else {})
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_text(content, encoding="utf-8")
        try:
            run = subprocess.run(
                arguments,
                input=text,
                capture_output=True,
                text=True,
                env=environment,
                cwd=folder,
                timeout=TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unreadable(f"{arguments[0]} did not run: {error}") from None
    said = run.stderr.strip()
    if run.returncode:
        raise failure(request, said[max(said.find("error:"), 0) :])
    yanked = re.findall(r'`([^`]+)` is yanked(?: \(reason: "?(.*?)"?\))?$', said, re.MULTILINE)
    if yanked:
        reasons = "; ".join(f"{package} (reason: {reason or 'none is given'})" for package, reason in yanked)
        raise Refused(f"{reasons}: withdrawn by its publisher (yanked). Lock another version.")
    return run


def failure(request: Request, said: str) -> Refused | Unreadable:
    """What uv's error means: either nothing fits, or it could not look."""
    if "No solution found" not in said and "URL dependenc" not in said:
        return Unreadable(f"uv could not resolve {request.requirement}:\n{said}")
    source_only = re.findall(r"Wheels are required for `([^`]+)`", said)
    if source_only:
        ways = " ".join(f"--no-binary {name}" for name in source_only)
        remedy = f"Accept that it is built from source on the device ({ways}), or leave it out (--without)."
    elif "URL dependenc" in said:
        remedy = "An address has no hash on any index. Publish that wheel on an index of your own, or leave it out (--without)."
    else:
        remedy = "Lock a version that has wheels for this platform."
    return Refused(f"{request.requirement} has no lock for {request.platform}. {remedy} uv says:\n{said}")


def problems(folder: Path, engines: Mapping[str, Any]) -> list[str]:
    """What is wrong with the locks in a catalog's folder: damaged or misnamed ones, and versions of engines without a lock."""
    found, locked = [], set()
    for path in sorted(folder.glob("*.txt")):
        try:
            lock = parse(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, LockError) as error:
            found.append(f"{path}: {error}")
            continue
        locked.add(lock.requirement)
        if path.name != lock.file_name:
            found.append(f"{path}: by its content this is {lock.file_name}")
        if misfits := cuda_compiler.misfits(lock.versions):
            found.append(f"{path}: {', '.join(misfits)} cannot compile with its {cuda_compiler.RUNTIME}: lock it again")
    wanted = {
        known["packages"]: f"{name} {version}"
        for name, engine in engines.items()
        for version, known in engine["versions"].items()
        if known.get("packages")
    }
    for requirement in sorted(set(wanted) - locked):
        command = shlex.join(["script/lock", "--packages", requirement])
        found.append(f"{wanted[requirement]} has no lock of {requirement} in {folder}: run {command}")
    return found
