# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A small engine as Python packages on a local index, and the job that installs it with the real uv."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import package_index
from ansible_collections.jetson.thor.plugins.module_utils.environments import inputs, job
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter
from package_index import PackageIndex

UV_LOCK = "uv==0 --hash=sha256:0\n"  # the tests' own uv stands in for what this would install
ENGINE = b"""\
import sys
import toy_library

def main():
    print(sys.executable, toy_library.WORD, *sys.argv[1:])
"""
# Builds a source distribution without any other package: PEP 517.
BACKEND = b"""\
import os, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name, info = "toy_source-1.0-py3-none-any.whl", "toy_source-1.0.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.write("toy_source.py")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: toy-source\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""


def real_uv() -> str:
    """The uv of the tests' environment (requirements/dev.txt)."""
    found = shutil.which("uv", path=f"{Path(sys.executable).parent}") or shutil.which("uv")
    assert found, "uv is not installed: requirements/dev.txt has it"
    return found


@dataclass
class ToyEnvironment:
    """The engine ``toy`` with its library and as many other packages as a test wants, and where everything is."""

    folder: Path
    index: PackageIndex
    hashes: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def publish(self, name: str, files: Mapping[str, bytes], scripts: Mapping[str, str] | None = None) -> str:
        """Put version 1.0 of a package on the index; returns the file's name."""
        file = package_index.wheel(name, "1.0", files, scripts)
        self.add(name, file)
        return file[0]

    def add(self, name: str, file: tuple[str, bytes]) -> None:
        """Put a file on the index and into the lock."""
        self.hashes[name] = self.index.add(file)
        self.sizes[name] = len(file[1])

    def line(self, name: str, digest: str) -> str:
        """A line of the lock."""
        return f"{name}==1.0 --hash=sha256:{digest}  # {self.sizes[name]}"

    def lock(self, source_only: bool = False, **changed: str) -> str:
        """The text of the lock; ``changed``: other hashes."""
        hashes = self.hashes | changed
        build = {name: hashes.pop(name) for name in ("toy-backend",) if name in hashes}
        lines = [
            "# requirement: toy==1.0",
            f"# python: {sys.version_info.major}.{sys.version_info.minor}",
            f"# machine: {platform.machine()}",
            "# glibc: 2.17",
            f"# packages: {len(hashes)}",
            f"# bytes: {sum(self.sizes[name] for name in self.hashes)}",
            *(["# source_only: toy-source"] if source_only else []),
            *(f"# build: {self.line(name, one)}" for name, one in build.items()),
            *(self.line(name, one) for name, one in sorted(hashes.items())),
        ]
        return "\n".join(lines) + "\n"

    def arguments(self, **more: Any) -> dict[str, Any]:
        """Parameters of the module python_engine."""
        return {
            "engine": "toy",
            "version": "1.0",
            "lock": self.lock(),
            "uv": UV_LOCK,
            "pip_arguments": f"--index-url {self.index.simple}",
            "python": sys.executable,
            "prefix": str(self.folder / "engines"),
            "state": str(self.folder / "state"),
            "uv_home": str(self.folder / "uv"),
            "attempts": 2,
            **more,
        }

    def spec(self, **more: Any) -> dict[str, Any]:
        """What the job is asked for."""
        rest: dict[str, Any] = {
            "argvs": {},
            "wanted": {},
            "parser": None,
            "cuda_code": None,
            "prune": False,
            "keep": [],
            "environment": {},
        }
        version = platform.python_version()
        known = {"tag": inputs.tag(version, platform.machine()), "python_version": version}
        return {**rest, **known, **self.arguments(), **more}

    @property
    def jobs(self) -> Path:
        """The folder of the job."""
        return self.folder / "job"

    def run(self, **more: Any) -> dict[str, Any]:
        """Run the job to its end."""
        self.jobs.mkdir(exist_ok=True)
        return job.run_job(self.spec(**more), Reporter(self.jobs))

    @property
    def work(self) -> Path:
        """Where uv's cache is while the environment is made."""
        return Path(self.folder, "state/uv", f"toy-{job.tree_of(self.spec()).name}")


@contextmanager
def toy(folder: Path) -> Iterator[ToyEnvironment]:
    """An index with the engine, and a uv home that has the tests' uv."""
    programs = folder / "uv/bin"
    programs.mkdir(parents=True)
    (programs / "uv").symlink_to(real_uv())
    # pip takes a second to say that it is not configured.
    unconfigured = '[ "$PIP_CONFIG_FILE" = /dev/null ] && [ "$4" = list ] && exit 0'
    (programs / "python").write_text(f'#!/bin/sh\n{unconfigured}\nexec {sys.executable} "$@"\n')
    (programs / "python").chmod(0o755)
    (folder / "uv/uv.txt").write_text(UV_LOCK)
    with package_index.serving() as index:
        made = ToyEnvironment(folder, index)
        made.publish("toy", {"toy/__init__.py": ENGINE, "toy/template.py": b"{{ not Python }}\n"}, {"toy": "toy:main"})
        made.publish(
            "toy-library", {"toy_library/__init__.py": b"WORD = 'ready'\n", "toy_library/lib.so": b"L" * 300_000}
        )
        yield made
