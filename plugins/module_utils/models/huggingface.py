# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The protocol of a Hugging Face hub: list the files of a model at a revision, and say what a refusal means.

As huggingface_hub 2.4.0 speaks it:

- ``GET /api/models/{id}/revision/{revision}`` answers with ``sha``, the commit (hf_api.py, model_info).
- ``GET /api/models/{id}/tree/{commit}?recursive=true&expand=false`` lists files and folders, 1000 a page; the header ``Link`` has the
  next page, ``rel="next"`` (hf_api.py, list_repo_tree; utils/_pagination.py). A file has ``path``, ``size``, ``oid`` (git's blob id)
  and, if it is stored with LFS, ``lfs: {oid (sha256), size, pointerSize}``.
- ``GET /{id}/resolve/{commit}/{file}`` is the file, or a redirect to a signed address of a storage host, which must not see the token
  (file_download.py, hf_hub_url and _get_metadata_or_catch_error).
- The token is ``Authorization: Bearer``. Refusals have ``X-Error-Code`` (RepoNotFound, RevisionNotFound, EntryNotFound, GatedRepo) and
  ``X-Error-Message``. A repository that does not exist and a private one both answer 401 without a token, 404 with one
  (utils/_http.py, hf_raise_for_status).
- 429 says when to come back: ``RateLimit: "api";r=0;t=55``, or ``Retry-After`` (utils/_http.py, _http_backoff_base).

In a fetch, the hub's own client lists (huggingface_client.py). Check mode, and a look before the fetch, need nothing installed: they
ask the same questions over plain HTTP.
"""

from __future__ import annotations

import contextlib
import re
import time
import urllib.error
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, urljoin

from ansible_collections.jetson.thor.plugins.module_utils import bounded
from ansible_collections.jetson.thor.plugins.module_utils.model_origin import COMMIT
from ansible_collections.jetson.thor.plugins.module_utils.models import errors, listing, web
from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Entry, Listing

# A page of 1000 entries is about 0.3 MB.
PAGE_BYTES = 16 * 1024 * 1024
PAGE_SECONDS = 300.0
EXCERPT_BYTES = 64 * 1024
MAX_PAGES = 101
BLOB = re.compile(r"[0-9a-f]{40}")
# Client errors that pass by themselves (_DEFAULT_RETRY_ON_STATUS_CODES of the client, beside 5xx).
PASSING = (408, 429)
_NEXT = re.compile(r'<([^>]+)>\s*;[^,]*\brel="?next\b')
# A token that the hub does not know.
BAD_TOKEN = "Invalid credentials in Authorization header"


@dataclass(frozen=True)
class Refusal:
    """An answer other than the requested one; ``status`` is 0 if there was none, ``wait`` the seconds after which to ask again."""

    url: str
    status: int
    code: str = ""  # X-Error-Code
    message: str = ""  # X-Error-Message, or why there was no answer
    wait: float | None = None
    lasting: bool = False  # a connection that would fail the same way again

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed later."""
        return not self.lasting and (not self.status or self.status in PASSING or self.status >= 500)


class Refused(Exception):
    """A request was refused."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.message)


def file_url(at: Mapping[str, Any], commit: str, name: str) -> str:
    """The address of a file at a commit. ``at`` is a specification of one source: endpoint, id, token."""
    return f"{at['endpoint']}/{at['id']}/resolve/{commit}/{quote(name)}"


def list_over_http(at: Mapping[str, Any], say: Callable[[str], None] = lambda _line: None) -> Listing:
    """The files of a model at a revision, over plain HTTP: two requests, and one for each further 1000 entries.

    Raises FetchError: THOR-HUB-UNREACHABLE, THOR-HUB-ANSWER, THOR-HUB-LIMIT, THOR-CLOCK-WRONG, THOR-MODEL-NOT-FOUND,
    THOR-MODEL-REVISION, THOR-MODEL-GATED, THOR-MODEL-DENIED.
    """
    revision = quote(at.get("commit") or at["revision"], safe="")
    info, _headers = patiently(at, partial(_json, at, f"{_api(at)}/revision/{revision}"), say)
    commit = info.get("sha") if isinstance(info, dict) else None
    items: list[Any] = []
    url: str | None = f"{_api(at)}/tree/{commit}?recursive=true&expand=false"
    for _number in range(MAX_PAGES):
        if url is None or not isinstance(commit, str):
            break
        page, headers = patiently(at, partial(_json, at, url), say)
        if not isinstance(page, list):
            raise errors.bad_answer(at, f"no listing came from {url}.")
        items += page
        link = _NEXT.search(headers.get("Link") or "")
        url = urljoin(url, link[1]) if link else None
    else:
        raise errors.bad_answer(at, f"the listing has more than {MAX_PAGES - 1} pages.")
    return listing_of(at, info, items)


def listing_of(at: Mapping[str, Any], info: Any, items: Iterable[Any]) -> Listing:
    """A checked listing, from what the hub says of the model (sha, gated) and its own items (path, size, oid, lfs).

    Raises FetchError: THOR-HUB-ANSWER, and for a gated model that this token may not read THOR-MODEL-GATED.
    """
    commit = info.get("sha") if isinstance(info, dict) else None
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        raise errors.bad_answer(at, f"it names {commit!r:.60} as the commit of {at['revision']}.")
    try:
        files = listing.files_of(_entry_of(item) for item in items if not _is_folder(item))
    except listing.Unusable as error:
        raise errors.bad_answer(at, f"the listing {error}.") from error
    if isinstance(info, dict) and info.get("gated") and files:
        _refuse_gated(at, commit, max(files, key=lambda name: files[name].size))
    return Listing(at, commit, files)


def _refuse_gated(at: Mapping[str, Any], commit: str, name: str) -> None:
    """Ask for a byte of the largest file of a gated model: everybody may list it, and perhaps read its card, but only who was granted
    access may read its weights."""
    with contextlib.suppress(*web.TRANSPORT):
        try:
            web.open_hub(at, file_url(at, commit, name), {"Range": "bytes=0-0"}).close()
        except urllib.error.HTTPError as error:
            refusal = refusal_of(file_url(at, commit, name), error)
            if refusal.status in (401, 403):
                raise error_of(at, refusal, name) from error


def _api(at: Mapping[str, Any]) -> str:
    return f"{at['endpoint']}/api/models/{at['id']}"


def _is_folder(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "directory"


def _entry_of(item: Any) -> tuple[str, Entry]:
    if not isinstance(item, dict):
        raise listing.Unusable("holds something that is not a file")
    lfs = item.get("lfs") or {}
    if not isinstance(lfs, dict):
        raise listing.Unusable("holds a file with an unusable entry for LFS")
    plain = {"Path": item.get("path"), "Size": lfs.get("size", item.get("size")), "Sha256": lfs.get("oid")}
    name, entry = listing.entry_of(plain)
    blob = item.get("oid")
    if entry.sha256 is None and isinstance(blob, str) and BLOB.fullmatch(blob):
        entry = Entry(entry.size, None, blob)
    return name, entry


def _json(at: Mapping[str, Any], url: str) -> tuple[Any, Mapping[str, str]]:
    """The JSON document at an address, and the answer's headers. Raises Refused."""
    try:
        with web.open_hub(at, url, {"Accept": "application/json"}) as response:
            body = bounded.read(response, PAGE_BYTES, PAGE_SECONDS)
            return bounded.parse(body), response.headers
    except urllib.error.HTTPError as error:
        raise Refused(refusal_of(url, error)) from error
    except bounded.TooMuch as error:
        raise errors.bad_answer(at, f"{url}: {error}, and a page is smaller.") from error
    except web.TRANSPORT as error:
        web.refuse_lasting(at, url, error)
        raise Refused(Refusal(url, 0, message=web.why(error))) from error
    except ValueError as error:
        raise errors.bad_answer(at, f"no JSON came from {url}.") from error


def refusal_of(url: str, error: urllib.error.HTTPError) -> Refusal:
    """What an error of HTTP says."""
    with error, contextlib.suppress(*web.TRANSPORT):
        bounded.start(error, EXCERPT_BYTES, 10)
    return refusal_from(url, error.code, error.headers or {})


def refusal_from(url: str, status: int, headers: web.Headers, reason: str = "", lasting: bool = False) -> Refusal:
    """A refusal, from the status and the headers of an answer, or from the reason why there was none."""
    code, message = headers.get("X-Error-Code") or "", headers.get("X-Error-Message") or reason
    return Refusal(url, status, code, message, web.wait_of(headers), lasting)


def patiently(at: Mapping[str, Any], ask: Callable[[], Any], say: Callable[[str], None]) -> Any:
    """The result of ``ask``, which is repeated after failures that pass. Raises FetchError."""
    refusal = Refusal(at["endpoint"], 0)
    for attempt in range(at["retries"] + 1):
        if attempt:
            time.sleep(web.pause(at, refusal.status, refusal.wait, attempt, say))
        try:
            return ask()
        except Refused as refused:
            refusal = refused.refusal
            if not refusal.passes:
                break
    raise error_of(at, refusal)


def error_of(at: Mapping[str, Any], refusal: Refusal, name: str = "") -> errors.FetchError:
    """The error for a refusal; ``name`` is the file that was asked for, if any."""
    status, code, message = refusal.status, refusal.code, refusal.message
    if refusal.lasting:
        return errors.refused_line(refusal.url, at, message)
    if not status:
        return errors.unreachable(refusal.url, at, message)
    if code == "GatedRepo":
        return errors.gated(at, status)
    if code == "RevisionNotFound":
        return errors.no_revision(at)
    if message == BAD_TOKEN or (status == 403 and code != "RepoNotFound"):
        return errors.denied(at, status, message)
    if code in ("RepoNotFound", "EntryNotFound") or status in (401, 404):
        return errors.not_found(at, name if code != "RepoNotFound" else "")
    if status == 429:
        return errors.limited(at, refusal.url, refusal.wait)
    said = f" ({message[:200]})" if message else ""
    return errors.bad_answer(at, f"HTTP {status} for {refusal.url}{said}.")
