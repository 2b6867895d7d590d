# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The ModelScope hub: its listing, and its client as the mover of bytes.

The listing is one GET by Ansible's URL utilities. The bytes are moved by ``modelscope-hub`` in a virtual environment
of its own, one process per round. Facts about its 0.5.1 that this file rests on (read in its ``_download.py``):

- ``download_file(expected_sha256=..., file_size=...)`` returns only when the content's sha256 was compared: while it
  streamed (``_download_with_resume``) or by reading an existing target (``_cache_hit``). Nothing is hashed after it.
- It asks for no listing, so a hub that changes in between cannot change what is expected.
- It resumes ``<file>.incomplete`` with a Range, hashes the prefix once, and starts over after a wrong hash, 3 times.
- With more than one parallel worker per file it writes every byte twice and hashes afterwards: one worker is set.
- Its retries are counted per file and not per stall, so a flaky line would end a 20 GB file: rounds are repeated here
  for as long as they bring bytes.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import re
import subprocess
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlencode

from ansible_collections.jetson.thor.plugins.module_utils import bounded
from ansible_collections.jetson.thor.plugins.module_utils.models import listing
from ansible_collections.jetson.thor.plugins.module_utils.models.download import (
    TRANSPORT,
    open_url,
    refuse_lasting,
    refuse_limit,
    why,
)
from ansible_collections.jetson.thor.plugins.module_utils.models.errors import (
    FetchError,
    bad_answer,
    bad_client,
    bad_content,
    denied,
    not_found,
    os_problem,
    unreachable,
)
from ansible_collections.jetson.thor.plugins.module_utils.models.store import (
    MANIFEST,
    PARTIAL,
    Entry,
    Plan,
    Reporter,
    Staging,
    hash_file,
    record_of,
    silent,
    size_of,
    trust,
)
from ansible_collections.jetson.thor.plugins.module_utils.records import sync

# The SDK's own DEFAULT_ENDPOINT.
ENDPOINT = "https://modelscope.cn"
CLIENT = "/opt/thor/venv/modelscope"
# The hub cuts a listing off here and says nothing (modelscope_hub.constants.REPO_FILES_TRUNCATION_LIMIT).
LISTING_LIMIT = 3000
# Files of one model that are transferred at a time.
WORKERS = 4
# A full page of modelscope.cn has about 2 MB.
LISTING_BYTES = 16 * 1024 * 1024
LISTING_SECONDS = 300.0
EXCERPT_BYTES = 64 * 1024
MOST_FOLDERS = 500
# Codes of modelscope.cn, as others have recorded them (gpustack, neutree). All come with HTTP 404.
NOT_THERE = (
    10010205001,  # "record not found": no such model
    10990101004,  # no file tree at this revision
    10990101007,  # no such file
)
NOT_FOR_ALL = (10010200001,)  # private without a token, or gated
# Classes of modelscope-hub, requests, urllib3 and Python one of which is at the root of whatever a line or a server does.
PASSING = {"HubError", "RequestException", "HTTPError", "HTTPException", "OSError", "_IncompleteBodyError"}
_DATABASE = re.compile(r"Error \d{4}\b")

# Runs in the hub client's environment. One JSON object on stdin; one JSON object per line on stdout. It dies with its
# parent, so that no second writer is ever at a partial file.
CLIENT_CODE = r"""
import concurrent.futures, ctypes, json, os, resource, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
resource.setrlimit(resource.RLIMIT_DATA, (1 << 31, 1 << 31))  # it reads an error's body whole, however long that is
work = json.load(sys.stdin)
if os.getppid() != work["parent"]:
    sys.exit("the parent is gone")
def say(**event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()
from modelscope_hub import HubApi
api = HubApi()
api.downloader
def bring(item):
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
    list(pool.map(bring, work["files"]))
say(end=True)
"""


