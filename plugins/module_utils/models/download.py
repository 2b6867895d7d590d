# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Download one URL into staging: resumed after interruptions, bounded, and verified."""

from __future__ import annotations

import hashlib
import re
import time
import urllib.error
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ansible_collections.jetson.thor.plugins.module_utils.files import sync
from ansible_collections.jetson.thor.plugins.module_utils.models import errors, web
from ansible_collections.jetson.thor.plugins.module_utils.models.hashing import BLOCK, Reporter
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import PARTIAL, size_of
from ansible_collections.jetson.thor.plugins.module_utils.models.parameters import parse_checksum
from ansible_collections.jetson.thor.plugins.module_utils.models.staging import Staging, refuse_full

# The limit for a file whose size nobody states.
UNSTATED_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Answer:
    """What a server answered: ``validator`` is for If-Range, ``rest`` the bytes that follow; no response for an error."""

    status: int
    validator: str | None = None
    rest: int | None = None
    response: Any = None


@dataclass
class _Attempts:
    """What several connections for one file have achieved."""

    reached: int  # the furthest byte so far
    fetched: int = 0  # bytes transferred
    idle: int = 0  # attempts in a row without progress
    status: int = 0  # of the last answer, 0 if there was none
    reason: str = ""  # why the last attempt ended


def download(stage: Staging, spec: Mapping[str, Any], report: Reporter) -> tuple[int, str]:
    """Download the URL into the partial file, verified and durable. Returns the bytes transferred and the sha256."""
    part = stage.tree / (spec["file"] + PARTIAL)
    kind, expected = parse_checksum(spec["checksum"]) if spec["checksum"] else ("sha256", "")
    fetched = 0
    for attempt in range(2):
        moved, digests = _receive(stage, spec, part, {kind, "sha256"}, report)
        fetched += moved
        if not expected or digests[kind] == expected:
            part.chmod(0o644)
            sync(part)
            return fetched, digests["sha256"]
        report.say(f"{spec['url']}: {kind} is {digests[kind]}, expected {expected} (attempt {attempt + 1} of 2)")
        part.unlink()
    raise errors.bad_content(spec, spec["file"], spec["checksum"], f"{kind}:{digests[kind]}")


def _receive(
    stage: Staging, spec: Mapping[str, Any], part: Path, kinds: Iterable[str], report: Reporter
) -> tuple[int, dict[str, str]]:
    """Read the body to its end, resuming after interruptions as long as bytes arrive."""
    attempts = _Attempts(reached=size_of(part))
    while attempts.idle <= spec["retries"]:
        if attempts.idle:
            time.sleep(min(2.0 ** (attempts.idle - 1), 30))
        attempts.idle += 1
        have, headers = _resume_point(stage, spec, part)
        try:
            answer = ask(spec, headers)
        except web.TRANSPORT as error:
            web.refuse_lasting(spec, spec["url"], error)
            attempts.status, attempts.reason = 0, web.why(error)
            continue
        attempts.status = answer.status
        if answer.response is None:
            if answer.status == 416:
                part.unlink(missing_ok=True)
            continue
        with answer.response:
            stage.journal = {"url": spec["url"], "validator": answer.validator}
            stage.record()
            refuse_full(spec, stage.tree, answer.rest or 0)
            digests = {kind: hashlib.new(kind) for kind in kinds}
            start = have if answer.status == 206 else 0
            if _append(spec, part, start, answer, digests, attempts, report):
                return attempts.fetched, {kind: digest.hexdigest() for kind, digest in digests.items()}
    raise _gave_up(spec, part, attempts)


def _resume_point(stage: Staging, spec: Mapping[str, Any], part: Path) -> tuple[int, dict[str, str]]:
    """The bytes that are here already, and the headers that ask for the rest."""
    have = size_of(part) if stage.journal.get("url") == spec["url"] else 0
    validator = stage.journal.get("validator")
    if not have or not (validator or spec["checksum"]):
        return 0, {}  # nothing could tell whether the rest belongs to what is here
    return have, {"Range": f"bytes={have}-"} | ({"If-Range": validator} if validator else {})


