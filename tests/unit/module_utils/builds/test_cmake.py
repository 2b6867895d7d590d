# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Builds: what goes in, and the job against a toy project with the real cmake, ninja, ccache and git."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hub_server
import pytest
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.builds import cmake, elf
from ansible_collections.jetson.thor.plugins.module_utils.builds.inputs import fingerprint, inputs
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(
    ("cpus", "gib", "cuda", "expected"),
    [(14, 120, False, 14), (14, 120, True, 14), (14, 8, False, 10), (14, 8, True, 8), (2, 0.3, True, 1)],
)
def test_compilers_are_bounded_by_memory(cpus: int, gib: float, cuda: bool, expected: int) -> None:
    assert cmake.jobs(cpus, int(gib * 1024**3), cuda) == expected


def test_programs_look_for_cuda_in_the_toolkit_and_never_in_its_stubs(tmp_path: Path) -> None:
    wrapper = cmake.cuda_variables(tmp_path / "bin" / "nvcc")
    assert wrapper == {"CMAKE_CUDA_COMPILER": str(tmp_path / "bin" / "nvcc")}
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "cuda_runtime.h").touch()
    variables = cmake.cuda_variables(tmp_path / "bin" / "nvcc")
    assert variables["CUDAToolkit_ROOT"] == str(tmp_path)
    assert variables["CMAKE_INSTALL_RPATH"] == str(tmp_path / "lib64")
    assert variables["CMAKE_BUILD_WITH_INSTALL_RPATH"] == "ON"


def test_steps_are_read_from_the_lines_of_ninja() -> None:
    assert cmake.parse_step("[12/194] Building CXX object src/CMakeFiles/llama.dir/a.cpp.o") == (12, 194, "a.cpp.o")
    assert cmake.parse_step("-- Configuring done") is None


def test_the_reason_of_a_failure_is_found_in_the_log() -> None:
    log = [
        "FAILED: a.cpp.o ",
        "/usr/bin/c++ " + "-I/x " * 200,
        "a.cpp:1:1: error: 'x' does not name a type",
        "    1 | x",
        "",
    ]
    assert cmake.meaningful([*log, "ninja: build stopped: subcommand failed."])[0] == log[2]
    assert cmake.meaningful(["one", "two"]) == ["one", "two"]


def test_arguments_are_held_against_the_built_program() -> None:
    argvs = {"chat": ["--port", "8000", "--nosuch"], "code": ["--port", "8001"]}
    (problem,) = cmake.check_argvs(argvs, ["--port", "--host"], "llama.cpp", "0c1e570")
    assert (problem.code, problem.value) == ("THOR-FLAG-UNKNOWN", "--nosuch")
    assert "chat" in problem.variable


# --- The job ---

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


class Job:
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
        (self.source / name).write_text(text)

    def archive(self) -> dict[str, str]:
        """The source as an archive, a folder deep in it, with a repository's pointer as the sdists have."""
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
        return cmake.run_job(self.spec(source), Reporter(self.jobs))

    def engines(self) -> list[str]:
        """What stands under a final name."""
        return sorted(path.name for path in self.folder.glob("engines/toy/*") if not path.name.startswith("."))


@pytest.fixture(name="job")
def _job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def test_an_archive_becomes_a_complete_tree(job: Job) -> None:
    result = job.run(job.archive())
    tree = Path(result["path"])
    assert result["changed"] and result["options"] == ["--port", "-p"]
    assert sorted(path.name for path in tree.iterdir()) == ["bin", "build.json", "help.txt"]
    assert subprocess.check_output([tree / "bin" / "toy", "--version"], text=True) == "toy v1\n"
    told = json.loads((tree / "build.json").read_text())
    assert told["fingerprint"] == result["fingerprint"] == fingerprint(told["inputs"])
    assert (job.folder / "engines/toy/v1").resolve() == tree
    assert not (job.folder / "state/build/toy").joinpath(result["fingerprint"]).exists()
    progress = json.loads((job.jobs / "progress.json").read_text())
    assert progress["text"]


def test_a_commit_is_built_and_not_what_came_after_it(job: Job) -> None:
    source = job.repository()
    result = job.run(source)
    assert job.engines() == ["v1", Path(result["path"]).name]
    assert not list(job.folder.glob("state/src/toy/*/.git"))


