# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Builds of native engines with CMake: the job that fetches, compiles and installs.

A finished build is the tree ``<prefix>/<engine>/<version>-<fingerprint>`` with ``bin/``, ``help.txt`` and
``build.json``, and the link ``<prefix>/<engine>/<version>`` that points to it. Both appear in one rename each, after
the program answered.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import gzip
import hashlib
import http.client
import json
import lzma
import os
import re
import resource
import shutil
import signal
import subprocess
import tarfile
import tempfile
import urllib.error
import zlib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from ansible.module_utils.urls import open_url
from ansible_collections.jetson.thor.plugins.module_utils import files, flags, records
from ansible_collections.jetson.thor.plugins.module_utils import network_errors as network
from ansible_collections.jetson.thor.plugins.module_utils.builds import elf, finished
from ansible_collections.jetson.thor.plugins.module_utils.builds.inputs import fingerprint
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, nearest

# What one compiler may take at its peak, in GiB. Measured on llama.cpp's largest files: 0.7 with g++, 0.68 with nvcc
# 13.0 for one architecture (argsort.cu; flash attention 0.41). More architectures take more.
JOB_GIB = 0.75
CUDA_JOB_GIB = 1.0
# A program that is asked for its version answers at once; on a device the CUDA driver comes up first.
ANSWER_SECONDS = 120
# Far beyond any source of an engine: llama-cpp-python's, the largest that was seen, has less than 100 MB as an archive.
ARCHIVE_BYTES = 1 << 30
SOURCE_BYTES = 8 << 30
SOURCE_FILES = 200_000
SAID_BYTES = 1 << 16
NINJA_STATUS = "[%f/%t] "

_ERROR = re.compile(r"\berror\b|\bfatal\b|undefined reference|Killed", re.IGNORECASE)
_STEP = re.compile(r"\[(\d+)/(\d+)\] (.*)")


# --- The compilers' work: pure ---


def jobs(cpus: int, available_bytes: int | None, cuda: bool) -> int:
    """How many compilers may run at once: one for each CPU, as far as the memory that is free goes (None: not known)."""
    if available_bytes is None:
        return 1
    each = CUDA_JOB_GIB if cuda else JOB_GIB
    return max(1, min(cpus, int(available_bytes / 1024**3 / each)))


def parse_step(line: str) -> tuple[int, int, str] | None:
    """``[12/194] Building CXX object x/y.cpp.o`` is ``(12, 194, "y.cpp.o")``; another line is None."""
    match = _STEP.match(line)
    return (int(match[1]), int(match[2]), match[3].rsplit("/", 1)[-1]) if match else None


def meaningful(lines: Sequence[str], limit: int = 8) -> list[str]:
    """The lines of a build's log that tell why it failed: from the first error on, else the end of it."""
    # The command that failed follows FAILED: and is pages long.
    told = [line for line in lines if line.strip() and len(line) < 500 and not line.startswith("FAILED:")]
    first = next((index for index, line in enumerate(told) if _ERROR.search(line)), None)
    return told[-limit:] if first is None else told[first : first + limit]


def check_argvs(argvs: Mapping[str, Sequence[str]], options: Iterable[str], engine: str, version: str) -> list[Problem]:
    """Hold the services' arguments against the options that the built program shows in its help."""
    known = {name: {"aliases": ()} for name in options}
    found: list[Problem] = []
    for service, argv in argvs.items():
        for name in flags.unknown(argv, known):
            where = f"thor_services[{service!r}].argv"
            reason = f"{engine} as built at {version} has no {name}."
            found.append(Problem("THOR-FLAG-UNKNOWN", where, name, reason, nearest(name, known)))
    return found


# --- What is there ---


def tree_of(prefix: str, engine: str, version: str, print_: str) -> Path:
    """The final name of a build."""
    return Path(prefix) / engine / f"{version}-{print_}"


def read_build(tree: Path) -> dict[str, Any] | None:
    """The build.json of a finished tree; None where there is none, or where the tree is damaged."""
    return finished.read(tree)


def is_current(tree: Path, version: str) -> bool:
    """Whether the version's link points to this tree."""
    link = tree.parent / version
    return link.is_symlink() and os.readlink(link) == tree.name


def make_current(tree: Path, version: str) -> None:
    """Point the version's link to a finished tree, in one rename."""
    new = tree.parent / f".{version}.{os.getpid()}"
    new.symlink_to(tree.name)
    new.replace(tree.parent / version)
    _sync(tree.parent)


