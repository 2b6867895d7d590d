# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The end of a certificate, against those that the package cryptography makes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import certificate
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def made(starts: datetime, ends: datetime, name: str = "thor01") -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), starts, ends)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("starts", "ends"),
    [
        (datetime(2026, 11, 26, 12, 30, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)),
        # From 2050 on times are written in another way (RFC 5280, 4.1.2.5).
        (datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2071, 6, 30, 1, 2, 3, tzinfo=UTC)),
    ],
)
def test_the_dates_are_those_that_were_signed(starts: datetime, ends: datetime) -> None:
    assert certificate.validity(made(starts, ends, "x" * 60)) == (int(starts.timestamp()), int(ends.timestamp()))


def test_days_are_counted_down_also_after_the_end(tmp_path: Path) -> None:
    file = tmp_path / "tls.crt"
    ends = datetime(2027, 2, 1, tzinfo=UTC)
    file.write_text(
        made(datetime(2026, 1, 1, tzinfo=UTC), ends) + made(ends, ends.replace(year=2030)), encoding="utf-8"
    )
    for now, days in ((ends.timestamp() - 86400 * 10 - 5, 10), (ends.timestamp() - 5, 0), (ends.timestamp() + 5, -1)):
        found = certificate.read(file, now)
        assert found is not None and (found["ends"], found["days"]) == (int(ends.timestamp()), days)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no PEM certificate"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "no PEM certificate"),
        ("-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----", "damaged"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "damaged"),
        ("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----", "damaged"),
    ],
)
def test_what_is_no_certificate_is_said_and_no_error(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "tls.crt"
    file.write_text(text, encoding="utf-8")
    assert fault in (certificate.read(file) or {})["fault"]
    assert certificate.read(tmp_path / "nowhere") is None