def list_files(spec: Mapping[str, Any]) -> dict[str, Entry]:
    """The files of a model at a revision: one GET, more only for a model of 3000 files.

    The listing is checked whole before anything of it is used.
    Raises FetchError: THOR-HUB-UNREACHABLE, THOR-HUB-ANSWER, THOR-CLOCK-WRONG, THOR-MODEL-NOT-FOUND, THOR-MODEL-DENIED.
    """
    files: dict[str, Entry] = {}
    for item in _blobs(spec, "", itertools.count(1)):
        try:
            name, entry = listing.entry_of(item)
            if name in files:
                raise listing.Unusable(f"holds the path {name!r} twice")
        except listing.Unusable as error:
            raise bad_answer(spec, f"the listing {error}.") from error
        files[name] = entry
        if len(files) > listing.MOST_FILES:
            raise bad_answer(spec, f"the listing has more than {listing.MOST_FILES:,} files.")
    try:
        listing.check(files)
    except listing.Unusable as error:
        raise bad_answer(spec, f"the listing {error}.") from error
    files.pop(MANIFEST, None)
    return files


def _blobs(spec: Mapping[str, Any], root: str, pages: Iterator[int]) -> Iterator[dict[str, Any]]:
    entries = _list_page(spec, root, recursive=True)
    if len(entries) < LISTING_LIMIT:
        yield from (entry for entry in entries if entry.get("Type") != "tree")
        return
    if next(pages, MOST_FOLDERS + 1) > MOST_FOLDERS:
        raise bad_answer(
            spec, f"the listing has more than {MOST_FOLDERS} folders with {LISTING_LIMIT} entries or more."
        )
    entries = _list_page(spec, root, recursive=False)
    if len(entries) >= LISTING_LIMIT:
        raise bad_answer(
            spec, f"the directory {root or '/'} has {LISTING_LIMIT} entries or more, the hub lists no more."
        )
    for entry in entries:
        if entry.get("Type") == "tree":
            folder = entry.get("Path")
            # Downwards only: a hub may not send us round in a circle.
            if (
                not isinstance(folder, str)
                or listing.fault_of(folder)
                or not folder.startswith(f"{root}/" if root else "")
            ):
                raise bad_answer(spec, f"the listing of {root or '/'} holds the folder {folder!r}.")
            yield from _blobs(spec, folder, pages)
        else:
            yield entry


def _list_page(spec: Mapping[str, Any], root: str, recursive: bool) -> list[dict[str, Any]]:
    query = {"Revision": spec["revision"], "Recursive": str(recursive)} | ({"Root": root} if root else {})
    url = f"{spec['endpoint']}/api/v1/models/{spec['id']}/repo/files?{urlencode(query)}"
    # The hub's own way to say who asks (cookie m_session_id).
    headers = {"Cookie": f"m_session_id={spec['token']}"} if spec["token"] else {}
    status, body = _get(spec, url, headers)
    try:
        answer = bounded.parse(body)
    except ValueError:
        answer = None
    _refuse(spec, url, status, answer, body)
    data = answer.get("Data") if isinstance(answer, dict) else None
    entries = data.get("Files", False) if isinstance(data, dict) else False
    if entries is None and not root:
        # What modelscope.cn answers for a revision that it does not have: 200, Success, and no files.
        raise not_found(spec)
    if entries is not None and (not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries)):
        raise bad_answer(spec, f"no listing came from {url} but: {_excerpt(body)}")
    return list(entries or [])


def _refuse(spec: Mapping[str, Any], url: str, status: int, answer: Any, body: bytes) -> None:
    """Raise for whatever is no success. The hub's own code says more than the status: it hides behind 404 what is not for everybody."""
    said = answer if isinstance(answer, dict) else {}
    code, message = said.get("Code", status), str(said.get("Message", ""))
    if status == 200 and code == 200 and said.get("Success") is not False:
        return
    if status in (401, 403) or code in NOT_FOR_ALL:
        raise denied(spec, status)
    # A database in trouble says 404 and "Error 1461: Can't create more than max_prepared_stmt_count statements".
    if (status == 404 or code in (404, *NOT_THERE)) and not _DATABASE.search(message):
        raise not_found(spec)
    if status != 200:
        raise bad_answer(spec, f"HTTP {status} for {url}: {_excerpt(body)}")
    raise bad_answer(spec, f"it refuses {url}: {_excerpt(body)}")


