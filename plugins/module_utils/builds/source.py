# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Fetch the source of a build: one commit of a Git repository, or an archive, verified and bounded."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import lzma
import os
import resource
import shutil
import signal
import subprocess
import tarfile
import tempfile
import urllib.error
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ansible.module_utils.urls import open_url
from ansible_collections.jetson.thor.plugins.module_utils import network_errors
from ansible_collections.jetson.thor.plugins.module_utils.builds import tools
from ansible_collections.jetson.thor.plugins.module_utils.jobs import JobFailed, Reporter

# Far beyond any engine's source: llama-cpp-python, the largest seen, is less than 100 MB as an archive.
ARCHIVE_BYTES = 1 << 30
SOURCE_BYTES = 8 << 30
SOURCE_FILES = 200_000
STDERR_BYTES = 1 << 16
# Give up after a minute without data. fetch.unpackLimit keeps what arrives in one file, whose size is bounded.
_GIT_LIMITS = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60", "-c", "fetch.unpackLimit=1")


def fetch(source: Mapping[str, Any], folder: Path, report: Reporter) -> Path:
    """Fetch and verify a source unless ``folder`` has it already; returns the directory to build from."""
    key = source.get("commit") or source["sha256"][:12]
    complete = folder / key
    if not complete.is_dir():
        partial = complete.with_name(f".{key}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        if source.get("commit"):
            _fetch_git(source["git"], source["commit"], partial, report)
        else:
            _fetch_archive(source, partial, report)
        # The files must be on disk before the name is.
        os.sync()
        partial.rename(complete)
    inside: Path = complete / (source.get("subdirectory") or "")
    if not (inside / "CMakeLists.txt").is_file():
        place = source.get("subdirectory") or "its top folder"
        raise JobFailed(
            f"THOR-SOURCE-CHECKSUM: {source.get('git') or source['archive']} has no CMakeLists.txt in {place}. "
            "Set subdirectory of the engine's source to the folder that does."
        )
    return inside


def _fetch_git(url: str, commit: str, folder: Path, report: Reporter) -> None:
    """One commit of a repository, without its history."""
    report.progress(0, 0, text=f"fetch {commit[:7]} of {url}")
    _git(folder, report, "init", "--quiet")
    what = f"commit {commit} of {url}"
    _git(folder, report, "fetch", "--quiet", "--depth", "1", "--", url, commit, what=what)
    head = _git(folder, report, "rev-parse", "FETCH_HEAD")
    if head != commit:
        raise JobFailed(
            f"THOR-SOURCE-CHECKSUM: {url} gave commit {head} where {commit} was requested. "
            "Pin the full commit (40 hexadecimal digits) in the engine's source."
        )
    _git(folder, report, "checkout", "--quiet", "--detach", "FETCH_HEAD")
    # The commit has been verified; the build must not look into a repository for its version.
    shutil.rmtree(folder / ".git")


def _git(folder: Path, report: Reporter, *arguments: str, what: str = "the source") -> str:
    """Run git and return its output; ``what`` names in an error what could not be fetched."""
    # The server's messages go to a file too, so that they are bounded as well.
    with tempfile.TemporaryFile() as stderr:
        done = subprocess.run(
            ["git", "-C", folder, *_GIT_LIMITS, *arguments],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            check=False,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            preexec_fn=_limit_file_size,
        )
        stderr.seek(max(0, stderr.tell() - STDERR_BYTES))
        words = stderr.read().decode(errors="replace")
    report.say(f"git {' '.join(arguments)}\n{words}".rstrip())
    if done.returncode != 0:
        tools.raise_no_space([words])
        if "File too large" in words:
            words = f"it sends more than {SOURCE_BYTES:,} bytes. {words}"
        remedy = (
            "Check the address, the host's network and its proxy; or give the source as an archive with its sha256."
        )
        raise _unreachable(what, " ".join(words.split()), remedy)
    return str(done.stdout).strip()


def _limit_file_size() -> None:
    """In the child process: no file may exceed the limit for a source. Writing beyond it is an error, not a fatal signal."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SOURCE_BYTES, SOURCE_BYTES))


def _unreachable(what: str, reason: str, remedy: str) -> JobFailed:
    """The failure to fetch a source, with the remedy; a clock in the past has a remedy of its own."""
    if network_errors.clock_is_behind(reason):
        return JobFailed(f"THOR-CLOCK-WRONG: {what} cannot be fetched: {reason} {network_errors.CLOCK_REMEDY}")
    return JobFailed(f"THOR-SOURCE-UNREACHABLE: {what} cannot be fetched: {reason} {remedy}")


def _fetch_archive(source: Mapping[str, Any], folder: Path, report: Reporter) -> None:
    """Download and verify an archive; only its ``subdirectory`` is unpacked."""
    url = source["archive"]
    archive = folder / ".archive"
    try:
        digest = _download(url, archive, report)
    except (urllib.error.URLError, OSError, ValueError, EOFError, http.client.HTTPException) as error:
        tools.raise_no_space([str(error)])
        remedy = "Check the address, the host's network, its proxy and its disk."
        raise _unreachable(url, f"{error}.", remedy) from error
    if digest != source["sha256"]:
        raise JobFailed(
            f"THOR-SOURCE-CHECKSUM: {url} has sha256 {digest}, but {source['sha256']} is pinned. It is not the pinned archive, "
            "or it was damaged on the way; nothing was built from it. Run the play again; if the error stays, find out why "
            "before you change the pin."
        )
    report.say(f"unpack {url}")
    unpack(archive, folder, source.get("subdirectory") or "")
    archive.unlink()


def _download(url: str, archive: Path, report: Reporter) -> str:
    """Download a file of bounded size; returns its sha256."""
    digest = hashlib.sha256()
    with open_url(url, timeout=60) as answer, archive.open("wb") as stream:
        announced = str(answer.headers.get("Content-Length") or "")
        total = int(announced) if announced.isdecimal() else 0
        while stream.tell() <= ARCHIVE_BYTES and (block := answer.read1(1 << 20)):
            digest.update(block)
            stream.write(block)
            report.progress(stream.tell(), total, "B", f"fetch {url}")
        if max(stream.tell(), total) > ARCHIVE_BYTES:
            raise JobFailed(
                f"THOR-SOURCE-CHECKSUM: {url} is larger than {ARCHIVE_BYTES:,} bytes, which no engine's source is. Nothing was "
                "kept. Check the address."
            )
        if stream.tell() < total:
            raise EOFError(f"the server closed after {stream.tell():,} of {total:,} bytes")
    return digest.hexdigest()


def unpack(archive: Path, folder: Path, subdirectory: str) -> None:
    """Unpack ``subdirectory`` of a tar archive into ``folder``, without the repository pointers that some contain."""
    inside = PurePosixPath(subdirectory).parts
    try:
        with tarfile.open(archive) as tar:
            members = []
            size = 0
            # Checked while reading, since a megabyte of zeros is a kilobyte in an archive.
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
            f"THOR-SOURCE-CHECKSUM: the archive cannot be unpacked: {error}. Its sha256 is the pinned one, so the pin is of "
            "something other than a tar archive: correct the engine's source."
        ) from error
