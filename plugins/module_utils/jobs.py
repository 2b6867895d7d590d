# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Long work on a device: a transient systemd unit that outlives the connection.

A module calls :func:`start`; the unit runs ``run_job`` of a module_utils file in a process of its own. On the controller the
action plugin job_status asks the module of that name for progress and shows it. A play that is killed leaves the job running,
and the next play attaches to it.

Each job has a folder, ``/var/lib/thor/jobs/<name>``: ``code`` (the collection's code as the module brought it), ``spec.json``
(0600: it may hold a token), ``job.json`` (the digest of what was asked for), ``progress.json``, ``log`` and, after the end,
``result.json``. Two plays may start the same job at once: a lock beside the folder lets only one of them at a time check and
start it, and a result carries the digest of its job, so a play never takes another job's result for its own. ``earlier.json``
is the result of the previous job, for a play that has not fetched it yet.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ansible_collections.jetson.thor.plugins.module_utils import records, systemd

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

JOBS = Path("/var/lib/thor/jobs")
PACKAGE = "ansible_collections.jetson.thor.plugins.module_utils"
LOG_TAIL = 20
STOP_SECONDS = 300  # for the call that comes after a job
LOCK_SECONDS = 60  # who holds the lock copies a megabyte and asks systemd
RESERVE = "reserve"  # space for the result
RESERVE_BYTES = 256 * 1024
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class JobFailed(Exception):
    """An expected failure. The message is complete: what, where, why and the way out. ``extra`` joins the result."""

    def __init__(self, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.extra = extra


class Reporter:
    """How a job reports. ``progress`` may be called for every block: it writes at most twice a second."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._written = 0.0

    def progress(self, done: float, total: float, unit: str = "steps", text: str = "") -> None:
        """Record that ``done`` of ``total`` ``unit`` (``B`` for bytes) are done."""
        now = time.monotonic()
        if now - self._written < 0.5 and done < total:
            return
        self._written = now
        with contextlib.suppress(OSError):  # a full disk ends the work itself, where that needs the space
            records.write(self.folder / "progress.json", {"done": done, "total": total, "unit": unit, "text": text})

    def say(self, line: str) -> None:
        """Write a line to the job's log."""
        with contextlib.suppress(OSError):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


def proxies() -> dict[str, str]:
    """The proxy variables of the play's environment, for a spec: a unit does not inherit them."""
    return {name: os.environ[name] for name in PROXIES if name in os.environ}


def unit_of(name: str) -> str:
    """The transient unit of a job."""
    return f"thor-job-{name}.service"


def is_running(name: str) -> bool:
    """Whether the job's unit is active (or about to be)."""
    unit = unit_of(name)
    state = systemd.show([unit], "ActiveState").get(unit, {}).get("ActiveState")
    return state in {"active", "activating", "deactivating", "reloading"}


def running() -> list[str]:
    """The names of the jobs that are active now."""
    names = {unit_of(path.name): path.name for path in sorted(JOBS.glob("[!.]*")) if path.is_dir()}
    states = systemd.observe(list(names), "ActiveState")
    active = {"active", "activating", "deactivating", "reloading"}
    return [name for unit, name in names.items() if states.get(unit, {}).get("ActiveState") in active]


def script(name: str, call: str) -> str:
    """A Python program that makes the call (``[package.]module.function(...)``) in the code that a job has brought."""
    code, (path, arguments) = JOBS / name / "code", call.split("(", 1)
    module, function = f"{PACKAGE}.{path}".rsplit(".", 1)
    package, leaf = module.rsplit(".", 1)
    return f"import sys; sys.path.insert(0, {str(code)!r}); from {package} import {leaf}; {leaf}.{function}({arguments}"


def command_line(name: str, call: str) -> str:
    """The same as a command of a unit file."""
    return f'{sys.executable} -c "{script(name, call)}"'


def start(
    module: AnsibleModule, name: str, target: str, spec: dict[str, Any], timeout: int = 86400, after: str | None = None
) -> NoReturn:
    """Run ``<target>.run_job(spec, reporter)`` as a job, or attach to the one that runs with the same spec.

    Ends the module; its result holds ``job``. ``timeout`` (seconds) limits the job as a whole. ``after``: a call
    (``module.function()``) that is made after the job, however it ended, even when it was killed.
    """
    folder = JOBS / name
    content = {"target": target, "spec": spec}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    job = {"name": name, "digest": digest}
    try:
        JOBS.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(name):
            if is_running(name):
                if _digest(folder) == digest:
                    records.tell(module)
                    module.exit_json(changed=False, job={**job, "attached": True})
                module.fail_json(
                    msg=f"THOR-JOB-BUSY: {unit_of(name)} is running on this host with other arguments. Wait for it "
                    f"(sudo journalctl -fu {unit_of(name)}), or end it with: sudo systemctl stop {unit_of(name)}"
                )
            _prepare(folder, content, digest)
            code, _out, err = module.run_command(_command(name, timeout, after))
    except TimeoutError:
        module.fail_json(
            msg=f"THOR-JOB-BUSY: another play has been starting or checking {unit_of(name)} for {LOCK_SECONDS} seconds "
            f"(sudo fuser {_lock_path(name)} shows its process). Wait for it, or end it."
        )
    except (OSError, subprocess.SubprocessError) as error:
        module.fail_json(
            msg=f"THOR-JOB-DISK: {unit_of(name)} cannot be started, because {folder} cannot be written: {error}. "
            f"Check df -h {JOBS} and whether it is mounted read-only, fix that, then run the play again."
        )
    if code != 0:
        module.fail_json(
            msg=f"THOR-JOB-START: systemd-run could not start {unit_of(name)}: {err.strip()}. "
            "The collection needs systemd as the init of the host, and root (become: true)."
        )
    records.tell(module)
    module.exit_json(changed=True, job={**job, "attached": False})
    raise AssertionError("exit_json has ended the module")


def _command(name: str, timeout: int, after: str | None) -> list[str]:
    """The command that starts the unit."""
    properties = {
        "Description": f"jetson.thor: {name}",
        "StandardOutput": f"append:{JOBS / name / 'log'}",
        "StandardError": "inherit",
        "RuntimeMaxSec": str(timeout),
        # Services have priority.
        "Nice": "10",
        "CPUWeight": "20",
        "IOWeight": "20",
        "OOMScoreAdjust": "500",
    }
    if after:
        properties |= {"ExecStopPost": command_line(name, after), "TimeoutStopSec": str(STOP_SECONDS)}
    return [
        *("systemd-run", f"--unit={unit_of(name)}", "--collect", "--quiet"),
        *(f"--property={key}={value}" for key, value in properties.items()),
        *(sys.executable, "-c", script(name, f"jobs.main({name!r})")),
    ]


def _prepare(folder: Path, content: dict[str, Any], digest: str) -> None:
    """Make the job's folder anew. The old one stays until the new one is complete: its code may still be needed."""
    new, old = (folder.with_name(f".{folder.name}.{ending}") for ending in ("new", "old"))
    for path in (new, old):
        shutil.rmtree(path, ignore_errors=True)
    try:
        new.mkdir(mode=0o700)
        _copy_code(new / "code")
        records.write(new / "spec.json", content)
        records.write(new / "job.json", {"digest": digest})
        with (new / RESERVE).open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, RESERVE_BYTES)
        # For a play that waits for the previous job. One that asks for the same again, for example after drift, must not get the
        # result of last time.
        if _digest(folder) != digest:
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(folder / "result.json", new / "earlier.json")
        with contextlib.suppress(FileNotFoundError):
            folder.rename(old)
        new.rename(folder)
    finally:
        for path in (new, old):
            shutil.rmtree(path, ignore_errors=True)


def _lock_path(name: str) -> Path:
    return JOBS / f".{name}.lock"


@contextlib.contextmanager
def _locked(name: str) -> Iterator[None]:
    """Only one process at a time checks or starts a job. Raises TimeoutError."""
    descriptor = os.open(_lock_path(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(name) from None
                time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _digest(folder: Path) -> str | None:
    """The digest of what the job in this folder was asked for."""
    return (records.read(folder / "job.json", {"digest": str}) or {}).get("digest")


def _result(folder: Path, digest: str | None) -> dict[str, Any] | None:
    """The result of the job with this digest; with None, that of the last job."""
    for name in ("result.json", "earlier.json") if digest else ("result.json",):
        found = records.read(folder / name, {"digest": (str, type(None)), "result": dict})
        if found is not None and digest in {None, found["digest"]}:
            result: dict[str, Any] = found["result"]
            return result
    return None


def status(name: str, wait: float, digest: str | None = None) -> dict[str, Any]:
    """The state of a job: returned as soon as it has ended, after ``wait`` seconds at the latest.

    ``{"state": "running", "progress": {...}}``, ``{"state": "ended", "result": {...}}``, or ``{"state": "lost", "log": [...]}``
    for a job that ended without a result (killed, or out of time). With ``digest``, another job of that name does not count:
    ``{"state": "replaced"}``.
    """
    folder = JOBS / name
    deadline = time.monotonic() + wait
    pause = 0.05
    while True:
        try:
            with _locked(name):
                found = _state(name, folder, digest)
        except (TimeoutError, subprocess.TimeoutExpired):  # another play is just starting it, or systemd is busy
            found = {"state": "running", "progress": {}}
        except OSError:  # a disk that has become read-only has no locks
            found = _state(name, folder, digest)
        if found["state"] != "running" or time.monotonic() > deadline:
            return found
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)


def _state(name: str, folder: Path, digest: str | None) -> dict[str, Any]:
    # In this order: a job that ends in between must not count as lost.
    running = is_running(name)
    result = _result(folder, digest)
    if result is not None:
        return {"state": "ended", "result": result}
    if digest and _digest(folder) not in {None, digest}:
        return {"state": "replaced"}
    if not running:
        return {"state": "lost", "log": log_tail(folder)}
    progress = records.read(folder / "progress.json", {}) or {}
    return {"state": "running", "progress": {key: value for key, value in progress.items() if key != "schema"}}


def log_tail(folder: Path) -> list[str]:
    """The last lines of a job's log."""
    try:
        with (folder / "log").open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 16384))
            return stream.read().decode(errors="replace").splitlines()[-LOG_TAIL:]
    except OSError:
        return []


