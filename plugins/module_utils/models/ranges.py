# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Files of a model as pieces: read from a hub, or from a plain web server, by range requests.

A hub answers with the file itself or with a redirect to where it is stored. Later pieces of a file are read there, without another
redirect, and without the token, which is for the hub alone.
"""

from __future__ import annotations

import re
import urllib.error
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

from ansible_collections.jetson.thor.plugins.module_utils import bounded
from ansible_collections.jetson.thor.plugins.module_utils.models import errors, huggingface, lfs, manifest, web
from ansible_collections.jetson.thor.plugins.module_utils.models.about import Files
from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Listing
from ansible_collections.jetson.thor.plugins.module_utils.models.huggingface import Refusal, Refused

# One piece, however slowly its bytes arrive.
SECONDS = 120.0
_TOTAL = re.compile(r"bytes \d+-\d+/(\d{1,18})")
Say = Callable[[str], None]


def of_listing(spec: Mapping[str, Any], listing: Listing, say: Say = lambda _line: None) -> Files:
    """The files of a model on the hub that has listed them. ``spec``: ``sources``, ``include``, ``exclude``, ``retries``, ``idle_timeout``.

    Reading raises FetchError: THOR-HUB-UNREACHABLE, THOR-HUB-ANSWER, THOR-HUB-LIMIT, THOR-MODEL-NOT-FOUND, THOR-MODEL-GATED, ...
    """
    at = {**spec, **listing.source}
    sizes = {
        name: entry.size
        for name, entry in listing.files.items()
        if manifest.matches(name, spec["include"]) and not manifest.matches(name, spec["exclude"])
    }
    return Files(sizes, _Remote(at, sizes, partial(_address, at, listing.commit), say).read)


def of_url(spec: Mapping[str, Any], say: Say = lambda _line: None) -> Files:
    """The one file at ``spec["url"]``, called ``spec["file"]``, after its size has been asked for. Raises FetchError."""
    at = {**spec, "endpoint": spec["url"], "token": None}
    remote = _Remote(at, {}, lambda _name: str(spec["url"]), say)
    sizes = {spec["file"]: remote.size(spec["file"])}
    return Files(sizes, _Remote(at, sizes, lambda _name: str(spec["url"]), say).read)


def _address(at: Mapping[str, Any], commit: str | None, name: str) -> str:
    if at["hub"] == "huggingface":
        return huggingface.file_url(at, commit or at["revision"], name)
    query = urlencode({"Revision": at["revision"], "FilePath": name})
    return f"{at['endpoint']}/api/v1/models/{at['id']}/repo?{query}"


class _Remote:
    """A server, and where it has sent us for each file."""

    def __init__(
        self, at: Mapping[str, Any], sizes: Mapping[str, int], address: Callable[[str], str], say: Say
    ) -> None:
        self._at, self._sizes, self._address, self._say = at, sizes, address, say
        self._moved: dict[str, str] = {}

    def read(self, name: str, start: int, length: int) -> bytes:
        """Up to ``length`` bytes of a file from ``start`` on, fewer only at its end."""
        length = min(length, self._sizes[name] - start)
        if length <= 0:
            return b""
        found: bytes = huggingface.patiently(self._at, partial(self._piece, name, start, length), self._say)
        return found

    def size(self, name: str) -> int:
        """The size of a file."""
        found: int = huggingface.patiently(self._at, partial(self._total, name), self._say)
        return found

    def _total(self, name: str) -> int:
        with self._open(name, 0, 1) as response:
            total = _TOTAL.fullmatch(response.headers.get("Content-Range") or "")
            stated = total[1] if total else response.headers.get("Content-Length") or ""
        if not re.fullmatch(r"[0-9]{1,18}", stated):
            raise errors.bad_answer(self._at, f"{self._address(name)} does not say how large it is.")
        return int(stated)

    def _piece(self, name: str, start: int, length: int) -> bytes:
        try:
            with self._open(name, start, length) as response:
                if response.status == 206:
                    if not (response.headers.get("Content-Range") or "").startswith(f"bytes {start}-"):
                        raise errors.bad_answer(self._at, f"another piece of {name} than the requested one.")
                    found = bounded.start(response, length, SECONDS)
                else:  # a server without ranges sends the file from its beginning
                    found = bounded.start(response, start + length, SECONDS)[start:]
        except web.TRANSPORT as error:
            self._moved.pop(name, None)
            raise Refused(Refusal(self._address(name), 0, message=web.why(error))) from error
        if len(found) < length:
            if lfs.is_pointer(found):
                raise errors.pointer(self._at, name, "the server delivers it, although it lists the file")
            reason = f"{name} ended after {start + len(found):,} of {self._sizes[name]:,} bytes"
            raise Refused(Refusal(self._address(name), 0, message=reason))
        return found

    def _open(self, name: str, start: int, length: int) -> Any:
        """Ask for a piece. Raises Refused, and FetchError for a connection that would fail again."""
        url = self._moved.get(name) or self._address(name)
        headers = {"Range": f"bytes={start}-{start + length - 1}", "Accept-Encoding": "identity"}
        try:
            response = self._get(url, headers)
        except urllib.error.HTTPError as error:
            place, refusal = error.geturl() or url, huggingface.refusal_of(url, error)
            self._moved.pop(name, None)
            if web.origin(place) != web.origin(
                self._at["endpoint"]
            ):  # a signed address that has expired: the next one is new
                refusal = Refusal(place, 0, message=f"HTTP {error.code} where the file is stored")
            raise Refused(refusal) from error
        except web.TRANSPORT as error:
            web.refuse_lasting(self._at, url, error)
            raise Refused(Refusal(url, 0, message=web.why(error))) from error
        final = response.geturl()
        if web.origin(final) != web.origin(self._at["endpoint"]):
            self._moved[name] = final
        return response

    def _get(self, url: str, headers: Mapping[str, str]) -> Any:
        if self._at.get("hub") == "huggingface":
            return web.open_hub(self._at, url, headers)
        is_own = web.origin(url) == web.origin(self._at["endpoint"])
        token = {"Cookie": f"m_session_id={self._at['token']}"} if self._at["token"] and is_own else {}
        return web.open_url(self._at, url, {**headers, **token})
