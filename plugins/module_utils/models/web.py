# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Plain HTTP, as Ansible speaks it: open a URL, and tell failures that pass from those that last."""

from __future__ import annotations

import http.client
import re
import ssl
import urllib.error
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

from ansible.module_utils import urls
from ansible_collections.jetson.thor.plugins.module_utils import network_errors
from ansible_collections.jetson.thor.plugins.module_utils.models.errors import limited, refused_line

TRANSPORT = (urllib.error.URLError, http.client.HTTPException, ssl.SSLError, TimeoutError, ConnectionError)
# The Hugging Face hub counts requests in windows of 300 s (``RateLimit-Policy``, as in utils/_http.py of its client 2.4.0).
LONGEST_WAIT = 330.0
MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
# A rate limit that is used up, and the seconds until it is renewed: ``"api";r=0;t=55``.
_USED_UP = re.compile(r'"\w+"\s*;\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d{1,9})')


def open_url(spec: Mapping[str, Any], url: str, headers: Mapping[str, str]) -> Any:
    """A GET by Ansible's own client; the caller closes the response. Raises HTTPError and the classes of TRANSPORT."""
    _refuse_unfit(headers)
    try:
        return urls.open_url(
            url,
            headers=dict(headers),
            timeout=spec["idle_timeout"],
            http_agent="jetson.thor",
            decompress=False,
            # A token is for the hub, not for the blob store that it may redirect to.
            unredirected_headers=["Cookie"],
        )
    except (
        urls.ConnectionError,
        ValueError,
        OverflowError,
    ) as error:  # the client's own class; an unknown scheme or port
        raise urllib.error.URLError(str(error)) from error


def open_hub(spec: Mapping[str, Any], url: str, headers: Mapping[str, str], method: str = "GET") -> Any:
    """A request to a Hugging Face hub, following redirects; the caller closes the response.

    The token goes to the hub's own origin and nowhere else: files lie at signed addresses of other hosts. Raises like open_url.
    """
    token = {"Authorization": f"Bearer {spec['token']}"} if spec["token"] else {}
    _refuse_unfit(token)
    for _hop in range(MAX_REDIRECTS + 1):
        own = token if origin(url) == origin(spec["endpoint"]) else {}
        try:
            return urls.open_url(
                url,
                method=method,
                headers={"Accept-Encoding": "identity", **headers, **own},
                timeout=spec["idle_timeout"],
                http_agent="jetson.thor",
                decompress=False,
                follow_redirects="none",
                use_netrc=False,
            )
        except urllib.error.HTTPError as error:
            place = error.headers.get("Location") if error.code in _REDIRECTS and error.headers else None
            if place is None:
                raise
            error.close()
            url = urljoin(url, place)
            if not url.startswith(("http://", "https://")):  # such as file:
                raise urllib.error.URLError("it redirects to an address that is not HTTP") from error
        except (urls.ConnectionError, ValueError, OverflowError) as error:
            raise urllib.error.URLError(str(error)) from error
    raise urllib.error.URLError(f"more than {MAX_REDIRECTS} redirects")


def _refuse_unfit(headers: Mapping[str, str]) -> None:
    """Raise URLError for a header with a line break or the like. http.client would quote it, and it may hold a token."""
    for name, value in headers.items():
        if not re.fullmatch(r"[ -~]*", value):
            raise urllib.error.URLError(f"the header {name} would have characters that HTTP does not allow")


def origin(url: str) -> tuple[str, str, int | None]:
    """Who answers at an address: the scheme, the host and the port; without one where it is not a number."""
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        port = None
    return parts.scheme, (parts.hostname or "").lower(), port


class Headers(Protocol):
    """Headers of an answer, looked up in any case of letters."""

    def get(self, name: str, /) -> str | None:
        """The value of a header."""


def wait_of(headers: Headers) -> float | None:
    """The seconds after which a server wants to be asked again, by its rate limit or ``Retry-After``; None if it does not say."""
    used_up = _USED_UP.search(headers.get("RateLimit") or "")
    return float(used_up[1]) if used_up else network_errors.retry_after(headers.get("Retry-After"))


def pause(spec: Mapping[str, Any], status: int, wait: float | None, attempt: int, say: Callable[[str], None]) -> float:
    """Seconds to wait before attempt number ``attempt`` + 1; a wait that the server asks for is said. Raises THOR-HUB-LIMIT."""
    if wait is None:
        return float(min(2.0 ** (attempt - 1), 30))
    if wait > LONGEST_WAIT:
        raise limited(spec, spec.get("endpoint") or spec["url"], wait)
    say(f"HTTP {status}: the server asks to come back {network_errors.back_in(wait)}. Waiting.")
    return wait + 1  # its clock may be ahead by a part of a second


def why(error: BaseException) -> str:
    """Why a connection failed, in words."""
    reason = getattr(error, "reason", None) or error
    return f"{type(reason).__name__}: {reason}" if isinstance(reason, BaseException) else str(reason)


def refuse_lasting(spec: Mapping[str, Any], url: str, error: BaseException) -> None:
    """Raise for a connection failure that does not pass by itself, so that a retry would fail the same way."""
    if not network_errors.is_passing(error):
        raise refused_line(url, spec, why(error)) from error
