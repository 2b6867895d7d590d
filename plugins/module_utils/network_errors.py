# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What other programs say when the network fails, and what follows from it. Pure.

An error counts as transient only if it is known to be: unknown words are shown as they are, and the request is not retried.
Sources: Go's net, crypto/x509 and net/http (dockerd, containerd), OpenSSL's x509_txt.c (Python, curl),
GnuTLS's verify.c and apt's acquire-item.cc (apt, git of Ubuntu).
"""

from __future__ import annotations

import errno
import http.client
import re
import socket
import ssl
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# crypto/x509/verify.go says "has expired or is not yet valid" in both cases; only the times after it tell which.
_NOT_YET = re.compile(
    r"current time \S+ is before|certificate is not yet valid|not yet valid certificate|not (yet )?activated|"
    r"activation date|is not valid yet \(invalid for another",
    re.IGNORECASE,
)
_EXPIRED = re.compile(r"certificate has expired|expired certificate|is expired \(invalid since", re.IGNORECASE)
# The host's network or the server is down for a moment.
_DOWN = re.compile(
    r"connection refused|no such host|server misbehaving|temporary failure|could not resolve|network is unreachable|"
    r"no route to host|host is down|(i/o|connection|operation|read|request|gateway).? ?time-?d? ?out|TLS handshake timeout|"
    r"timeout (awaiting|exceeded)|deadline exceeded|request canceled|lookup \S+.*: timeout|code = unavailable|"
    r"\bstatus\b[^\n]{0,80}?[: ]5\d\d\b|\bcode:? 5\d\d\b|\bHTTP(/\d\.\d)?( error)? 5\d\d\b|returned error: 5\d\d\b|"
    r"\b5\d\d (Internal|Bad|Service|Gateway)|internal server error|bad gateway|service (temporarily )?unavailable|"
    r"\b408 Request",
    re.IGNORECASE,
)
# An open connection broke.
_CUT = re.compile(
    r"\bEOF\b|connection reset|reset by peer|broken pipe|use of closed network connection|server closed idle connection|"
    r"connection (was )?(closed|lost|aborted)|software caused connection abort|stream error: |server sent GOAWAY|"
    r"client connection lost|context canceled|remote end hung up|short read|transfer closed|tls: bad record MAC",
    re.IGNORECASE,
)
CLOCK_REMEDY = (
    "Set the host's clock (timedatectl; a Thor has no battery for it, so it needs NTP), then run the play again. "
    "TLS does not need to be weakened."
)
# We wait for a rate limit that ends sooner than this.
LONGEST_WAIT = 120.0


def clock_is_behind(text: str) -> bool:
    """Whether a certificate or a signed list is refused because it is not valid yet: this host's clock is in the past."""
    return bool(_NOT_YET.search(text))


def has_expired(text: str) -> bool:
    """Whether a certificate is refused because it has expired."""
    return bool(_EXPIRED.search(text)) and not clock_is_behind(text)


def is_down(text: str) -> bool:
    """Whether a text says that a server does not answer now but may do so later."""
    return bool(_DOWN.search(text))


def is_cut(text: str) -> bool:
    """Whether a text says that a connection broke."""
    return bool(_CUT.search(text))


def is_passing(error: BaseException) -> bool:
    """Whether a failed request may succeed later: no answer, a broken connection, a name that cannot be resolved now."""
    reason = getattr(error, "reason", None)
    cause = reason if isinstance(reason, BaseException) else error
    if isinstance(cause, ssl.SSLError):
        return isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
    if isinstance(cause, (TimeoutError, ConnectionError, socket.gaierror)):
        return True
    if isinstance(cause, http.client.HTTPException):
        return isinstance(cause, (http.client.IncompleteRead, http.client.BadStatusLine))
    lost = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ENETRESET)
    return isinstance(cause, OSError) and cause.errno in lost


def retry_after(value: str | None) -> float | None:
    """Seconds from now, from a header ``Retry-After`` (seconds or an HTTP date) or an ISO 8601 time; None if there is none."""
    text = (value or "").strip()
    if re.fullmatch(r"\d{1,9}", text):
        return float(text)
    try:
        when = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
        return max(0.0, when.replace(tzinfo=when.tzinfo or UTC).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def back_in(seconds: float) -> str:
    """When to come back, for a person."""
    at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(time.time() + seconds))
    return f"in {seconds:.0f} s (at {at})"
