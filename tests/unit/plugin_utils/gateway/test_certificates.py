# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of certificates: what is made, when it is renewed, what is refused. A real TLS client and server judge them."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import certificates
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.certificates import Pair, Unusable

NOW = datetime.now(UTC)
NAMES = ["thor01", "10.0.0.7", "fd00::7", "robots.example"]
AUTHORITY = certificates.make_authority(NOW)
HOST = certificates.make_certificate(AUTHORITY, NAMES, NOW)


def handshake(tmp_path: Path, pair: Pair, trusted: Pair, name: str) -> dict[str, object] | None:
    """What a client sees of a server with a certificate, if it trusts an authority and calls the server by a name."""
    for file, text in (("crt", pair.certificate), ("key", pair.key), ("ca", trusted.certificate)):
        (tmp_path / file).write_text(text, encoding="utf-8")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    client = ssl.create_default_context(cafile=str(tmp_path / "ca"))
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    theirs.settimeout(10)

    def serve() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except (ssl.SSLError, OSError):
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=name) as secured:
            return dict(secured.getpeercert() or {})
    finally:
        ours.close()
        thread.join(10)


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_the_authority_accepts_each_name_and_address(tmp_path: Path, name: str) -> None:
    assert handshake(tmp_path, HOST, AUTHORITY, name)


def test_a_client_accepts_neither_another_name_nor_another_authority(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="thor02"):
        handshake(tmp_path, HOST, AUTHORITY, "thor02")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, HOST, certificates.make_authority(NOW), "thor01")


def test_a_certificate_of_a_host_cannot_sign_others(tmp_path: Path) -> None:
    forged = certificates.make_certificate(HOST, ["thor02"], NOW)
    chained = Pair(forged.certificate + HOST.certificate, forged.key)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, chained, AUTHORITY, "thor02")


def test_it_is_renewed_in_time_and_not_before() -> None:
    def due(days: float, names: list[str] = NAMES) -> str | None:
        return certificates.due(HOST, AUTHORITY.certificate, names, NOW + timedelta(days=days))

    assert due(0) is None and due(365 - 121) is None
    assert due(365 - 119.5) == "it ends in 119 days"
    assert "ended" in (due(366) or "")


def test_it_is_renewed_for_a_new_name_and_for_another_authority() -> None:
    assert certificates.due(HOST, AUTHORITY.certificate, ["thor01", "new"], NOW) == "it is not for new"
    assert certificates.due(HOST, AUTHORITY.certificate, ["thor01"], NOW) is None
    other = certificates.make_authority(NOW).certificate
    assert certificates.due(HOST, other, NAMES, NOW) == "another authority has signed it"
    assert certificates.due(None, other, NAMES, NOW) == "there is none yet"


def test_a_pair_that_does_not_fit_or_is_not_valid_is_refused_in_words() -> None:
    certificates.check(HOST, NOW)
    for pair, now, reason in (
        (Pair(HOST.certificate, AUTHORITY.key), NOW, "does not belong"),
        (HOST, NOW + timedelta(days=400), "ended on"),
        (HOST, NOW - timedelta(days=1), "valid from"),
        (Pair("nothing", HOST.key), NOW, "certificate cannot be read"),
        (Pair(HOST.certificate, "nothing"), NOW, "key cannot be read"),
        (Pair(HOST.certificate, HOST.certificate), NOW, "key cannot be read"),
    ):
        with pytest.raises(Unusable, match=reason):
            certificates.check(pair, now)


def test_a_certificate_says_for_whom_and_how_long_it_is() -> None:
    assert sorted(certificates.names_of(HOST.certificate)) == sorted(NAMES)
    assert certificates.names_of(AUTHORITY.certificate) == []
    begins, ends = certificates.validity(HOST.certificate)
    assert ends - begins == timedelta(days=365, hours=1)
    begins, ends = certificates.validity(AUTHORITY.certificate)
    assert (ends - begins).days == 3650


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("thor01", True),
        ("THOR01", True),
        ("10.0.0.7", True),
        ("fd00::7", True),
        ("a.robots.example", True),
        ("b.a.robots.example", False),
        ("robots.example", False),
        ("10.0.0.8", False),
    ],
)
def test_it_covers_the_names_that_a_client_accepts(tmp_path: Path, name: str, covered: bool) -> None:
    pair = certificates.make_certificate(AUTHORITY, ["thor01", "10.0.0.7", "fd00::7", "*.robots.example"], NOW)
    assert certificates.covers(pair.certificate, name) is covered
    try:
        accepted = handshake(tmp_path, pair, AUTHORITY, name) is not None
    except ssl.SSLCertVerificationError:
        accepted = False
    assert accepted is covered


def test_a_very_long_name_is_no_obstacle(tmp_path: Path) -> None:
    name = ".".join(["a" * 60] * 3)
    assert handshake(tmp_path, certificates.make_certificate(AUTHORITY, [name], NOW), AUTHORITY, name)
