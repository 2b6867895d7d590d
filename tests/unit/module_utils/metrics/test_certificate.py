# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The end of a certificate, compared with what the library cryptography says of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.metrics import certificate
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def made(end: datetime) -> str:
    """A certificate as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "thor01")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    names = x509.SubjectAlternativeName([x509.DNSName(f"host{number}.example.org") for number in range(20)])
    signed = builder.not_valid_after(end).add_extension(names, critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


# From 2050 on, the time has another form (RFC 5280, 4.1.2.5).
@pytest.mark.parametrize("year", [2027, 2049, 2050, 2126])
def test_the_end_is_read(year: int) -> None:
    end = datetime(year, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert certificate.end_of(made(end)) == end.timestamp()


def test_of_a_chain_it_is_the_first() -> None:
    first, second = (datetime(year, 1, 1, tzinfo=UTC) for year in (2027, 2036))
    assert certificate.end_of(f"a comment\n{made(first)}{made(second)}") == first.timestamp()


def test_what_is_no_certificate_has_no_end() -> None:
    pem = made(datetime(2027, 1, 1, tzinfo=UTC))
    lines = pem.splitlines()
    cut = "\n".join([lines[0], lines[1], lines[-1]])
    for text in ("", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", cut, pem.replace("M", "*")):
        assert certificate.end_of(text) is None