def _append(
    spec: Mapping[str, Any],
    part: Path,
    start: int,
    answer: Answer,
    digests: Mapping[str, Any],
    attempts: _Attempts,
    report: Reporter,
) -> bool:
    """Write the response behind the first ``start`` bytes; True if the file is complete."""
    total = None if answer.rest is None else start + answer.rest
    limit = limit_of(spec, total)
    with part.open("r+b" if start else "wb") as sink:
        _hash_start(sink, start, digests)
        sink.truncate()
        try:
            while block := answer.response.read1(BLOCK):
                if sink.tell() + len(block) > limit:
                    raise errors.too_long(spec, limit)
                sink.write(block)
                for digest in digests.values():
                    digest.update(block)
                attempts.fetched += len(block)
                if sink.tell() > attempts.reached:  # further than ever: the connection is alive
                    attempts.reached, attempts.idle = sink.tell(), 0
                report.progress(sink.tell(), total or 0, "B", spec["file"])
        except web.TRANSPORT as error:
            attempts.reason = web.why(error)
            return False
        if total is None or sink.tell() == total:
            return True
        attempts.reason = f"the server closed after {sink.tell():,} of {total:,} bytes"
        return False


def _hash_start(sink: IO[bytes], start: int, digests: Mapping[str, Any]) -> None:
    """Hash the bytes that are here already."""
    while start > sink.tell():
        block = sink.read(min(BLOCK, start - sink.tell()))
        for digest in digests.values():
            digest.update(block)


def _gave_up(spec: Mapping[str, Any], part: Path, attempts: _Attempts) -> errors.FetchError:
    """The error after the last attempt."""
    if attempts.status >= 400:
        return errors.bad_answer(spec, f"HTTP {attempts.status} for {spec['url']}, {spec['retries'] + 1} times.")
    if not size_of(part):
        return errors.unreachable(spec["url"], spec, attempts.reason)
    return errors.FetchError(
        "THOR-TRANSFER-CUT",
        "url",
        spec["url"],
        f"the transfer was interrupted again and again, the last {spec['retries'] + 1} times without a byte: {attempts.reason}.",
        "Run the play again when the connection or the server is better: it continues from there.",
    )


def limit_of(spec: Mapping[str, Any], announced: int | None) -> int:
    """The bytes that the file may have. Raises FetchError if the server announces more."""
    most: int | None = spec["max_bytes"]
    if announced is None:
        return UNSTATED_BYTES if most is None else most
    if most is not None and announced > most:
        raise errors.too_long(spec, most, announced)
    return announced


def ask(spec: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
    """Open the URL. Raises FetchError for an answer that a retry would not change."""
    start = int(headers["Range"][6:-1]) if "Range" in headers else 0
    try:
        response = web.open_url(spec, spec["url"], {"Accept-Encoding": "identity", **headers})
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (404, 410):
                raise errors.not_found(spec) from error
            if error.code in (401, 403):
                raise errors.denied(spec, error.code) from error
            if error.code not in (416, 429) and error.code < 500:
                raise errors.bad_answer(spec, f"HTTP {error.code} for {spec['url']}.") from error
            web.refuse_limit(spec, error)
            return Answer(error.code)
    status = int(response.status)
    if status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        response.close()
        return Answer(416)
    etag = response.headers.get("ETag", "")
    # A weak ETag cannot say that bytes are the same (RFC 9110, 13.1.5).
    validator = etag if etag.startswith('"') else response.headers.get("Last-Modified")
    length = response.headers.get("Content-Length", "")
    # Python rejects 5000 digits, and characters that only look like digits (\u00b2).
    return Answer(status, validator, int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None, response)
