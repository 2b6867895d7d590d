# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The lock of a Python environment: every package of an engine, each with the one hash of the file that fits the platform.

``script/lock --packages`` writes locks; controller and device read them here. A lock is a requirements file that uv and pip
take with ``--require-hashes``. What else there is to know stands in comments at its top, ``# key: value``:

* ``requirement``: what was locked, such as ``vllm[audio]==0.33.0``
* ``python``, ``machine``, ``glibc``: the platform, such as 3.12, aarch64 and 2.39
* ``packages``, ``bytes``: how many packages there are, and the size of the files to fetch, build requirements included
* ``digest`` (optional; script/lock writes it): Lock.sha256, which shows that somebody has edited the packages by hand
* ``source_only`` (optional): packages that are built from their source distribution, because they have no wheel
* ``build`` (optional, one line each): what building them needs, pinned like a package. It does not become part of the environment.

After two spaces and a ``#``, the line of a package may have the size of its file in bytes. Other comments are for people.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

# Normalized, as https://packaging.python.org/en/latest/specifications/name-normalization/ has it: uv and script/lock write names so.
_PACKAGE = re.compile(
    r"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)==(?P<version>[0-9][0-9a-z.!+]*) --hash=sha256:(?P<sha256>[0-9a-f]{64})(?:  # (?P<bytes>\d{1,15}))?"
)
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[A-Za-z0-9._,\s-]+\])?==(?P<version>[0-9][0-9A-Za-z.!+]*)"
)
_HEADER = re.compile(r"#\s*(?P<key>[a-z_]+):\s*(?P<value>\S.*)")
_FORMS = {
    "requirement": _REQUIREMENT,
    "python": re.compile(r"3\.\d{1,2}"),
    "machine": re.compile(r"aarch64|x86_64"),
    "glibc": re.compile(r"2\.\d{1,2}"),
    "packages": re.compile(r"\d{1,5}"),
    "bytes": re.compile(r"\d{1,15}"),
}
_OPTIONAL = {"source_only": re.compile(r".*"), "digest": re.compile(r"[0-9a-f]{64}")}


class LockError(Exception):
    """A lock that cannot be used; the message has the reason and, where there is one, the line."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason = reason
        self.line = line


@dataclass(frozen=True)
class Package:
    """One package, as a file with this hash: its wheel, or its source distribution if it has no wheel.

    ``bytes`` is the size of that file; None if the lock does not say.
    """

    name: str
    version: str
    sha256: str
    bytes: int | None = None

    @property
    def line(self) -> str:
        """The package as a line of a requirements file."""
        size = "" if self.bytes is None else f"  # {self.bytes}"
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}{size}"


@dataclass(frozen=True)
class Lock:
    """The packages of one environment, and the platform that they are for.

    ``python`` is a minor version such as ``3.12``, ``glibc`` the newest that a wheel may need, ``bytes`` what is to be fetched.
    """

    requirement: str
    python: str
    machine: str
    glibc: str
    packages: tuple[Package, ...]
    bytes: int
    source_only: tuple[str, ...] = ()
    build: tuple[Package, ...] = ()

    @property
    def name(self) -> str:
        """The normalized name of the locked package, such as ``vllm``."""
        return normalize(_split(self.requirement)[0])

    @property
    def version(self) -> str:
        """The version of the locked package, such as ``0.33.0``."""
        return _split(self.requirement)[1]

    @property
    def tag(self) -> str:
        """The platform as part of a file's name, such as ``cp312-aarch64``."""
        return f"cp{self.python.replace('.', '')}-{self.machine}"

    @property
    def file_name(self) -> str:
        """The name that the lock's file has in the catalog."""
        return f"{self.name}-{self.version}-{self.tag}.txt"

    @property
    def sha256(self) -> str:
        """The SHA-256 of what would be installed: other comments or sizes make no other environment."""
        pinned = [f"{one.name}=={one.version} {one.sha256}" for one in (*self.packages, *self.build)]
        return hashlib.sha256("\n".join([*pinned, *self.source_only]).encode()).hexdigest()

    @property
    def versions(self) -> dict[str, str]:
        """``{name: version}`` of the packages."""
        return {one.name: one.version for one in self.packages}


