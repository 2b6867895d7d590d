# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A small C++ project, built by the real job with the real cmake, ninja, ccache and git."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.jetson.thor.plugins.module_utils.builds import job
from ansible_collections.jetson.thor.plugins.module_utils.builds.inputs import inputs
from ansible_collections.jetson.thor.plugins.module_utils.jobs import Reporter

ROOT = Path(__file__).resolve().parents[2]
SYSTEM: list[str] = yaml.safe_load((ROOT / "roles/cmake_build/defaults/main.yml").read_text())["cmake_build_libraries"]
TOY = """\
cmake_minimum_required(VERSION 3.14)
project(toy CXX)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_executable(toy main.cpp part.cpp)
target_compile_definitions(toy PRIVATE VERSION="${TOY_VERSION}")
"""
MAIN = r"""
#include <cstdio>
#include <cstring>
int part();
int main(int, char **argv) {
    if (argv[1] && !strcmp(argv[1], "--version")) { puts("toy " VERSION); return part(); }
    puts("-p,    --port PORT                      port to listen on");
    return 0;
}
"""


class ToyBuild:
    """A toy source and a place to build it in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = folder / "source"
        self.source.mkdir()
        self.write("CMakeLists.txt", TOY)
        self.write("main.cpp", MAIN)
        self.write("part.cpp", "int part() { return 0; }\n")
        self.version = "v1"
        self.argvs: dict[str, list[str]] = {"chat": ["--port", "1"]}
        self.libraries: list[str] = SYSTEM
        self.jobs = folder / "jobs"
        self.jobs.mkdir()

    def write(self, name: str, text: str) -> None:
        """Change a file of the source."""
        (self.source / name).write_text(text)

    def archive(self) -> dict[str, str]:
        """The source as an archive, in a subfolder, with a repository pointer as in the sdists."""
        path = self.folder / "toy.tar.gz"
        (self.source / ".git").write_text("gitdir: ../../.git/modules/toy\n")
        with tarfile.open(path, "w:gz") as tar:
            tar.add(self.source, "top/vendor/toy")
            tar.add(self.source / "main.cpp", "top/other.txt")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return {"archive": path.as_uri(), "sha256": digest, "subdirectory": "top/vendor/toy"}

    def repository(self) -> dict[str, str]:
        """The source as a commit of a bare repository that has a later one on top."""
        commands = [["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"], ["rev-parse", "HEAD"]]
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        for command in commands:
            commit = subprocess.run(
                ["git", *identity, *command], cwd=self.source, check=True, capture_output=True, text=True
            ).stdout.strip()
        self.write("main.cpp", "broken\n")
        subprocess.run(["git", *identity, "commit", "-q", "-a", "-m", "two"], cwd=self.source, check=True)
        bare = self.folder / "toy.git"
        subprocess.run(["git", "clone", "-q", "--bare", self.source, bare], check=True)
        return {"git": str(bare), "commit": commit}

    def spec(self, source: dict[str, str]) -> dict[str, Any]:
        """The arguments of the job."""
        build = {
            "engine": "toy",
            "version": self.version,
            "source": source,
            "options": {},
            "version_options": ["TOY_VERSION"],
            "targets": ["toy"],
            "cuda": False,
        }
        return {
            "inputs": inputs(build, {"compiler": "g++ 1.2.3", "cuda": None}, "x86_64"),
            "source": source,
            "version_text": self.version,
            "argvs": self.argvs,
            "nvcc": None,
            "libraries": self.libraries,
            "jobs": 1,
            "prefix": str(self.folder / "engines"),
            "state": str(self.folder / "state"),
            "ccache": str(self.folder / "ccache"),
            "environment": {},
        }

    def run(self, source: dict[str, str]) -> dict[str, Any]:
        """Run the job in this process."""
        return job.run_job(self.spec(source), Reporter(self.jobs))

    def engines(self) -> list[str]:
        """Everything that has its final name."""
        return sorted(path.name for path in self.folder.glob("engines/toy/*") if not path.name.startswith("."))
