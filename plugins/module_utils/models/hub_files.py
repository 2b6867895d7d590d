# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Transfer the files of a model from a Hugging Face hub: in parallel, resumed at the byte, hashed while they arrive.

The address of each has the commit in it, so a branch that moves meanwhile changes nothing. A file is complete when its sha256 (of
files stored with LFS) or git's blob id (of the others) is that of the listing.
"""

from __future__ import annotations

import concurrent.futures
import threading
import urllib.error
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models import arrival, errors, huggingface, lfs, web
from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Entry, Plan
from ansible_collections.jetson.thor.plugins.module_utils.models.hashing import (
    Reporter,
    content_hashes,
    fresh_hashes,
    silent,
)
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import PARTIAL, size_of
from ansible_collections.jetson.thor.plugins.module_utils.models.receive import (
    Answer,
    Attempts,
    answer_of,
    passes,
    receive,
    start_of,
)
from ansible_collections.jetson.thor.plugins.module_utils.models.staging import Staging


class _Stopped(Exception):
    """Another file has failed."""


def transfer(stage: Staging, at: Mapping[str, Any], plan: Plan, missing: list[str], report: Reporter) -> None:
    """Fetch the missing files into the staging tree; each is in the journal once it is verified and durable."""
    stop = threading.Event()
    with (
        arrival.watched(stage, plan, report),
        concurrent.futures.ThreadPoolExecutor(arrival.WORKERS, thread_name_prefix="fetch") as pool,
    ):
        work = [pool.submit(_fetch, _File(stage, at, plan, name, stop), report) for name in missing]
        try:
            concurrent.futures.wait(work, return_when=concurrent.futures.FIRST_EXCEPTION)
        finally:
            stop.set()
    # Files are fetched in parallel: which fails first is chance.
    failures = [error for one in work if (error := one.exception()) and not isinstance(error, _Stopped)]
    if failures:
        raise failures[0]


class _File:
    """One file of a model (receive.Target)."""

    def __init__(self, stage: Staging, at: Mapping[str, Any], plan: Plan, name: str, stop: threading.Event) -> None:
        self.stage, self.at, self.plan, self.name, self.stop = stage, at, plan, name, stop
        self.entry: Entry = plan.want[name]
        self.url = huggingface.file_url(at, str(plan.commit), name)
        self.place = stage.tree / name
        self.part = stage.tree / (name + PARTIAL)

    def resume(self) -> tuple[int, dict[str, str]]:
        """What is here is continued: the hash tells whether it belongs together (staging.reuse keeps no other)."""
        have = size_of(self.part)
        return have, {"Range": f"bytes={have}-"} if have else {}

    def ask(self, headers: Mapping[str, str]) -> Answer:
        """Open the file's address at the commit."""
        try:
            response = web.open_hub(self.at, self.url, headers)
        except urllib.error.HTTPError as error:
            # A signed address of a storage host may have run out; the next attempt gets another one.
            elsewhere = not str(error.url).startswith(self.at["endpoint"])
            refusal = huggingface.refusal_of(self.url, error)
            if not passes(error) and not elsewhere:
                raise huggingface.error_of(self.at, refusal, self.name) from error
            return Answer(error.code, wait=refusal.wait)
        return answer_of(response, start_of(headers))

    def begin(self, answer: Answer) -> None:
        """Refuse a body of another length, which is an error page or a pointer of Git LFS more often than the file."""
        self.part.parent.mkdir(parents=True, exist_ok=True)
        if answer.status == 206 or answer.rest in (None, self.entry.size):
            return
        if (
            answer.rest is not None
            and answer.rest < lfs.POINTER_BYTES
            and lfs.is_pointer(answer.response.read(answer.rest))
        ):
            raise errors.pointer(self.at, self.name, "the server delivers it, although it lists the file")
        raise errors.bad_content(self.at, self.name, self.entry.words, f"{answer.rest:,} bytes")

    def digests(self) -> dict[str, Any]:
        """The sha256 for the manifest, and git's blob id where the hub states no sha256."""
        return fresh_hashes(self.entry)

    def limit(self, total: int | None) -> int:
        """The size of the listing."""
        del total
        return self.entry.size

    def too_long(self, limit: int) -> errors.FetchError:
        """More than the listing says."""
        return errors.bad_content(self.at, self.name, self.entry.words, f"more than {limit:,} bytes")

    def wait(self, seconds: float) -> None:
        """Wait before the next attempt, unless another file has failed."""
        if self.stop.wait(seconds):
            raise _Stopped

    def progress(self, done: int, total: int | None) -> None:
        """Progress of all files is read from the disk (arrival.watched)."""
        del done, total
        if self.stop.is_set():
            raise _Stopped

    def gave_up(self, attempts: Attempts) -> errors.FetchError:
        """The error after the last attempt."""
        at, times = self.at, self.at["retries"] + 1
        if attempts.status == 429:
            return errors.limited(at, self.url, attempts.wait)
        if attempts.status >= 400:
            return errors.bad_answer(at, f"HTTP {attempts.status} for {self.url}, {times} times.")
        if size_of(self.part) or self.stage.journal["verified"]:
            what = f"the transfer of {self.name} of {at['id']}"
            return errors.cut("endpoint", at["endpoint"], what, times, attempts.reason)
        return errors.unreachable(self.url, at, attempts.reason)


def _fetch(target: _File, report: Reporter) -> None:
    """Fetch one file and record it. A wrong hash is fetched once more."""
    if target.stop.is_set():
        raise _Stopped
    target.part.parent.mkdir(parents=True, exist_ok=True)
    words = ""
    for attempt in range(2):
        digests = _complete(target) or receive(target.at, target, report.say)[1]
        words = _mismatch(target, digests)
        if not words:
            if lfs.is_pointer(_start_of_file(target)):
                raise errors.pointer(target.at, target.name, "it was uploaded without git-lfs")
            target.part.rename(target.place)
            arrival.accept(target.stage, target.at, target.plan, target.name, digests["sha256"])
            return
        report.say(f"{target.name}: {words}, expected {target.entry.words} (attempt {attempt + 1} of 2)")
        target.part.unlink(missing_ok=True)
    raise errors.bad_content(target.at, target.name, target.entry.words, words)


def _complete(target: _File) -> dict[str, str] | None:
    """The hashes of a file of which all bytes are here: killed before it was recorded, or empty."""
    if target.place.is_file() and not target.part.exists():
        target.place.rename(target.part)
    size = target.entry.size
    if size == 0:
        target.part.touch()
    if size_of(target.part) > size:
        target.part.unlink()
    if size_of(target.part) != size or (size and not target.part.exists()):
        return None
    return content_hashes(target.part, target.entry, silent)


def _mismatch(target: _File, digests: Mapping[str, str]) -> str:
    """What is wrong with the content; an empty text if it is the listed one."""
    entry, size = target.entry, size_of(target.part)
    if size != entry.size:
        return f"{size:,} bytes"
    if entry.compare(digests) is False:
        kind = "sha256" if entry.sha256 else "blob"
        return f"{kind} {digests[kind]}"
    return ""


def _start_of_file(target: _File) -> bytes:
    if target.entry.size >= lfs.POINTER_BYTES:
        return b""
    return target.part.read_bytes()
