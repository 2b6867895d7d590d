# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Long work on a device: a transient systemd unit that outlives the connection.

A module calls :func:`start`; the unit runs ``run_job`` of a module_utils file in a process of its own. The action plugin on
the controller (plugin_utils/long_running.py) asks jetson.thor.job_status how far it is and shows it. A play that is killed
leaves the job running; the next play attaches to it.

One folder per job, ``/var/lib/thor/jobs/<name>``: ``code`` (the collection's code as the module brought it), ``spec.json``
(0600: it may hold a token), ``progress.json``, ``log`` and, when it has ended, ``result.json``.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

JOBS = Path("/var/lib/thor/jobs")
PACKAGE = "ansible_collections.jetson.thor.plugins.module_utils"
LOG_TAIL = 20
STOP_SECONDS = 300  # for what comes after a job
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class JobFailed(Exception):
    """An expected failure. The message is complete: what, where, why and the way out. ``extra`` joins the result."""

    def __init__(self, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.extra = extra


class Reporter:
    """How work tells of itself. ``progress`` may be called for every block: it writes twice a second at most."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._written = 0.0

    def progress(self, done: float, total: float, unit: str = "steps", text: str = "") -> None:
        """Record that ``done`` of ``total`` ``unit`` (``B`` for bytes) are behind us."""
        now = time.monotonic()
        if now - self._written < 0.5 and done < total:
            return
        self._written = now
        write_json(self.folder / "progress.json", {"done": done, "total": total, "unit": unit, "text": text})

    def say(self, line: str) -> None:
        """Write a line to the job's log."""
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def proxies() -> dict[str, str]:
    """The proxies of the play's environment, for a spec: a unit does not inherit them."""
    return {name: os.environ[name] for name in PROXIES if name in os.environ}


def write_json(path: Path, data: Any, mode: int = 0o600) -> None:
    """Write ``data`` under its final name in one rename."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as stream:
        json.dump(data, stream)
    partial.replace(path)


def read_json(path: Path) -> Any:
    """The content of a JSON file, or None where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def unit_of(name: str) -> str:
    """The transient unit of a job."""
    return f"thor-job-{name}.service"


def is_running(name: str) -> bool:
    """Whether the job's unit is active (or about to be)."""
    done = subprocess.run(
        ["systemctl", "show", "--property=ActiveState", "--value", unit_of(name)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.stdout.strip() in {"active", "activating", "deactivating", "reloading"}


def script(name: str, call: str) -> str:
    """Python that calls ``call`` (``module.function(...)``) of the code that a job has brought."""
    code, module = JOBS / name / "code", call.partition(".")[0]
    return f"import sys; sys.path.insert(0, {str(code)!r}); from {PACKAGE} import {module}; {call}"


def command_line(name: str, call: str) -> str:
    """The same as a command of a unit file."""
    return f'{sys.executable} -c "{script(name, call)}"'


def start(
    module: AnsibleModule, name: str, target: str, spec: dict[str, Any], timeout: int = 86400, after: str | None = None
) -> NoReturn:
    """Run ``<target>.run_job(spec, reporter)`` as a job, or attach to the one that runs with the same spec.

    Ends the module; the answer holds ``job``. ``timeout`` (seconds) bounds the work as a whole. ``after``: a call
    (``module.function()``) that comes after the work, whatever its end was, a kill included.
    """
    folder = JOBS / name
    content = {"target": target, "spec": spec}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    if is_running(name):
        if (read_json(folder / "job.json") or {}).get("digest") == digest:
            module.exit_json(changed=False, job={"name": name, "attached": True})
        module.fail_json(
            msg=f"THOR-JOB-BUSY: {unit_of(name)} is at work on this host with other arguments. Wait for it "
            f"(sudo journalctl -fu {unit_of(name)}), or end it with: sudo systemctl stop {unit_of(name)}"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    _copy_code(folder / "code")
    write_json(folder / "spec.json", content)
    write_json(folder / "job.json", {"digest": digest})
    command = ["systemd-run", f"--unit={unit_of(name)}", "--collect", "--quiet"]
    properties = {
        "Description": f"jetson.thor: {name}",
        "StandardOutput": f"append:{folder / 'log'}",
        "StandardError": "inherit",
        "RuntimeMaxSec": str(timeout),
        # What serves has the right of way.
        "Nice": "10",
        "CPUWeight": "20",
        "IOWeight": "20",
        "OOMScoreAdjust": "500",
    }
    if after:
        properties |= {"ExecStopPost": command_line(name, after), "TimeoutStopSec": str(STOP_SECONDS)}
    command += [f"--property={key}={value}" for key, value in properties.items()]
    command += [sys.executable, "-c", script(name, f"job.main({name!r})")]
    code, _out, err = module.run_command(command)
    if code != 0:
        module.fail_json(
            msg=f"THOR-JOB-START: systemd-run could not start {unit_of(name)}: {err.strip()}. "
            "The collection needs systemd as the init of the host, and root (become: true)."
        )
    module.exit_json(changed=True, job={"name": name, "attached": False})
    raise AssertionError("exit_json has ended the module")


def status(name: str, wait: float) -> dict[str, Any]:
    """How far a job is: returns as soon as it has ended, after ``wait`` seconds at the latest.

    ``{"state": "running", "progress": {...}}``, ``{"state": "ended", "result": {...}}``, or ``{"state": "lost", "log": [...]}``
    for a job that ended without a result (killed, or out of time).
    """
    folder = JOBS / name
    deadline = time.monotonic() + wait
    pause = 0.05
    while True:
        # Looked at in this order, so that a job that ends between the two looks is not taken for lost.
        running = is_running(name)
        result = read_json(folder / "result.json")
        if result is not None:
            return {"state": "ended", "result": result}
        if not running:
            return {"state": "lost", "log": log_tail(folder)}
        if time.monotonic() > deadline:
            return {"state": "running", "progress": read_json(folder / "progress.json") or {}}
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)


def log_tail(folder: Path) -> list[str]:
    """The last lines of a job's log."""
    try:
        with (folder / "log").open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 16384))
            return stream.read().decode(errors="replace").splitlines()[-LOG_TAIL:]
    except FileNotFoundError:
        return []


def main(name: str) -> None:
    """The process of the transient unit."""
    folder = JOBS / name
    content = read_json(folder / "spec.json")
    # A token in it has been read; it need not lie there for as long as the job runs.
    with contextlib.suppress(FileNotFoundError):
        (folder / "spec.json").unlink()
    try:
        work = importlib.import_module(f"{PACKAGE}.{content['target']}")
        result = work.run_job(content["spec"], Reporter(folder))
    except JobFailed as error:
        result = {"failed": True, "msg": str(error), **error.extra}
    except Exception as error:  # whatever it is, a person gets a sentence and not a traceback
        traceback.print_exc()
        result = {
            "failed": True,
            "msg": f"THOR-JOB-FAILED: {unit_of(name)}: {type(error).__name__}: {error}. The log is {folder / 'log'}.",
        }
    write_json(folder / "result.json", result)


def _copy_code(destination: Path) -> None:
    """Keep the code that this module runs from: AnsiballZ's zip is gone when the module ends.

    Both are entries of ``sys.path``: a zip file, or a folder where a person debugs an exploded module.
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