def normalize(name: str) -> str:
    """A package's name in the form in which names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse(text: str) -> Lock:
    """The lock in a file's ``text``; raises LockError for anything that was not written by script/lock or would not install."""
    headers: dict[str, str] = {}
    packages: list[Package] = []
    build: list[Package] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        header = _HEADER.fullmatch(line)
        if header and header["key"] == "build":
            build.append(_package(header["value"], number, build))
        elif header and header["key"] in {*_FORMS, *_OPTIONAL}:
            _add_header(headers, header["key"], header["value"], number)
        elif line and not line.startswith("#"):
            packages.append(_package(line, number, packages))
    missing = sorted(set(_FORMS) - set(headers))
    if missing:
        raise LockError(f"it has no line '# {missing[0]}: ...' at its top")
    lock = Lock(
        requirement=headers["requirement"],
        python=headers["python"],
        machine=headers["machine"],
        glibc=headers["glibc"],
        packages=tuple(packages),
        bytes=int(headers["bytes"]),
        source_only=tuple(headers.get("source_only", "").replace(",", " ").split()),
        build=tuple(build),
    )
    _check(lock, int(headers["packages"]))
    if headers.get("digest", lock.sha256) != lock.sha256:
        raise LockError("it was edited by hand: its packages have another digest than its top says")
    return lock


def _add_header(headers: dict[str, str], key: str, value: str, number: int) -> None:
    if key in headers:
        raise LockError(f"a second value of {key}: {value}", number)
    if not {**_FORMS, **_OPTIONAL}[key].fullmatch(value):
        raise LockError(f"{value!r} is not a valid value of {key}", number)
    headers[key] = value


def _package(text: str, number: int, others: Iterable[Package]) -> Package:
    found = _PACKAGE.fullmatch(text)
    if found is None:
        raise LockError(f"{_shortened(text)!r} {_wrong(text)}", number)
    package = Package(found["name"], found["version"], found["sha256"], int(found["bytes"]) if found["bytes"] else None)
    if any(one.name == package.name for one in others):
        raise LockError(f"{package.name} is there twice", number)
    return package


def _wrong(text: str) -> str:
    """Why a line is not a package of a lock."""
    file, size_mark, _size = text.partition("  # ")
    pinned, _space, options = file.partition(" ")
    if text.startswith("-"):
        return "is an option; a lock has none: indexes are configured in pip's own configuration"
    if "://" in text or "@" in pinned or options.startswith("@"):
        return "comes from an address; a lock has only packages of an index"
    if "==" not in pinned or "*" in pinned or ";" in text:
        return "is not pinned to one version: write name==version"
    if "--hash" not in options:
        return "has no hash: write name==version --hash=sha256:..."
    if options.count("--hash") > 1:
        return "has more than one hash; a lock has the one of the file that fits the platform"
    if not re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", options.strip()):
        return "has an invalid hash: 64 hexadecimal digits after sha256: are expected"
    if size_mark:
        return "has an invalid size: the bytes of the file are expected after #"
    return "is not a package: write name==version --hash=sha256:..., the name in lower case and with dashes"


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _split(requirement: str) -> tuple[str, str]:
    found = _REQUIREMENT.fullmatch(requirement)
    if found is None:
        raise LockError(f"{requirement!r} is not pinned to one version")
    return found["name"], found["version"]


def _check(lock: Lock, count: int) -> None:
    """What no single line shows."""
    if len(lock.packages) != count:
        raise LockError(f"it has {len(lock.packages)} packages, and its top says {count}")
    sizes = [one.bytes for one in (*lock.packages, *lock.build)]
    total = sum(size or 0 for size in sizes)
    if None not in sizes and total != lock.bytes:
        raise LockError(f"its files have {total} bytes together, and its top says {lock.bytes}")
    if lock.versions.get(lock.name) != lock.version:
        raise LockError(f"its packages lack {lock.name}=={lock.version}, which was locked")
    for name in lock.source_only:
        if name not in lock.versions:
            raise LockError(f"source_only names {name}, which is not one of its packages")
    if lock.source_only and not lock.build:
        raise LockError("source_only names packages, and no line '# build: ...' says what building them needs")
    if lock.build and not lock.source_only:
        raise LockError("it has build requirements, and source_only names nothing to build")
