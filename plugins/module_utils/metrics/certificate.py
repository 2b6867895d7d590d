# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The end of a certificate, without a library: a device need not have one. The structure is RFC 5280's, its encoding X.690 (DER)."""

from __future__ import annotations

import base64
import binascii
import calendar
import re
import time
from collections.abc import Iterator

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_SEQUENCE, _VERSION = 0x30, 0xA0
_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}  # UTCTime, until 2049, and GeneralizedTime


def end_of(pem: str) -> float | None:
    """When the first certificate of a PEM file ends, in seconds since 1970; None if it cannot be read."""
    found = re.search(f"{_BEGIN}(.+?){_END}", pem, re.DOTALL)
    try:
        certificate = base64.b64decode("".join(found[1].split()), validate=True) if found else b""
        [(_kind, outer)] = _values(certificate)
        fields = [one for one in _values(next(_values(outer))[1]) if one[0] != _VERSION]
        # Serial number, signature algorithm, issuer, validity.
        _before, (kind, after) = _values(fields[3][1])
        return float(calendar.timegm(time.strptime(after.decode(), _TIMES[kind])))
    except (ValueError, KeyError, IndexError, StopIteration, binascii.Error):
        return None


def _values(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The values in a constructed one: the tag of each, and its content. Raises ValueError if one is cut short."""
    while data:
        if len(data) < 2:
            raise ValueError("cut short")
        kind, length, start = data[0], data[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start], "big")
        if len(data) < start + length:
            raise ValueError("cut short")
        yield kind, data[start : start + length]
        data = data[start + length :]