def test_the_second_build_comes_from_the_cache_and_the_source_that_is_there(job: Job) -> None:
    source = job.archive()
    tree = Path(job.run(source)["path"])
    shutil.rmtree(tree)
    (job.folder / "toy.tar.gz").unlink()
    job.run(source)
    told = subprocess.check_output(
        ["ccache", "--print-stats"], env={**os.environ, "CCACHE_DIR": str(job.folder / "ccache")}
    )
    stats = dict(line.split("\t") for line in told.decode().splitlines())
    assert int(stats["direct_cache_hit"]) + int(stats["preprocessed_cache_hit"]) == 2


def test_a_damaged_archive_is_refused_and_nothing_is_kept_of_it(job: Job) -> None:
    source = job.archive()
    with (job.folder / "toy.tar.gz").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(JobFailed, match=r"THOR-SOURCE-CHECKSUM.*toy.tar.gz"):
        job.run(source)
    assert job.engines() == []
    assert [path.name for path in job.folder.glob("state/src/toy/*") if not path.name.startswith(".")] == []


@pytest.mark.parametrize(
    "source",
    [
        {"archive": "http://127.0.0.1:9/toy.tar.gz", "sha256": "0" * 64},
        {"git": "/nonexistent/toy.git", "commit": "0" * 40},
    ],
    ids=["archive", "git"],
)
def test_an_unreachable_source_is_told_with_its_address(job: Job, source: dict[str, str]) -> None:
    with pytest.raises(JobFailed, match="THOR-SOURCE-UNREACHABLE") as caught:
        job.run(source)
    assert (source.get("archive") or source["git"]) in str(caught.value)


def test_an_archive_without_an_end_is_not_read_to_it(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    source = job.archive()
    monkeypatch.setattr(cmake, "ARCHIVE_BYTES", 100)
    with pytest.raises(JobFailed, match=r"THOR-SOURCE-CHECKSUM.*larger than 100 bytes"):
        job.run(source)
    # Whoever announces nothing is stopped all the same.
    with hub_server.running() as hub:
        hub.endless = "files"
        hub.files["/toy.tar.gz"] = b""
        with pytest.raises(JobFailed, match="larger than 100 bytes"):
            job.run({**source, "archive": f"{hub.url}/toy.tar.gz"})
        assert hub.poured < 20_000_000, "what the sockets hold, and no more"
    assert not any(path.stat().st_size > 2 << 20 for path in job.folder.glob("state/src/toy/.*/.archive"))


def test_a_cut_is_no_damage(job: Job) -> None:
    with hub_server.running() as hub:
        hub.files["/toy.tar.gz"] = b"x" * 100_000
        hub.cut_after = 1000
        with pytest.raises(JobFailed, match=r"THOR-SOURCE-UNREACHABLE.*1,000 of 100,000 bytes"):
            job.run({"archive": f"{hub.url}/toy.tar.gz", "sha256": "0" * 64})


@pytest.mark.parametrize("limit", ["SOURCE_BYTES", "SOURCE_FILES"])
def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tar.gz"
    (tmp_path / "zeros").write_bytes(bytes(1 << 20))
    with tarfile.open(path, "w:gz") as tar:
        for number in range(5):
            tar.add(tmp_path / "zeros", f"z{number}")
    monkeypatch.setattr(cmake, limit, {"SOURCE_BYTES": 3 << 20, "SOURCE_FILES": 3}[limit])
    (tmp_path / "to").mkdir()
    with pytest.raises(JobFailed, match=r"THOR-SOURCE-CHECKSUM.*unpacks to more than"):
        cmake.unpack(path, tmp_path / "to", "")
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"x" * 2000, mtime=0)[:-9], b"\xfd7zXZ\0" + b"x" * 600, b"BZh9" + b"x" * 600],
)
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(JobFailed, match="THOR-SOURCE-CHECKSUM"):
        cmake.unpack(tmp_path / "a", tmp_path / "to", "")


