# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Download a plain URL into staging: resumed after interruptions, bounded, and verified."""

from __future__ import annotations

import hashlib
import time
import urllib.error
from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.files import sync
from ansible_collections.jetson.thor.plugins.module_utils.models import errors, web
from ansible_collections.jetson.thor.plugins.module_utils.models.hashing import Reporter
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import PARTIAL, size_of
from ansible_collections.jetson.thor.plugins.module_utils.models.parameters import parse_checksum
from ansible_collections.jetson.thor.plugins.module_utils.models.receive import (
    Answer,
    Attempts,
    answer_of,
    passes,
    receive,
    start_of,
)
from ansible_collections.jetson.thor.plugins.module_utils.models.staging import Staging, refuse_full

# The limit for a file whose size nobody states.
UNSTATED_BYTES = 2 * 1024**3


def download(stage: Staging, spec: Mapping[str, Any], report: Reporter) -> tuple[int, str]:
    """Download the URL into the partial file, verified and durable. Returns the bytes transferred and the sha256."""
    kind, expected = parse_checksum(spec["checksum"]) if spec["checksum"] else ("sha256", "")
    target = _Url(stage, spec, report, kind)
    fetched = 0
    for attempt in range(2):
        moved, digests = receive(spec, target, report.say)
        fetched += moved
        if not expected or digests[kind] == expected:
            target.part.chmod(0o644)
            sync(target.part)
            return fetched, digests["sha256"]
        report.say(f"{spec['url']}: {kind} is {digests[kind]}, expected {expected} (attempt {attempt + 1} of 2)")
        target.part.unlink()
    raise errors.bad_content(spec, spec["file"], spec["checksum"], f"{kind}:{digests[kind]}")


class _Url:
    """The file of a URL (receive.Target)."""

    def __init__(self, stage: Staging, spec: Mapping[str, Any], report: Reporter, kind: str) -> None:
        self.stage, self.spec, self.report, self.kind = stage, spec, report, kind
        self.url: str = spec["url"]
        self.part = stage.tree / (spec["file"] + PARTIAL)

    def resume(self) -> tuple[int, dict[str, str]]:
        """The bytes that are here already, and the headers that ask for the rest."""
        have = size_of(self.part) if self.stage.journal.get("url") == self.url else 0
        validator = self.stage.journal.get("validator")
        if not have or not (validator or self.spec["checksum"]):
            return 0, {}  # nothing could tell whether the rest belongs to what is here
        return have, {"Range": f"bytes={have}-"} | ({"If-Range": validator} if validator else {})

    def ask(self, headers: Mapping[str, str]) -> Answer:
        """Open the URL."""
        return ask(self.spec, headers)

    def begin(self, answer: Answer) -> None:
        """Record what the rest has to belong to."""
        self.stage.journal = {"url": self.url, "validator": answer.validator}
        self.stage.record()
        refuse_full(self.spec, self.stage.tree, answer.rest or 0)

    def digests(self) -> dict[str, Any]:
        """The checksum's kind, and the manifest's."""
        return {kind: hashlib.new(kind) for kind in (self.kind, "sha256")}

    def limit(self, total: int | None) -> int:
        """What the catalog allows."""
        return limit_of(self.spec, total)

    def too_long(self, limit: int) -> errors.FetchError:
        """More than the catalog allows."""
        return errors.too_long(self.spec, limit)

    def wait(self, seconds: float) -> None:
        """Wait before the next attempt."""
        time.sleep(seconds)

    def progress(self, done: int, total: int | None) -> None:
        """Report it."""
        self.report.progress(done, total or 0, "B", self.spec["file"])

    def gave_up(self, attempts: Attempts) -> errors.FetchError:
        """The error after the last attempt."""
        spec = self.spec
        if attempts.status == 429:
            return errors.limited(spec, self.url, attempts.wait)
        if attempts.status >= 400:
            return errors.bad_answer(spec, f"HTTP {attempts.status} for {self.url}, {spec['retries'] + 1} times.")
        if not size_of(self.part):
            return errors.unreachable(self.url, spec, attempts.reason)
        return errors.cut("url", self.url, "the transfer", spec["retries"] + 1, attempts.reason)


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
    try:
        response = web.open_url(spec, spec["url"], {"Accept-Encoding": "identity", **headers})
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (404, 410):
                raise errors.not_found(spec) from error
            if error.code in (401, 403):
                raise errors.denied(spec, error.code) from error
            if not passes(error):
                raise errors.bad_answer(spec, f"HTTP {error.code} for {spec['url']}.") from error
            return Answer(error.code, wait=web.wait_of(error.headers or {}))
    return answer_of(response, start_of(headers))
