# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The API of a ModelScope hub: list the files of a model at a revision."""

from __future__ import annotations

import contextlib
import itertools
import re
import time
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from ansible_collections.jetson.thor.plugins.module_utils import bounded
from ansible_collections.jetson.thor.plugins.module_utils.models import errors, listing, web
from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Entry

# The hub truncates a listing here without saying so (modelscope_hub.constants.REPO_FILES_TRUNCATION_LIMIT).
LISTING_LIMIT = 3000
# A full page of modelscope.cn is about 2 MB.
LISTING_BYTES = 16 * 1024 * 1024
LISTING_SECONDS = 300.0
EXCERPT_BYTES = 64 * 1024
MAX_FOLDERS = 500
# Codes of modelscope.cn, as recorded by others (gpustack, neutree). All come with HTTP 404.
NOT_THERE = (
    10010205001,  # "record not found": no such model
    10990101004,  # no file tree at this revision
    10990101007,  # no such file
)
NOT_PUBLIC = (10010200001,)  # private without a token, or gated
_DATABASE = re.compile(r"Error \d{4}\b")


def list_files(spec: Mapping[str, Any], say: Callable[[str], None] = lambda _line: None) -> dict[str, Entry]:
    """The files of a model at a revision: one GET, or more for a model of 3000 files.

    The whole listing is checked before any of it is used.
    Raises FetchError: THOR-HUB-UNREACHABLE, THOR-HUB-ANSWER, THOR-CLOCK-WRONG, THOR-MODEL-NOT-FOUND, THOR-MODEL-DENIED.
    """
    try:
        return listing.files_of(listing.entry_of(item) for item in _blobs(spec, "", itertools.count(1), say))
    except listing.Unusable as error:
        raise errors.bad_answer(spec, f"the listing {error}.") from error


def _blobs(
    spec: Mapping[str, Any], root: str, pages: Iterator[int], say: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    entries = _list_page(spec, root, True, say)
    if len(entries) < LISTING_LIMIT:
        yield from (entry for entry in entries if entry.get("Type") != "tree")
        return
    if next(pages, MAX_FOLDERS + 1) > MAX_FOLDERS:
        raise errors.bad_answer(
            spec, f"the listing has more than {MAX_FOLDERS} folders with {LISTING_LIMIT} entries or more."
        )
    entries = _list_page(spec, root, False, say)
    if len(entries) >= LISTING_LIMIT:
        raise errors.bad_answer(
            spec, f"the directory {root or '/'} has {LISTING_LIMIT} entries or more, the hub lists no more."
        )
    for entry in entries:
        if entry.get("Type") == "tree":
            folder = entry.get("Path")
            # Downwards only: a hub must not send us round in circles.
            if (
                not isinstance(folder, str)
                or listing.fault_of(folder)
                or not folder.startswith(f"{root}/" if root else "")
            ):
                raise errors.bad_answer(spec, f"the listing of {root or '/'} holds the folder {folder!r}.")
            yield from _blobs(spec, folder, pages, say)
        else:
            yield entry


def _list_page(spec: Mapping[str, Any], root: str, recursive: bool, say: Callable[[str], None]) -> list[dict[str, Any]]:
    query = {"Revision": spec["revision"], "Recursive": str(recursive)} | ({"Root": root} if root else {})
    url = f"{spec['endpoint']}/api/v1/models/{spec['id']}/repo/files?{urlencode(query)}"
    # The hub's own way to authenticate (cookie m_session_id).
    headers = {"Cookie": f"m_session_id={spec['token']}"} if spec["token"] else {}
    status, body = _get(spec, url, headers, say)
    try:
        answer = bounded.parse(body)
    except ValueError:
        answer = None
    _refuse(spec, url, status, answer, body)
    data = answer.get("Data") if isinstance(answer, dict) else None
    entries = data.get("Files", False) if isinstance(data, dict) else False
    if entries is None and not root:
        # modelscope.cn answers 200, Success and no files for a revision that it does not have.
        raise errors.not_found(spec)
    if entries is not None and (not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries)):
        raise errors.bad_answer(spec, f"no listing came from {url} but: {_excerpt(body)}")
    return list(entries or [])


def _refuse(spec: Mapping[str, Any], url: str, status: int, answer: Any, body: bytes) -> None:
    """Raise unless the request succeeded. The hub's own code says more than the status: it hides private models behind 404."""
    details = answer if isinstance(answer, dict) else {}
    code, message = details.get("Code", status), str(details.get("Message", ""))
    if status == 200 and code == 200 and details.get("Success") is not False:
        return
    if status in (401, 403) or code in NOT_PUBLIC:
        raise errors.denied(spec, status)
    # A database in trouble answers 404 and "Error 1461: Can't create more than max_prepared_stmt_count statements".
    if (status == 404 or code in (404, *NOT_THERE)) and not _DATABASE.search(message):
        raise errors.not_found(spec)
    if status != 200:
        raise errors.bad_answer(spec, f"HTTP {status} for {url}: {_excerpt(body)}")
    raise errors.bad_answer(spec, f"it refuses {url}: {_excerpt(body)}")


def _get(
    spec: Mapping[str, Any], url: str, headers: Mapping[str, str], say: Callable[[str], None]
) -> tuple[int, bytes]:
    """Status and body of a GET, with bounded retries of transient failures (no answer, 429, 5xx)."""
    reason, wait = "", None
    answer: tuple[int, bytes] | None = None
    for attempt in range(spec["retries"] + 1):
        if attempt:
            time.sleep(web.pause(spec, answer[0] if answer else 0, wait, attempt, say))
        try:
            with web.open_url(spec, url, headers) as response:
                return int(response.status), bounded.read(response, LISTING_BYTES, LISTING_SECONDS)
        except bounded.TooMuch as error:
            raise errors.bad_answer(spec, f"{url}: {error}, and a listing is smaller.") from error
        except urllib.error.HTTPError as error:
            with error:
                body = b""
                # The status counts, whatever happens to the body.
                with contextlib.suppress(*web.TRANSPORT):
                    body = bounded.start(error, EXCERPT_BYTES, spec["idle_timeout"])
                answer = (error.code, body)
                if error.code != 429 and error.code < 500:
                    return answer
                wait = web.wait_of(error.headers or {})
        except web.TRANSPORT as error:
            web.refuse_lasting(spec, url, error)
            answer, reason, wait = None, web.why(error), None
    if answer and answer[0] == 429:
        raise errors.limited(spec, url, wait)
    if answer:
        return answer
    raise errors.unreachable(url, spec, reason)


def _excerpt(body: bytes) -> str:
    text = " ".join(body[:600].decode(errors="replace").split())
    return f"{text[:200]!r}"
