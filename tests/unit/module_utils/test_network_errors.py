# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What others say of networks: what passes, what does not, and when to come back.

The texts are those of the programs: Go's crypto/x509, net and net/http, OpenSSL, GnuTLS and apt.
"""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import time
import urllib.error
from email.utils import formatdate

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import network_errors

EXPIRED = (
    "x509: certificate has expired or is not yet valid: current time 2026-11-27T10:00:00Z is after 2026-01-01T00:00:00Z"
)
NOT_YET = "x509: certificate has expired or is not yet valid: current time 1970-01-01T00:00:09Z is before 2025-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "behind", "expired"),
    [
        (NOT_YET, True, False),
        (EXPIRED, False, True),
        ("certificate verify failed: certificate is not yet valid (_ssl.c:1007)", True, False),
        ("certificate verify failed: certificate has expired (_ssl.c:1007)", False, True),
        (
            "The certificate is NOT trusted. The certificate chain uses not yet valid certificate.",
            True,
            False,
        ),
        ("The certificate is NOT trusted. The certificate chain uses expired certificate.", False, True),
        ("Release file for http://a/InRelease is not valid yet (invalid for another 9d 2h 3min 4s).", True, False),
        ("Release file for http://a/InRelease is expired (invalid since 9d 2h 3min 4s).", False, True),
        ("x509: certificate signed by unknown authority", False, False),
    ],
)
def test_a_clock_in_the_past_and_an_expired_certificate_are_told_apart(text: str, behind: bool, expired: bool) -> None:
    assert (network_errors.clock_is_behind(text), network_errors.has_expired(text)) == (behind, expired)


@pytest.mark.parametrize(
    ("text", "down", "cut"),
    [
        ("dial tcp 10.0.0.1:443: connect: connection refused", True, False),
        ("dial tcp: lookup nvcr.io on 127.0.0.53:53: server misbehaving", True, False),
        ("net/http: TLS handshake timeout", True, False),
        ("received unexpected HTTP status: 503 Service Unavailable", True, False),
        ("The requested URL returned error: 502", True, False),
        ("read tcp 10.0.0.2:5->10.0.0.1:443: read: connection reset by peer", False, True),
        ("unexpected EOF", False, True),
        ("local error: tls: bad record MAC", False, True),
        ("received unexpected HTTP status: 404 Not Found", False, False),
        ("no space left on device", False, False),
        ("model 5031 has 512 layers", False, False),
    ],
)
def test_only_known_words_pass(text: str, down: bool, cut: bool) -> None:
    assert (network_errors.is_down(text), network_errors.is_cut(text)) == (down, cut)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), True),
        (urllib.error.URLError(ConnectionRefusedError()), True),
        (http.client.IncompleteRead(b"", 7), True),
        (http.client.RemoteDisconnected("ended"), True),
        (OSError(errno.EHOSTUNREACH, "no route"), True),
        (ssl.SSLEOFError(), True),
        (ssl.SSLCertVerificationError(), False),
        (urllib.error.URLError(ssl.SSLCertVerificationError()), False),
        (http.client.LineTooLong("header"), False),
        (OSError(errno.ENOSPC, "full"), False),
        (urllib.error.URLError("unknown url type"), False),
        (ValueError("what"), False),
    ],
)
def test_an_exception_is_tried_again_only_if_it_may_pass(error: BaseException, passes: bool) -> None:
    assert network_errors.is_passing(error) is passes


def test_seconds_a_date_and_a_time_say_when_to_come_back() -> None:
    at = time.time() + 90
    assert network_errors.retry_after(" 7 ") == 7
    assert network_errors.retry_after(formatdate(at, usegmt=True)) == pytest.approx(90, abs=5)
    assert network_errors.retry_after(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))) == pytest.approx(90, abs=5)
    assert network_errors.retry_after(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))) == pytest.approx(90, abs=5)
    assert network_errors.retry_after(formatdate(at - 1000, usegmt=True)) == 0


@pytest.mark.parametrize(
    "value", [None, "", "soon", "-5", "1e9", "9" * 40, "2026-99-99", "Mon, 99 Foo 2026 00:00:00 GMT"]
)
def test_what_is_no_time_is_none(value: str | None) -> None:
    assert network_errors.retry_after(value) is None