def _get(spec: Mapping[str, Any], url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Status and body of a GET, after bounded retries of what may pass (no answer, 429, 5xx)."""
    reason = ""
    answer: tuple[int, bytes] | None = None
    for attempt in range(spec["retries"] + 1):
        if attempt:
            time.sleep(min(2.0 ** (attempt - 1), 30))
        try:
            with open_url(spec, url, headers) as response:
                return int(response.status), bounded.read(response, LISTING_BYTES, LISTING_SECONDS)
        except bounded.TooMuch as error:
            raise bad_answer(spec, f"{url}: {error}, and a listing is smaller.") from error
        except urllib.error.HTTPError as error:
            with error:
                body = b""
                # The status counts, whatever becomes of the body.
                with contextlib.suppress(*TRANSPORT):
                    body = bounded.start(error, EXCERPT_BYTES, spec["idle_timeout"])
                answer = (error.code, body)
                if error.code != 429 and error.code < 500:
                    return answer
                refuse_limit(spec, error)
        except TRANSPORT as error:
            refuse_lasting(spec, url, error)
            answer, reason = None, why(error)
    if answer:
        return answer
    raise unreachable(url, spec, reason)


def _excerpt(body: bytes) -> str:
    text = " ".join(body[:600].decode(errors="replace").split())
    return f"{text[:200]!r}"


def transfer(stage: Staging, spec: Mapping[str, Any], plan: Plan, missing: list[str], report: Reporter) -> None:
    """Bring the missing files into the staging tree; each is in the journal once it is verified and durable."""
    if not missing:
        return
    with _watched(stage, plan, report) as moved:
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
                f"The transfer was cut ({failures[0]['kinds'][0] if failures else 'no reason given'}), going on."
            )


@contextlib.contextmanager
def _watched(stage: Staging, plan: Plan, report: Reporter) -> Iterator[Callable[[], int]]:
    """Tell the progress from what is on the disk, and have the disk write while the line delivers.

    Without the latter a fast line leaves gigabytes in the page cache, and the end of every file waits for the disk.
    """
    ended = threading.Event()

    def moved() -> int:
        verified = stage.journal["verified"]
        return sum(
            plan.want[name].size
            if name in verified
            else size_of(stage.tree / name) or size_of(stage.tree / (name + PARTIAL))
            for name in plan.fetch
        )

    def watch() -> None:
        while not ended.wait(0.2):
            report.progress(
                moved(), plan.fetch_bytes, "B", f"{len(stage.journal['verified'])} of {len(plan.fetch)} files verified"
            )
            for name in plan.fetch:
                if name not in stage.journal["verified"]:
                    _write_out(stage.tree / (name + PARTIAL))

    thread = threading.Thread(target=watch, name="progress", daemon=True)
    thread.start()
    try:
        yield moved
    finally:
        ended.set()
        thread.join()
        report.progress(
            moved(), plan.fetch_bytes, "B", f"{len(stage.journal['verified'])} of {len(plan.fetch)} files verified"
        )


def _write_out(path: Path) -> None:
    """Start the write-back of a file's dirty pages without waiting for it (sync_file_range, SYNC_FILE_RANGE_WRITE)."""
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            ctypes.CDLL(None).sync_file_range(descriptor, ctypes.c_int64(0), ctypes.c_int64(0), ctypes.c_uint(2))
        finally:
            os.close(descriptor)


def _round(
    stage: Staging, spec: Mapping[str, Any], plan: Plan, missing: list[str], report: Reporter
) -> list[dict[str, Any]]:
    """One process of the hub client over all missing files. Returns the failures, one per file, in the order of the files."""
    work = {
        "parent": os.getpid(),
        "id": spec["id"],
        "revision": spec["revision"],
        "tree": str(stage.tree),
        "workers": WORKERS,
        "files": [{"path": name, "size": plan.want[name].size, "sha256": plan.want[name].sha256} for name in missing],
    }
    python = Path(spec["client"]) / "bin" / "python"
    failures: list[dict[str, Any]] = []
    ended = False
    with (stage.home / "log").open("w+", encoding="utf-8", errors="replace") as log:
        try:
            process = subprocess.Popen(
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
            raise bad_client(spec, f"{python} cannot be run: {error.strerror}.") from error
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
                    _accept(stage, spec, plan, event["path"])
            process.wait()
        finally:
            process.kill()
            process.wait()
        if not ended:
            log.seek(0)
            said = " ".join(log.read()[-600:].split()) or "nothing"
            raise bad_client(spec, f"it ended with status {process.returncode} and said: {said}.")
    # Files are fetched side by side: which fails first is chance.
    return sorted(failures, key=lambda failure: missing.index(failure["path"]))


def _accept(stage: Staging, spec: Mapping[str, Any], plan: Plan, name: str) -> None:
    """A file has arrived and, where its hash was known, the client has compared it: make it durable and note it."""
    path, entry = stage.tree / name, plan.want[name]
    digest = entry.sha256 or hash_file(path, silent)
    path.chmod(0o644)
    sync(path)
    record = record_of(path, digest, trust(spec, name, entry))
    if record["size"] != entry.size:
        raise bad_content(spec, name, f"{entry.size:,} bytes", f"{record['size']:,} bytes")
    stage.journal["verified"][name] = record
    stage.record()


def _client_environment(stage: Staging, spec: Mapping[str, Any]) -> dict[str, str]:
    """The client's environment: what is ours only, so that no setting of a person's shell changes what is fetched."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("MODELSCOPE_")}
    own = {
        "HOME": str(stage.home),
        "MODELSCOPE_HOME": str(stage.home / "config"),
        "MODELSCOPE_CACHE": str(stage.home / "cache"),
        "MODELSCOPE_ENDPOINT": spec["endpoint"],
        # Per file, retries included; the job as a whole is bounded by systemd.
        "MODELSCOPE_DOWNLOAD_TOTAL_TIMEOUT": str(spec["timeout"]),
        "MODELSCOPE_DOWNLOAD_TIMEOUT": str(spec["idle_timeout"]),
        "MODELSCOPE_API_CONNECT_TIMEOUT": str(min(10, spec["idle_timeout"])),
        "MODELSCOPE_DOWNLOAD_LOW_SPEED_WINDOW_SECONDS": str(max(60, spec["idle_timeout"])),
        "MODELSCOPE_DOWNLOAD_MAX_RETRIES": str(spec["retries"]),
        "MODELSCOPE_DOWNLOAD_PARALLEL_WORKERS": "1",
        # Staging has a lock of its own, which ends with its holder.
        "MODELSCOPE_DOWNLOAD_FILE_LOCK": "false",
        # No device stands in that cloud, and asking costs a request.
        "MODELSCOPE_DOWNLOAD_INTRA_CLOUD": "false",
        "TQDM_DISABLE": "1",
    }
    return inherited | own | ({"MODELSCOPE_API_TOKEN": spec["token"]} if spec["token"] else {})


def _refuse_fatal(spec: Mapping[str, Any], plan: Plan, failure: Mapping[str, Any]) -> None:
    """Raise for a failure that another round cannot mend."""
    name, kinds, status = failure["path"], failure["kinds"], failure["status"]
    if failure["errno"] is not None:
        problem = os_problem(spec, OSError(failure["errno"], os.strerror(failure["errno"])))
        if problem:
            raise problem
    if "FileIntegrityError" in kinds:
        entry = plan.want[name]
        got = re.search(r"got ([0-9a-f]{16})", failure["message"])
        raise bad_content(
            spec,
            name,
            f"{entry.size:,} bytes with sha256 {entry.sha256}",
            f"sha256 {got[1]}..." if got else failure["message"],
        )
    if status == 404:
        raise not_found(spec, name)
    if status in (401, 403):
        raise denied(spec, status)


def _stalled(spec: Mapping[str, Any], stage: Staging, missing: list[str], failures: list[dict[str, Any]]) -> FetchError:
    """The error for a round that brought not one byte."""
    status = next((failure["status"] for failure in failures if failure["status"]), None)
    said = f"{failures[0]['kinds'][0]}: {failures[0]['message']}" if failures else "nothing"
    root = failures[0]["root"] if failures else []
    if "MemoryError" in root:
        return bad_answer(spec, f"its answer for {failures[0]['path']} has no end.")
    if root and not status and not PASSING.intersection(root):
        return bad_client(spec, f"it failed at {failures[0]['path']} for a reason not known here: {said}.")
    if status:
        return bad_answer(spec, f"HTTP {status} for {failures[0]['path']}, {spec['retries'] + 1} times.")
    if any(size_of(stage.tree / (name + PARTIAL)) for name in missing) or stage.journal["verified"]:
        return FetchError(
            "THOR-TRANSFER-CUT",
            "endpoint",
            spec["endpoint"],
            f"the transfer of {', '.join(missing[:5])} of {spec['id']} was cut again and again, the last "
            f"{spec['retries'] + 1} times without a byte: {said}.",
            "Run the play again when the line or the hub is better: it goes on from there.",
        )
    return unreachable(spec["endpoint"], spec, said)
