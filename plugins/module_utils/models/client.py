# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Transfer the files of a model from a ModelScope hub with its own client, ``modelscope-hub``, in a virtual environment of its own.

One process of it runs per round. Facts about its 0.5.1 that this file relies on (read in its ``_download.py``):

- ``download_file(expected_sha256=..., file_size=...)`` returns only after the sha256 of the content was compared: while it
  streamed (``_download_with_resume``) or by reading an existing target (``_cache_hit``). Nothing is hashed afterwards.
- It requests no listing, so a hub that changes in between cannot change what is expected.
- It resumes ``<file>.incomplete`` with a Range, hashes the prefix once, and starts over after a wrong hash, 3 times.
- With more than one parallel worker per file it writes every byte twice and hashes afterwards, so one worker is set.
- Its retries count per file and not per stall, so a flaky connection would end a 20 GB file: rounds are repeated here
  as long as they transfer bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

from ansible_collections.jetson.thor.plugins.module_utils.models import errors
from ansible_collections.jetson.thor.plugins.module_utils.models.arrival import WORKERS, accept, watched
from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Plan
from ansible_collections.jetson.thor.plugins.module_utils.models.hashing import Reporter, hash_file, silent
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import PARTIAL, size_of
from ansible_collections.jetson.thor.plugins.module_utils.models.staging import Staging

# One of these classes of modelscope-hub, requests, urllib3 and Python is at the root of every failure of a connection or server.
TRANSIENT = {"HubError", "RequestException", "HTTPError", "HTTPException", "OSError", "_IncompleteBodyError"}
# Runs in the hub client's environment. One JSON object on stdin; one JSON object per line on stdout. It dies with its
# parent, so that a partial file never has two writers.
CLIENT_CODE = r"""
import concurrent.futures, ctypes, json, os, resource, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
resource.setrlimit(resource.RLIMIT_DATA, (1 << 31, 1 << 31))  # it reads the whole body of an error, however long
work = json.load(sys.stdin)
if os.getppid() != work["parent"]:
    sys.exit("the parent is gone")
def say(**event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()
from modelscope_hub import HubApi
api = HubApi()
api.downloader
def fetch(item):
    try:
        api.download_file(work["id"], "model", item["path"], revision=work["revision"], local_dir=work["tree"],
                          expected_sha256=item["sha256"], file_size=item["size"])
    except Exception as error:
        chain, cause = [], error
        while cause is not None and len(chain) < 8:
            chain.append(cause)
            cause = cause.__cause__ or cause.__context__
        say(path=item["path"], kinds=[c.__name__ for c in type(error).__mro__], message=str(error)[:2000],
            root=[c.__name__ for c in type(chain[-1]).__mro__],
            status=next((e.status_code for e in chain if getattr(e, "status_code", None)), None),
            errno=next((e.errno for e in chain if isinstance(e, OSError) and e.errno), None))
    else:
        say(path=item["path"])
with concurrent.futures.ThreadPoolExecutor(work["workers"]) as pool:
    list(pool.map(fetch, work["files"]))
say(end=True)
"""


def transfer(stage: Staging, spec: Mapping[str, Any], plan: Plan, missing: list[str], report: Reporter) -> None:
    """Fetch the missing files into the staging tree; each is in the journal once it is verified and durable."""
    if not missing:
        return
    with watched(stage, plan, report) as moved:
        while missing:
            before = moved()
            failures = _round(stage, spec, plan, missing, report)
            missing = [name for name in missing if name not in stage.journal["verified"]]
            if not missing:
                return
            for failure in failures:
                _refuse_fatal(spec, plan, failure)
            if moved() <= before:
                raise _stalled(spec, stage, missing, failures)
            report.say(
                f"The transfer was interrupted ({failures[0]['kinds'][0] if failures else 'no reason given'}), continuing."
            )


def _round(
    stage: Staging, spec: Mapping[str, Any], plan: Plan, missing: list[str], report: Reporter
) -> list[dict[str, Any]]:
    """Run one process of the hub client over all missing files. Returns the failures, one per file, in the order of the files."""
    work = {
        "parent": os.getpid(),
        "id": spec["id"],
        "revision": spec["revision"],
        "tree": str(stage.tree),
        "workers": WORKERS,
        "files": [{"path": name, "size": plan.want[name].size, "sha256": plan.want[name].sha256} for name in missing],
    }
    failures: list[dict[str, Any]] = []
    ended = False
    with (stage.home / "log").open("w+", encoding="utf-8", errors="replace") as log:
        process = _start_client(stage, spec, log)
        try:
            stdin, stdout = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
            with contextlib.suppress(BrokenPipeError):
                stdin.write(json.dumps(work))
                stdin.close()
            for line in stdout:
                event = json.loads(line)
                ended = event.get("end", False)
                if "kinds" in event:
                    failures.append(event)
                    report.say(f"{event['path']}: {event['kinds'][0]}: {event['message']}")
                elif "path" in event:
                    name = event["path"]
                    accept(stage, spec, plan, name, plan.want[name].sha256 or hash_file(stage.tree / name, silent))
            process.wait()
        finally:
            process.kill()
            process.wait()
        if not ended:
            log.seek(0)
            output = " ".join(log.read()[-600:].split()) or "nothing"
            raise errors.bad_client(spec, f"it ended with status {process.returncode} and printed: {output}.")
    # Files are fetched in parallel: which fails first is chance.
    return sorted(failures, key=lambda failure: missing.index(failure["path"]))


