# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Plain HTTP, as Ansible speaks it: open a URL, and tell failures that pass from those that last."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
from collections.abc import Mapping
from typing import Any

from ansible.module_utils import urls
from ansible_collections.jetson.thor.plugins.module_utils import network_errors
from ansible_collections.jetson.thor.plugins.module_utils.models.errors import bad_answer, refused_line

TRANSPORT = (urllib.error.URLError, http.client.HTTPException, ssl.SSLError, TimeoutError, ConnectionError)


def open_url(spec: Mapping[str, Any], url: str, headers: Mapping[str, str]) -> Any:
    """A GET by Ansible's own client; the caller closes the response. Raises HTTPError and the classes of TRANSPORT."""
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


def why(error: BaseException) -> str:
    """Why a connection failed, in words."""
    reason = getattr(error, "reason", None) or error
    return f"{type(reason).__name__}: {reason}" if isinstance(reason, BaseException) else str(reason)


def refuse_lasting(spec: Mapping[str, Any], url: str, error: BaseException) -> None:
    """Raise for a connection failure that does not pass by itself, so that a retry would fail the same way."""
    if not network_errors.is_passing(error):
        raise refused_line(url, spec, why(error)) from error


def refuse_limit(spec: Mapping[str, Any], error: urllib.error.HTTPError) -> None:
    """Raise if the server says when to retry, and that is not soon."""
    seconds = network_errors.retry_after(error.headers.get("Retry-After")) if error.headers else None
    if seconds is not None and seconds > network_errors.LONGEST_WAIT:
        raise bad_answer(
            spec, f"HTTP {error.code} for {error.url}: it asks to retry {network_errors.back_in(seconds)}."
        )