# --- The job ---


def run_job(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """Build, install and make current what ``spec`` says; go on where an earlier job was cut off.

    Keys of ``spec``: ``inputs``, ``source``, ``version_text``, ``argvs``, ``libraries`` (see :func:`check_libraries`), ``nvcc``,
    ``jobs`` (0: bounded by memory), ``prefix``, ``state`` (folder of sources and build trees), ``ccache``, ``environment``.
    Raises JobFailed for whatever a person can put right.
    """
    try:
        return _run_job(spec, report)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        wanted = spec["inputs"]
        free = " and ".join(f"{_free_bytes(spec[key]):,} on {spec[key]}" for key in ("state", "prefix"))
        raise JobFailed(
            f"THOR-DISK-FULL: {error.strerror} while {wanted['engine']} {wanted['version']} was built; {free} are free "
            "now (bytes). Nothing was installed. Make room and run the play again: it goes on from there. "
            f"{spec['ccache']} and {spec['state']}/src may be deleted at any time."
        ) from error


def _free_bytes(place: str) -> int:
    """What is free on the disk that a folder is, or will be, on."""
    path = Path(place)
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _run_job(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    wanted = spec["inputs"]
    print_ = fingerprint(wanted)
    tree = tree_of(spec["prefix"], wanted["engine"], wanted["version"], print_)
    shown = difference(tree, wanted)
    if read_build(tree) is None:
        # A unit does not inherit the environment of the play, where the proxies are.
        os.environ.update(spec["environment"])
        tree.parent.mkdir(parents=True, exist_ok=True)
        source = fetch_source(spec, report)
        build = Path(spec["state"]) / "build" / wanted["engine"] / print_
        compile_source(spec, source, build, report)
        install(spec, build, tree, report)
        shutil.rmtree(build)
    make_current(tree, wanted["version"])
    done = summary(tree)
    problems = check_argvs(spec["argvs"], done["options"], wanted["engine"], wanted["version"])
    if problems:
        told = [problem.as_dict() for problem in problems]
        raise JobFailed("\n".join(problem.text() for problem in problems), problems=told)
    return {"changed": True, "diff": shown, **done}


def difference(tree: Path, wanted: Mapping[str, Any]) -> dict[str, str]:
    """What goes into the build that is current, and into the one that is wanted, as Ansible's diff mode shows it."""
    link = tree.parent / wanted["version"]
    before = read_build(link)
    return {
        "before_header": str(link.resolve()) if before else "no build",
        "before": _pretty(before["inputs"]) if before else "",
        "after_header": str(tree),
        "after": _pretty(wanted),
    }


def _pretty(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def summary(tree: Path) -> dict[str, Any]:
    """What a module returns of a finished build."""
    told = read_build(tree) or {}
    return {
        "path": str(tree),
        "fingerprint": told.get("fingerprint"),
        "version_output": told.get("version_output"),
        "options": told.get("options"),
    }


def fetch_source(spec: Mapping[str, Any], report: Reporter) -> Path:
    """The source's folder, complete: fetched and checked unless it is there already."""
    source = spec["source"]
    key = source.get("commit") or source["sha256"][:12]
    folder = Path(spec["state"]) / "src" / spec["inputs"]["engine"] / key
    if not folder.is_dir():
        partial = folder.with_name(f".{key}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        if source.get("commit"):
            _fetch_git(source, partial, report)
        else:
            _fetch_archive(source, partial, report)
        # The files reach the disk before the name does.
        os.sync()
        partial.rename(folder)
    inside: Path = folder / (source.get("subdirectory") or "")
    if not (inside / "CMakeLists.txt").is_file():
        place = source.get("subdirectory") or "its top folder"
        raise JobFailed(
            f"THOR-SOURCE-CHECKSUM: {source.get('git') or source['archive']} holds no CMakeLists.txt in {place}. "
            "Set subdirectory of the engine's source to the folder that does."
        )
    return inside


# A line that is dead for a minute is given up; what comes stays in one file, whose size is bounded.
_PATIENCE = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60", "-c", "fetch.unpackLimit=1")


def _bound_files() -> None:
    """In the child: no file of it grows beyond what a source may have; it is told so, and not killed."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SOURCE_BYTES, SOURCE_BYTES))


def _fetch_git(source: Mapping[str, Any], folder: Path, report: Reporter) -> None:
    """One commit of a repository, without its history."""
    url, commit = source["git"], source["commit"]
    report.progress(0, 0, text=f"fetch {commit[:7]} of {url}")

    def git(*arguments: str) -> str:
        # What the far side says goes to a file too, which has an end.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                ["git", "-C", folder, *_PATIENCE, *arguments],
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                check=False,
                env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
                preexec_fn=_bound_files,
            )
            said.seek(max(0, said.tell() - SAID_BYTES))
            words = said.read().decode(errors="replace")
        report.say(f"git {' '.join(arguments)}\n{words}".rstrip())
        if done.returncode != 0:
            _raise_no_space([words])
            if "File too large" in words:
                words = f"it sends more than {SOURCE_BYTES:,} bytes. {words}"
            remedy = (
                "Check the address, the host's network and its proxy; or give the source as an archive with its sha256."
            )
            raise _unreachable(f"commit {commit} of {url}", " ".join(words.split()), remedy)
        return str(done.stdout).strip()

    git("init", "--quiet")
    git("fetch", "--quiet", "--depth", "1", "--", url, commit)
    head = git("rev-parse", "FETCH_HEAD")
    if head != commit:
        raise JobFailed(
            f"THOR-SOURCE-CHECKSUM: {url} gave commit {head} where {commit} was asked for. "
            "Pin the full commit (40 hexadecimal digits) in the engine's source."
        )
    git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    # The commit was checked; the build must not look into a repository for its version.
    shutil.rmtree(folder / ".git")


def _unreachable(what: str, reason: str, remedy: str) -> JobFailed:
    """A source that cannot be fetched, and the way out; a clock in the past has another one than the network."""
    if network.clock_is_behind(reason):
        return JobFailed(f"THOR-CLOCK-WRONG: {what} cannot be fetched: {reason} {network.CLOCK_REMEDY}")
    return JobFailed(f"THOR-SOURCE-UNREACHABLE: {what} cannot be fetched: {reason} {remedy}")


def _fetch_archive(source: Mapping[str, Any], folder: Path, report: Reporter) -> None:
    """An archive, hashed while it comes in; only ``subdirectory`` of it is unpacked."""
    url = source["archive"]
    archive = folder / ".archive"
    digest = hashlib.sha256()
    try:
        with open_url(url, timeout=60) as answer, archive.open("wb") as stream:
            announced = str(answer.headers.get("Content-Length") or "")
            total = int(announced) if announced.isdecimal() else 0
            while stream.tell() <= ARCHIVE_BYTES and (block := answer.read1(1 << 20)):
                digest.update(block)
                stream.write(block)
                report.progress(stream.tell(), total, "B", f"fetch {url}")
            if max(stream.tell(), total) > ARCHIVE_BYTES:
                raise JobFailed(
                    f"THOR-SOURCE-CHECKSUM: {url} is larger than {ARCHIVE_BYTES:,} bytes, and no source of an engine is. Nothing "
                    "of it is kept. Check the address."
                )
            if stream.tell() < total:
                raise EOFError(f"the server closed after {stream.tell():,} of {total:,} bytes")
    except (urllib.error.URLError, OSError, ValueError, EOFError, http.client.HTTPException) as error:
        _raise_no_space([str(error)])
        raise _unreachable(
            url, f"{error}.", "Check the address, the host's network, its proxy and its disk."
        ) from error
    if digest.hexdigest() != source["sha256"]:
        raise JobFailed(
            f"THOR-SOURCE-CHECKSUM: {url} has sha256 {digest.hexdigest()} where {source['sha256']} is pinned. "
            "It is not the archive that was pinned, or it was damaged on the way; it was not built from. Run the play "
            "again, and where it stays so, find out why before you change the pin."
        )
    report.say(f"unpack {url}")
    unpack(archive, folder, source.get("subdirectory") or "")
    archive.unlink()


def unpack(archive: Path, folder: Path, subdirectory: str) -> None:
    """Unpack ``subdirectory`` of a tar archive into ``folder``, without the repository pointers that lie in some."""
    inside = PurePosixPath(subdirectory).parts
    try:
        with tarfile.open(archive) as tar:
            members = []
            size = 0
            # As it is read, because a megabyte of zeros is a kilobyte in an archive: not the whole table of contents first.
            for number, member in enumerate(tar):
                size += member.size
                if size > SOURCE_BYTES or number >= SOURCE_FILES:
                    raise tarfile.TarError(f"it unpacks to more than {SOURCE_BYTES:,} bytes or {SOURCE_FILES:,} files")
                if (parts := PurePosixPath(member.name).parts)[: len(inside)] == inside and ".git" not in parts:
                    members.append(member)
            # Python 3.11.4 and later refuse whatever would leave the folder.
            keywords: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            tar.extractall(folder, members, **keywords)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise JobFailed(
            f"THOR-SOURCE-CHECKSUM: the archive cannot be unpacked: {error}. Its sha256 is the pinned one, so that the "
            "pin is of something else than a tar archive: mend the engine's source."
        ) from error


def compile_source(spec: Mapping[str, Any], source: Path, build: Path, report: Reporter) -> None:
    """Configure and compile into ``build``, going on with what an earlier job left there."""
    wanted = spec["inputs"]
    cuda = wanted["cuda"] is not None
    _drop_stale(build)
    environment = {
        **os.environ,
        "NINJA_STATUS": NINJA_STATUS,
        "CCACHE_DIR": spec["ccache"],
        # The next version's sources have another path; what did not change in them still comes from the cache.
        "CCACHE_BASEDIR": spec["state"],
    }
    variables = {**wanted["options"], **dict.fromkeys(_launchers(cuda), "ccache")}
    if cuda:
        variables |= cuda_variables(Path(spec["nvcc"]))
    count = spec["jobs"] or jobs(len(os.sched_getaffinity(0)), files.memory(None).get("MemAvailable"), cuda)
    report.progress(0, 0, text="configure")
    definitions = [f"-D{name}={value}" for name, value in sorted(variables.items())]
    _run(["cmake", "-S", source, "-B", build, "-G", "Ninja", *definitions], "configure", environment, report)
    report.say(f"{count} compilers at once")
    targets = [part for target in wanted["targets"] for part in ("--target", target)]
    _run(["cmake", "--build", build, "--parallel", str(count), *targets], "compile", environment, report)


def _launchers(cuda: bool) -> list[str]:
    return [f"CMAKE_{language}_COMPILER_LAUNCHER" for language in ("C", "CXX", *(["CUDA"] if cuda else []))]


def cuda_variables(nvcc: Path) -> dict[str, str]:
    """Where the toolkit is: CMake would look on PATH, which has no /usr/local/cuda/bin under systemd."""
    variables = {"CMAKE_CUDA_COMPILER": str(nvcc)}
    root = nvcc.parent.parent
    # /usr/local/bin/nvcc may be a wrapper: then CMake asks it where the toolkit is.
    if (root / "include" / "cuda_runtime.h").exists():
        variables["CUDAToolkit_ROOT"] = str(root)
        # By itself CMake would have the programs search the toolkit's stub of the driver before the driver.
        variables |= {"CMAKE_BUILD_WITH_INSTALL_RPATH": "ON", "CMAKE_INSTALL_RPATH": str(root / "lib64")}
    return variables


def _drop_stale(build: Path) -> None:
    """Start afresh where the machine went down during the build: ninja trusts files that may not have reached the disk.

    The compiler cache keeps checksums, so that what was compiled is not lost.
    """
    boot = files.text(Path("/proc/sys/kernel/random/boot_id"))
    mark = build / ".boot_id"
    if build.exists() and (boot is None or files.text(mark) != boot):
        shutil.rmtree(build)
    build.mkdir(parents=True, exist_ok=True)
    mark.write_text(f"{boot}\n", encoding="ascii")


def _run(command: Sequence[str | Path], step: str, environment: Mapping[str, str], report: Reporter) -> None:
    """Run a tool with its output in the log and its steps as progress; JobFailed with what it said last."""
    report.say(" ".join(map(str, command)))
    last: collections.deque[str] = collections.deque(maxlen=200)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment
    )
    with process:
        for line in process.stdout or ():
            report.say(line.rstrip("\n"))
            if found := parse_step(line):
                done, total, text = found
                report.progress(done, total, "steps", text)
            else:
                last.append(line.rstrip("\n"))
    if process.returncode != 0:
        _raise_no_space(last)
        told = "\n".join(meaningful(last))
        raise JobFailed(
            f"THOR-BUILD-FAILED: {step} failed (exit status {process.returncode}):\n{told}\n"
            f"The whole log is {report.folder / 'log'} on the host. Run the play again when the cause is gone: it goes "
            "on from there. Where a compiler was killed, memory ran out: set a lower number of jobs."
        )


def _raise_no_space(lines: Iterable[str]) -> None:
    """Where a tool failed because the disk is full, raise what this program would have got itself."""
    text = os.strerror(errno.ENOSPC)
    if any(text in line for line in lines):
        raise OSError(errno.ENOSPC, text)


def check_libraries(tree: Path, allowed: Sequence[str], engine: str) -> list[str]:
    """The libraries that programs and libraries of a tree ask for; JobFailed where one is not among those ``allowed``.

    A build finds more than its options ask for: where NCCL is installed, ggml links it, and the tree that is copied to a device
    without it does not start there. ``allowed`` are patterns of file names, such as ``libcublas.so.*``.
    """
    wanted: dict[str, list[str]] = {}
    for path in sorted(tree.rglob("*")):
        if path.is_file() and elf.is_elf(path):
            for name in elf.needed(path):
                wanted.setdefault(name, []).append(path.relative_to(tree).as_posix())
    brought = {path.name for path in tree.rglob("*.so*")}
    strange = {
        name: users
        for name, users in sorted(wanted.items())
        if name not in brought and not any(fnmatchcase(name, pattern) for pattern in allowed)
    }
    if strange:
        told = "; ".join(f"{', '.join(users)} asks for {name}" for name, users in strange.items())
        raise JobFailed(
            f"THOR-BUILD-LIBRARY: {engine} was built, and not installed: {told}. A device as JetPack makes it has no such library. "
            "The build found it on this host: switch it off with a CMake option of the engine "
            "(llama_cpp_cmake_options or whisper_cpp_cmake_options, as GGML_CUDA_NCCL: false does for libnccl), or, where every "
            "device has it, add its name to cmake_build_libraries."
        )
    return sorted(wanted)


def install(spec: Mapping[str, Any], build: Path, tree: Path, report: Reporter) -> None:
    """Lay the programs out beside the final name, check what they need, ask the first for its version and help, and rename."""
    wanted = spec["inputs"]
    stage = tree.with_name(f".{tree.name}.partial")
    shutil.rmtree(stage, ignore_errors=True)
    (stage / "bin").mkdir(parents=True)
    for name in wanted["programs"]:
        if not (build / name).is_file():
            raise JobFailed(
                f"THOR-BUILD-FAILED: the build made no {name}. Targets: {', '.join(wanted['targets'])}. "
                "Name the programs by their paths in the build tree, and a target that makes each of them."
            )
        shutil.copy2(build / name, stage / "bin" / Path(name).name)
    libraries = check_libraries(stage, spec["libraries"], wanted["engine"])
    program = stage / "bin" / Path(wanted["programs"][0]).name
    report.progress(0, 0, text=f"ask {program.name} for its version and help")
    version_output = _ask(program, "--version") if spec["version_text"] else ""
    if spec["version_text"] not in version_output:
        raise JobFailed(
            f"THOR-BUILD-VERSION: {program.name} was built from {wanted['source']} and says:\n{version_output}\n"
            f"That does not contain {spec['version_text']}: the engine's version and the commit of its source do not "
            "belong together. Mend the catalog entry."
        )
    help_text = _ask(program, "--help")
    (stage / "help.txt").write_text(help_text, encoding="utf-8")
    options: list[str] = []
    with contextlib.suppress(ValueError):
        found = flags.parse_help(help_text)["options"]
        spellings = {name for key, one in found.items() for name in (key, one["negation"], *one["aliases"])}
        options = sorted(spellings - {None})
    content = {
        "schema": 1,
        "fingerprint": fingerprint(wanted),
        "inputs": wanted,
        "programs": {path.name: finished.measure(path) for path in sorted((stage / "bin").iterdir())},
        "libraries": libraries,
        "version_output": version_output,
        "options": options,
    }
    records.write(stage / finished.NAME, content, 0o644)
    for path in (*stage.rglob("*"), stage):
        _sync(path)
    # A tree without its build.json is no build: somebody took it apart.
    shutil.rmtree(tree, ignore_errors=True)
    stage.rename(tree)
    _sync(tree.parent)
    report.say(f"installed {tree}")


def _ask(program: Path, question: str) -> str:
    """What a program prints of itself; it must answer at once, and without an error."""
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
            "It was not installed. A library that it needs may be missing on this host (ldd tells which)."
        )
    return done.stdout.strip() + "\n"


def _sync(path: Path) -> None:
    """Have a file or folder on the disk before anything refers to it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
