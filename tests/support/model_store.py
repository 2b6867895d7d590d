# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Helpers for tests of the model store: specifications of jobs, and what is on disk after them."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hub_server
import huggingface_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import jobs
from ansible_collections.jetson.thor.plugins.module_utils.models import fetch, parameters, sources
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import MANIFEST

ID = "acme/small"
ROOT = Path(__file__).resolve().parents[2]
BIG = random.Random(1).randbytes(3_000_000)
FILES = {"config.json": b'{"layers": 2}', "model.gguf": BIG, "sub/deep/tokenizer.txt": b"a b c\n", "empty": b""}
# What a client may have received but not written when it is killed: the buffer of Python's file object.
BUFFER = 8192
JOB = """
import json, sys
from ansible_collections.jetson.thor.plugins.module_utils.models import fetch
class Quiet:
    def progress(self, *_args, **_more): pass
    def say(self, _line): pass
fetch.run_job(json.loads(sys.argv[1]), Quiet())
"""


class Recorder:
    """A reporter that keeps what it receives."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.amounts: list[tuple[float, float]] = []

    def progress(self, done: float, total: float, unit: str = "steps", text: str = "") -> None:
        """Keep an amount."""
        assert unit == "B"
        assert text
        self.amounts.append((done, total))

    def say(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)


def model(hub: hub_server.Hub, place: Path, **changes: Any) -> dict[str, Any]:
    """The specification of the small model's job; ``changes`` of its one source or of the rest."""
    name = "huggingface" if isinstance(hub, huggingface_server.HuggingFace) else "modelscope"
    source, reached = {"hub": name, "id": ID}, {"endpoint": hub.url, "client": sys.prefix}
    source |= {key: changes.pop(key) for key in ("id", "revision", "commit") if key in changes}
    reached |= {key: changes.pop(key) for key in ("endpoint", "token", "client") if key in changes}
    params: dict[str, Any] = {
        "sources": [source],
        "hubs": {name: reached},
        "include": ["*"],
        "exclude": [],
        "update": False,
        "beside": False,
        "path": str(place),
        "sha256": {},
        "staging": None,
        "verify_checksums": False,
        "retries": 1,
        # A loaded machine answers late. Tests that wait for a silence name their own.
        "idle_timeout": 10 if name == "huggingface" else 2,
        "timeout": 60,
    }
    return parameters.model_spec(params | changes)


def source_of(spec: dict[str, Any]) -> dict[str, Any]:
    """The specification of a job's only source."""
    (source,) = spec["sources"]
    return sources.of_source(spec, source)


def url(hub: hub_server.Hub, place: Path, **changes: Any) -> dict[str, Any]:
    """The specification of a URL's job."""
    params: dict[str, Any] = {
        "url": f"{hub.url}/t.jinja",
        "checksum": None,
        "path": str(place),
        "file": "t.jinja",
        "max_bytes": None,
        "staging": None,
        "verify_checksums": False,
        "retries": 1,
        "idle_timeout": 2,
        "timeout": 60,
    }
    return parameters.url_spec(params | changes)


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Do what the module and then the job do."""
    return fetch.settled(spec, check_mode=False) or fetch.run_job(spec, Recorder())


def problem_of(spec: dict[str, Any]) -> dict[str, Any]:
    """The problem of a job that must fail."""
    with pytest.raises(jobs.JobFailed) as caught:
        fetch.run_job(spec, Recorder())
    problem: dict[str, Any] = caught.value.extra["problems"][0]
    assert str(caught.value).startswith(problem["code"])
    assert problem["remedy"]
    return problem


def content(place: Path) -> dict[str, bytes]:
    """All files of a directory except the manifest."""
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }


def manifest(place: Path) -> dict[str, Any]:
    """The directory's manifest."""
    data: dict[str, Any] = json.loads((place / MANIFEST).read_text())
    return data


def staged(place: Path) -> list[str]:
    """Files in staging."""
    return sorted(path.name for path in place.parents[1].rglob("*") if ".thor" in path.parts and path.is_file())


def sha(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def in_process(spec: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """The job in a process of its own, killed when the block ends."""
    with subprocess.Popen([sys.executable, "-c", JOB, json.dumps(spec)], cwd=ROOT / "collections") as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


@contextlib.contextmanager
def small_disk(path: Path, size: int) -> Iterator[int]:
    """A file system of ``size`` bytes (ENOSPC); if mounting is not allowed, the limit to set for a file (EFBIG)."""
    path.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    mounted = libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, f"size={size}".encode()) == 0
    try:
        yield -1 if mounted else size
    finally:
        if mounted:
            libc.umount2(os.fsencode(path), 2)  # MNT_DETACH


def run_out_of_space(spec: dict[str, Any], limit: int) -> dict[str, Any]:
    """The problem of a job that runs out of space, which the check beforehand does not notice."""
    code = """
import json, resource, shutil, signal, sys
from ansible_collections.jetson.thor.plugins.module_utils import jobs
from ansible_collections.jetson.thor.plugins.module_utils.models import fetch
class Quiet:
    def progress(self, *_args, **_more): pass
    def say(self, _line): pass
shutil.disk_usage = lambda path: shutil._ntuple_diskusage(10**12, 0, 10**12)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    fetch.run_job(json.loads(sys.argv[1]), Quiet())
except jobs.JobFailed as error:
    print(json.dumps(error.extra["problems"][0]))
"""
    command = [sys.executable, "-c", code, json.dumps(spec), str(limit)]
    done = subprocess.run(command, cwd=ROOT / "collections", capture_output=True, text=True, check=True)
    problem: dict[str, Any] = json.loads(done.stdout)
    return problem


def arrived(place: Path, name: str) -> int:
    """Bytes of a file that have arrived in staging."""
    partial = list(place.parents[1].rglob(f".thor/**/{name}.incomplete"))
    return partial[0].stat().st_size if partial else 0


def journal(place: Path) -> dict[str, Any]:
    """The journal in staging."""
    found = list((place.parents[1] / ".thor").rglob("journal.json"))
    data: dict[str, Any] = json.loads(found[0].read_text()) if found else {}
    return data


def is_alive(pid: int) -> bool:
    """Whether a process is running, not counting zombies."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
