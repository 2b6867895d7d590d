# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The one file of a package that fits a platform: a wheel by the order of its tags, or the source distribution where that is accepted."""

from __future__ import annotations

import hashlib
import http.client
import urllib.parse
import urllib.request
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environment_lock import Package, normalize
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from source_check import Refused

# The Pythons of the hosts that we know, and their glibc: a wheel may need at most that. uv knows none beyond 2.40.
PLATFORMS = {
    "3.11": ("2.36", "Debian 12, which only tests use"),
    "3.12": ("2.39", "Ubuntu 24.04, which is JetPack 7"),
    "3.13": ("2.39", "Debian 13, which only tests use"),
}
MACHINES = ("aarch64", "x86_64")
# The oldest glibc that manylinux defines for a machine, and its names from before PEP 600.
LARGEST_SOURCE = 256 << 20  # bytes of a source distribution
OLDEST = {"aarch64": 17, "x86_64": 5}
ALIASES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


class Unreadable(Exception):
    """Something could not be read; the message says what, where and why."""


@dataclass(frozen=True)
class Platform:
    """CPython's minor version, such as 3.12, and the machine."""

    python: str = "3.12"
    machine: str = "aarch64"

    @property
    def glibc(self) -> str:
        """The glibc of the hosts with this Python."""
        return PLATFORMS[self.python][0]

    @property
    def tags(self) -> list[Tag]:
        """The tags of wheels that fit, the best first, in the order of packaging's ``sys_tags`` on that platform."""
        names = [f"linux_{self.machine}"]
        for minor in range(int(self.glibc.split(".")[1]), OLDEST[self.machine] - 1, -1):
            names.append(f"manylinux_2_{minor}_{self.machine}")
            names += [f"{ALIASES[minor]}_{self.machine}"] if minor in ALIASES else []
        version = (3, int(self.python.split(".")[1]))
        interpreter = f"cp3{version[1]}"
        return [*cpython_tags(version, [interpreter], names), *compatible_tags(version, interpreter, names)]

    def __str__(self) -> str:
        return f"CPython {self.python} on {self.machine} with glibc {self.glibc}"


JETPACK_7 = Platform()


@dataclass(frozen=True)
class File:
    """The file of one package, a wheel or a source distribution; ``url`` may be file://."""

    package: Package
    url: str
    is_source: bool = False

    def read(self) -> tuple[str, bytes]:
        """Name and content, checked against the hash."""
        content = _open(self.url, LARGEST_SOURCE)
        if hashlib.sha256(content).hexdigest() != self.package.sha256:
            raise Unreadable(f"{_public(self.url)} does not have the hash that the index lists for it")
        return _file_name(self.url), content


def choose(entry: Mapping[str, Any], platform: Platform, no_binary: Collection[str] = ()) -> File:
    """The file of a package in pylock.toml that fits the platform best, which is the one that an installer takes."""
    name, version = entry["name"], entry.get("version", "")
    if not version or {"vcs", "directory", "archive"} & set(entry):
        raise Refused(f"{name} comes from an address or a repository, not from an index: it has no hash there.")
    if normalize(name) in {normalize(one) for one in no_binary} and "sdist" in entry:
        return _file(name, version, entry["sdist"], is_source=True)
    order = {tag: place for place, tag in enumerate(platform.tags)}
    ranked = []
    for wheel in entry.get("wheels") or []:
        try:
            _name, _version, build, its_tags = parse_wheel_filename(_file_name(_address(wheel)))
        except InvalidWheelFilename:
            continue
        places = [order[tag] for tag in its_tags if tag in order]
        if places:
            ranked.append((-min(places), build, _address(wheel), wheel))
    if not ranked:
        there = ", ".join(_file_name(_address(one)) for one in entry.get("wheels") or []) or "only its source"
        raise Refused(f"{name}=={version} has no wheel for {platform}; there is: {there}.")
    return _file(name, version, max(ranked, key=lambda one: one[:3])[3])


def _file(name: str, version: str, found: Mapping[str, Any], is_source: bool = False) -> File:
    url = _address(found)
    sha256 = found.get("hashes", {}).get("sha256")
    if not sha256:
        raise Unreadable(f"{name}=={version}: the index lists no sha256 for {_file_name(url)}")
    size = found["size"] if "size" in found else _size(url)
    return File(Package(normalize(name), version, sha256, size), url, is_source)


def _address(found: Mapping[str, Any]) -> str:
    return str(found["url"]) if "url" in found else Path(found["path"]).absolute().as_uri()


def _file_name(url: str) -> str:
    return urllib.parse.unquote(urllib.parse.urlsplit(url).path.rpartition("/")[2])


def _public(url: str) -> str:
    """The address without a login."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _size(url: str) -> int:
    """The size of a file whose index does not say it, such as a plain folder of wheels."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=60) as answer:
            return int(answer.headers["Content-Length"])
    except (OSError, TypeError, ValueError) as error:
        raise Unreadable(f"the size of {_public(url)} could not be read: {error}") from None


def _open(url: str, limit: int) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            content: bytes = answer.read(limit + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreadable(f"{_public(url)} could not be read: {error}") from None
    if len(content) > limit:
        raise Refused(f"{_public(url)} has more than {limit:,} bytes.")
    return content