def main(name: str) -> None:
    """The process of the transient unit."""
    folder = JOBS / name
    digest = _digest(folder)
    try:
        content = records.read(folder / "spec.json", {"target": str, "spec": dict})
        if content is None:
            raise JobFailed(
                f"THOR-JOB-FAILED: {unit_of(name)}: {folder / 'spec.json'} is gone or damaged. Run the play again."
            )
        # It may hold a token, which need not lie there while the job runs.
        (folder / "spec.json").unlink()
        work = importlib.import_module(f"{PACKAGE}.{content['target']}")
        result = work.run_job(content["spec"], Reporter(folder))
    except JobFailed as error:
        result = {"failed": True, "msg": str(error), **error.extra}
    except Exception as error:  # whatever it is, people get a sentence instead of a traceback
        with contextlib.suppress(OSError):
            traceback.print_exc()
        result = {
            "failed": True,
            "msg": f"THOR-JOB-FAILED: {unit_of(name)}: {type(error).__name__}: {error}. The log is {folder / 'log'}.",
        }
    if warnings := records.warnings(result.get("warnings", [])):
        result = {**result, "warnings": warnings}
    (folder / RESERVE).unlink(missing_ok=True)  # the work may have left no other space
    records.write(folder / "result.json", {"digest": digest, "result": result})


def _copy_code(destination: Path) -> None:
    """Keep the code that this module runs from: AnsiballZ removes its zip when the module ends.

    The copy becomes an entry of ``sys.path``, whether it is a zip file or, when somebody debugs an exploded module, a folder.
    """
    loader = globals()["__loader__"]
    archive = getattr(loader, "archive", None)
    if archive:
        shutil.copyfile(archive, destination)
    else:
        root = Path(__file__).resolve().parents[5]
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / "ansible_collections", destination / "ansible_collections", ignore=ignore, symlinks=True)
        shutil.copytree(root / "ansible", destination / "ansible", ignore=ignore)