def _start_client(stage: Staging, spec: Mapping[str, Any], log: IO[str]) -> subprocess.Popen[str]:
    python = Path(spec["client"]) / "bin" / "python"
    try:
        return subprocess.Popen(
            [str(python), "-I", "-c", CLIENT_CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=_client_environment(stage, spec),
            cwd=stage.home,
            pass_fds=[stage.lock],
        )
    except OSError as error:
        raise errors.bad_client(spec, f"{python} cannot be run: {error.strerror}.") from error


def _client_environment(stage: Staging, spec: Mapping[str, Any]) -> dict[str, str]:
    """The client's environment: only our settings, so that nothing in somebody's shell changes what is fetched."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("MODELSCOPE_")}
    own = {
        "HOME": str(stage.home),
        "MODELSCOPE_HOME": str(stage.home / "config"),
        "MODELSCOPE_CACHE": str(stage.home / "cache"),
        "MODELSCOPE_ENDPOINT": spec["endpoint"],
        # Per file, including retries; systemd bounds the job as a whole.
        "MODELSCOPE_DOWNLOAD_TOTAL_TIMEOUT": str(spec["timeout"]),
        "MODELSCOPE_DOWNLOAD_TIMEOUT": str(spec["idle_timeout"]),
        "MODELSCOPE_API_CONNECT_TIMEOUT": str(min(10, spec["idle_timeout"])),
        "MODELSCOPE_DOWNLOAD_LOW_SPEED_WINDOW_SECONDS": str(max(60, spec["idle_timeout"])),
        "MODELSCOPE_DOWNLOAD_MAX_RETRIES": str(spec["retries"]),
        "MODELSCOPE_DOWNLOAD_PARALLEL_WORKERS": "1",
        # Staging has a lock of its own, which is released when its holder dies.
        "MODELSCOPE_DOWNLOAD_FILE_LOCK": "false",
        # Devices are not in that cloud, and asking costs a request.
        "MODELSCOPE_DOWNLOAD_INTRA_CLOUD": "false",
        "TQDM_DISABLE": "1",
    }
    return inherited | own | ({"MODELSCOPE_API_TOKEN": spec["token"]} if spec["token"] else {})


def _refuse_fatal(spec: Mapping[str, Any], plan: Plan, failure: Mapping[str, Any]) -> None:
    """Raise for a failure that another round cannot fix."""
    name, kinds, status = failure["path"], failure["kinds"], failure["status"]
    if failure["errno"] is not None:
        problem = errors.os_problem(spec, OSError(failure["errno"], os.strerror(failure["errno"])))
        if problem:
            raise problem
    if "FileIntegrityError" in kinds:
        entry = plan.want[name]
        got = re.search(r"got ([0-9a-f]{16})", failure["message"])
        raise errors.bad_content(
            spec,
            name,
            f"{entry.size:,} bytes with sha256 {entry.sha256}",
            f"sha256 {got[1]}..." if got else failure["message"],
        )
    if status == 404:
        raise errors.not_found(spec, name)
    if status in (401, 403):
        raise errors.denied(spec, status)


def _stalled(
    spec: Mapping[str, Any], stage: Staging, missing: list[str], failures: list[dict[str, Any]]
) -> errors.FetchError:
    """The error for a round that did not transfer a single byte."""
    status = next((failure["status"] for failure in failures if failure["status"]), None)
    reason = f"{failures[0]['kinds'][0]}: {failures[0]['message']}" if failures else "no reason given"
    root = failures[0]["root"] if failures else []
    if "MemoryError" in root:
        return errors.bad_answer(spec, f"its answer for {failures[0]['path']} does not end.")
    if root and not status and not TRANSIENT.intersection(root):
        return errors.bad_client(spec, f"it failed at {failures[0]['path']} for an unknown reason: {reason}.")
    if status:
        return errors.bad_answer(spec, f"HTTP {status} for {failures[0]['path']}, {spec['retries'] + 1} times.")
    if any(size_of(stage.tree / (name + PARTIAL)) for name in missing) or stage.journal["verified"]:
        what = f"the transfer of {', '.join(missing[:5])} of {spec['id']}"
        return errors.cut("endpoint", spec["endpoint"], what, spec["retries"] + 1, reason)
    return errors.unreachable(spec["endpoint"], spec, reason)