def test_a_repository_without_an_end_fills_no_disk(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    job.write("noise", random.Random(1).randbytes(300_000).hex())
    source = job.repository()
    monkeypatch.setattr(cmake, "SOURCE_BYTES", 100_000)
    with pytest.raises(JobFailed, match=r"THOR-SOURCE-UNREACHABLE.*more than 100,000 bytes"):
        job.run(source)


def test_a_clock_in_the_past_is_told_of_git_too(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of git with GnuTLS, as Ubuntu has it (curl, lib/vtls/gtls.c)."""
    program = tmp_path / "git"
    program.write_text(
        "#!/bin/sh\necho 'fatal: server certificate verification failed: certificate not activated' >&2\nexit 128\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(JobFailed, match=r"THOR-CLOCK-WRONG.*timedatectl"):
        job.run({"git": "https://127.0.0.1:9/x.git", "commit": "0" * 40})


def test_a_commit_that_the_repository_does_not_have_is_told(job: Job) -> None:
    source = {**job.repository(), "commit": "f" * 40}
    with pytest.raises(JobFailed, match=r"THOR-SOURCE-UNREACHABLE.*ffffffff"):
        job.run(source)


def test_a_compiler_error_is_told_and_the_next_run_goes_on(job: Job) -> None:
    job.write("part.cpp", "int part() { return nosuch; }\n")
    with pytest.raises(JobFailed, match=r"THOR-BUILD-FAILED(?s:.*)nosuch(?s:.*)jobs/log"):
        job.run(job.archive())
    assert job.engines() == []
    job.write("part.cpp", "int part() { return 0; }\n")
    job.run(job.archive())
    assert len(job.engines()) == 2


def test_an_error_of_cmake_itself_is_told(job: Job) -> None:
    job.write("CMakeLists.txt", TOY + 'message(FATAL_ERROR "no such luck")\n')
    with pytest.raises(JobFailed, match=r"THOR-BUILD-FAILED: configure(?s:.*)no such luck"):
        job.run(job.archive())


def test_a_disk_that_is_full_is_told_whoever_finds_out(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    job.write("part.cpp", "#error No space left on device\n")
    with pytest.raises(JobFailed, match="THOR-DISK-FULL: No space left on device while toy v1"):
        job.run(job.archive())
    job.write("part.cpp", "int part() { return 0; }\n")

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", full)
        with pytest.raises(JobFailed, match="THOR-DISK-FULL"):
            job.run(job.archive())
    assert job.engines() == []
    job.run(job.archive())
    assert len(job.engines()) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (MAIN.replace("VERSION); return", '"x"); return').replace('"toy " "x"', '"toy other"'), "does not contain v1"),
        (MAIN.replace("return part()", "return 3"), "exit status 3"),
    ],
    ids=["another version", "fails"],
)
def test_a_program_that_does_not_answer_as_it_should_is_not_installed(job: Job, text: str, reason: str) -> None:
    job.write("main.cpp", text)
    with pytest.raises(JobFailed, match="THOR-BUILD-VERSION") as caught:
        job.run(job.archive())
    assert reason in str(caught.value)
    assert job.engines() == []


def linked_to_nccl(job: Job) -> None:
    """Have the toy find a library on the build host and link it, as ggml does with NCCL."""
    job.write("nccl.cpp", "int part() { return 0; }\n")
    # The library is beside the build, not in it: the build host's own.
    found = job.folder / "libnccl.so.2"
    command = ["g++", "-shared", "-fPIC", "-Wl,-soname,libnccl.so.2", "-o", str(found), str(job.source / "nccl.cpp")]
    subprocess.run(command, check=True)
    job.write("CMakeLists.txt", TOY.replace(" part.cpp", "") + f"target_link_libraries(toy PRIVATE {found})\n")


def test_a_program_that_asks_for_what_jetpack_does_not_have_is_not_installed(job: Job) -> None:
    linked_to_nccl(job)
    with pytest.raises(JobFailed, match=r"THOR-BUILD-LIBRARY: toy .* bin/toy asks for libnccl\.so\.2\.") as caught:
        job.run(job.archive())
    assert "libc.so" not in str(caught.value)
    assert job.engines() == []
    job.libraries = [*SYSTEM, "libnccl.so.*"]
    told = json.loads((Path(job.run(job.archive())["path"]) / "build.json").read_text())
    assert "libnccl.so.2" in told["libraries"] and "libc.so.6" in told["libraries"]


def test_a_library_that_the_tree_brings_along_is_no_strange_one(job: Job, tmp_path: Path) -> None:
    linked_to_nccl(job)
    job.libraries = ["*"]
    tree = Path(job.run(job.archive())["path"])
    with pytest.raises(JobFailed, match="bin/toy asks for libnccl"):
        cmake.check_libraries(tree, SYSTEM, "toy")
    (tree / "lib").mkdir()
    shutil.copy(tmp_path / "libnccl.so.2", tree / "lib")
    assert "libnccl.so.2" in cmake.check_libraries(tree, SYSTEM, "toy")


@pytest.mark.parametrize("program", [sys.executable, "/bin/sh", shutil.which("cmake")])
def test_what_a_program_needs_is_read_as_readelf_reads_it(program: str) -> None:
    told = subprocess.run(["readelf", "-d", program], check=True, capture_output=True, text=True).stdout
    assert elf.needed(Path(program)) == re.findall(r"\(NEEDED\).*\[(.*)\]", told)


def test_a_damaged_program_is_said_so(tmp_path: Path) -> None:
    whole = Path("/bin/sh").read_bytes()
    for length in (8, 40, 70, 500):
        (tmp_path / "sh").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"sh is (a damaged|not a 64-bit) ELF file"):
            elf.needed(tmp_path / "sh")


def test_unknown_arguments_are_told_after_the_build_and_by_the_service(job: Job) -> None:
    job.argvs = {"chat": ["--prot", "1"]}
    with pytest.raises(JobFailed, match=r"THOR-FLAG-UNKNOWN.*chat.*--prot.*'--port'"):
        job.run(job.archive())


def test_a_version_that_was_built_before_only_gets_its_link_back(job: Job) -> None:
    first = Path(job.run(job.archive())["path"])
    job.write("part.cpp", "int part() { return  0; }\n")
    second = Path(job.run(job.archive())["path"])
    assert first != second and cmake.is_current(second, "v1")
    cmake.make_current(first, "v1")
    assert cmake.is_current(first, "v1") and second.is_dir()


def _run_in_child(spec: dict[str, Any], folder: Path) -> None:
    os.setsid()
    cmake.run_job(spec, Reporter(folder))


@pytest.mark.parametrize("moment", ["src/toy/.*.partial", "build/toy/*/build.ninja", "build/toy/*/bin/toy"])
def test_killed_at_any_point_the_next_run_finishes(job: Job, moment: str) -> None:
    spec = job.spec(job.archive())
    child = multiprocessing.get_context("fork").Process(target=_run_in_child, args=(spec, job.jobs))
    child.start()
    assert child.pid
    _wait_until(lambda: any((job.folder / "state").glob(moment)) or not child.is_alive())
    os.killpg(child.pid, signal.SIGKILL)
    child.join()
    for name in job.engines():
        assert (job.folder / "engines/toy" / name / "build.json").is_file()
    job.run(job.archive())
    assert len(job.engines()) == 2


def test_a_build_tree_of_another_boot_is_not_trusted(job: Job) -> None:
    spec = job.spec(job.archive())
    build = job.folder / "state/build/toy" / fingerprint(spec["inputs"])
    build.mkdir(parents=True)
    (build / ".boot_id").write_text("another")
    (build / "CMakeCache.txt").write_text("cut off by the pow")
    job.run(job.archive())
    assert len(job.engines()) == 2


def test_an_archive_that_would_leave_its_folder_is_refused(tmp_path: Path) -> None:
    if not hasattr(tarfile, "data_filter"):
        pytest.skip("this Python does not look")
    path = tmp_path / "a.tar"
    (tmp_path / "x").write_text("x")
    with tarfile.open(path, "w") as tar:
        tar.add(tmp_path / "x", "../../escaped")
    (tmp_path / "to").mkdir()
    with pytest.raises(JobFailed, match="THOR-SOURCE-CHECKSUM"):
        cmake.unpack(path, tmp_path / "to", "")


def _wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)
