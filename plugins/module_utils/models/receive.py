# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Receive the body of one address into a partial file: resumed after interruptions, bounded, and hashed while it arrives."""

from __future__ import annotations

import re
import urllib.error
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from ansible_collections.jetson.thor.plugins.module_utils.models import web
from ansible_collections.jetson.thor.plugins.module_utils.models.errors import FetchError
from ansible_collections.jetson.thor.plugins.module_utils.models.hashing import BLOCK
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import size_of


@dataclass(frozen=True)
class Answer:
    """What a server answered: ``validator`` is for If-Range, ``rest`` the bytes that follow; no response for an error.

    ``wait`` is the seconds after which the server wants to be asked again.
    """

    status: int
    validator: str | None = None
    rest: int | None = None
    response: Any = None
    wait: float | None = None


@dataclass
class Attempts:
    """What several connections for one file have achieved."""

    reached: int  # the furthest byte so far
    fetched: int = 0  # bytes transferred
    idle: int = 0  # attempts in a row without progress
    status: int = 0  # of the last answer, 0 if there was none
    reason: str = ""  # why the last attempt ended
    wait: float | None = None  # seconds that the last answer asks to wait


class Target(Protocol):
    """One file that is to arrive."""

    url: str
    part: Path

    def resume(self) -> tuple[int, dict[str, str]]:
        """The bytes that are here already and can be continued, and the headers that ask for the rest."""

    def ask(self, headers: Mapping[str, str]) -> Answer:
        """Open the address. Raises FetchError for an answer that a retry would not change."""

    def begin(self, answer: Answer) -> None:
        """The body is about to arrive. Raises FetchError if it does not fit."""

    def digests(self) -> dict[str, Any]:
        """Fresh hashes of hashlib, by name, that are fed with the content."""

    def limit(self, total: int | None) -> int:
        """The bytes that the file may have. Raises FetchError if ``total``, which the server announces, is more."""

    def too_long(self, limit: int) -> FetchError:
        """The error for a body that does not end at its limit."""

    def gave_up(self, attempts: Attempts) -> FetchError:
        """The error after the last attempt."""

    def wait(self, seconds: float) -> None:
        """Wait before the next attempt. May raise to stop."""

    def progress(self, done: int, total: int | None) -> None:
        """``done`` bytes are here. May raise to stop."""


def receive(spec: Mapping[str, Any], target: Target, say: Callable[[str], None]) -> tuple[int, dict[str, str]]:
    """Read the body to its end, resuming as long as bytes arrive. Returns the bytes transferred and the hashes in hex."""
    attempts = Attempts(reached=size_of(target.part))
    while attempts.idle <= spec["retries"]:
        if attempts.idle:
            target.wait(web.pause(spec, attempts.status, attempts.wait, attempts.idle, say))
        attempts.idle += 1
        have, headers = target.resume()
        try:
            answer = target.ask(headers)
        except web.TRANSPORT as error:
            web.refuse_lasting(spec, target.url, error)
            attempts.status, attempts.reason, attempts.wait = 0, web.why(error), None
            continue
        attempts.status, attempts.wait = answer.status, answer.wait
        if answer.response is None:
            if answer.status == 416:
                target.part.unlink(missing_ok=True)
            continue
        with answer.response:
            target.begin(answer)
            digests = target.digests()
            start = have if answer.status == 206 else 0
            if _append(target, start, answer, digests, attempts):
                return attempts.fetched, in_hex(digests)
    raise target.gave_up(attempts)


def in_hex(digests: Mapping[str, Any]) -> dict[str, str]:
    """The hashes as text."""
    return {kind: digest.hexdigest() for kind, digest in digests.items()}


def _append(target: Target, start: int, answer: Answer, digests: Mapping[str, Any], attempts: Attempts) -> bool:
    """Write the response behind the first ``start`` bytes; True if the file is complete."""
    total = None if answer.rest is None else start + answer.rest
    limit = target.limit(total)
    with target.part.open("r+b" if start else "wb") as sink:
        feed(sink, start, digests)
        sink.truncate()
        done = start
        try:
            while block := answer.response.read1(BLOCK):
                if done + len(block) > limit:
                    raise target.too_long(limit)
                sink.write(block)
                for digest in digests.values():
                    digest.update(block)
                done += len(block)
                attempts.fetched += len(block)
                if done > attempts.reached:  # further than ever: the connection is alive
                    attempts.reached, attempts.idle = done, 0
                target.progress(done, total)
        except web.TRANSPORT as error:
            attempts.reason = web.why(error)
            return False
        if total is None or done == total:
            return True
        attempts.reason = f"the server closed after {done:,} of {total:,} bytes"
        return False


def feed(source: IO[bytes], count: int, digests: Mapping[str, Any]) -> None:
    """Hash the next ``count`` bytes of a file that is open."""
    while count > 0 and (block := source.read(min(BLOCK, count))):
        for digest in digests.values():
            digest.update(block)
        count -= len(block)


def answer_of(response: Any, start: int) -> Answer:
    """What a successful response says about itself; 416 if it does not begin at byte ``start``."""
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


def start_of(headers: Mapping[str, str]) -> int:
    """The first byte that a request asks for."""
    return int(headers["Range"][6:-1]) if "Range" in headers else 0


def passes(error: urllib.error.HTTPError) -> bool:
    """Whether an error of HTTP may be another answer next time."""
    return error.code in (408, 416, 429) or error.code >= 500
