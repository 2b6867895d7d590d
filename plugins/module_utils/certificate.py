# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Until when a certificate is valid, read without any program or package: a device may have neither openssl nor cryptography.

A certificate is DER (ITU-T X.690) of the structure in RFC 5280, section 4.1: the validity is the first sequence of two times.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import re
import time
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import files

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s*(.+?)\s*-----END CERTIFICATE-----", re.DOTALL)
SEQUENCE, UTC_TIME, GENERALIZED_TIME = 0x30, 0x17, 0x18
DAY = 86400
SOON_DAYS = 21  # when less than this is left of a certificate, people are told


def read(path: Path, now: float | None = None) -> dict[str, Any] | None:
    """The certificate of a file: ``starts``, ``ends`` (seconds since 1970) and ``days`` left; None if there is no file.

    ``fault`` says why a file that is there cannot be read as a certificate.
    """
    text = files.text(path)
    if text is None:
        return None
    try:
        starts, ends = validity(text)
    except ValueError as error:
        return {"fault": str(error)}
    left = ends - (time.time() if now is None else now)
    return {"starts": starts, "ends": ends, "days": int(left // DAY)}


def validity(pem: str) -> tuple[int, int]:
    """From when until when the first certificate of a PEM text is valid, in seconds since 1970. ValueError if there is none."""
    found = _PEM.search(pem)
    if found is None:
        raise ValueError("it holds no PEM certificate")
    try:
        data = base64.b64decode("".join(found[1].split()), validate=True)
        _tag, certificate, _rest = _take(data)
        _tag, to_be_signed, _rest = _take(certificate)
        while to_be_signed:
            tag, content, to_be_signed = _take(to_be_signed)
            if tag == SEQUENCE and content[:1] in (bytes([UTC_TIME]), bytes([GENERALIZED_TIME])):
                first, start, rest = _take(content)
                second, end, _rest = _take(rest)
                return _time(first, start), _time(second, end)
    except (binascii.Error, IndexError, UnicodeDecodeError) as error:
        raise ValueError("it is damaged") from error
    raise ValueError("it is damaged")


def _take(data: bytes) -> tuple[int, bytes, bytes]:
    """The tag and the content of the first element, and what comes after it."""
    length, begin = data[1], 2
    if length & 0x80:
        size = length & 0x7F
        length, begin = int.from_bytes(data[2 : 2 + size], "big"), 2 + size
    if begin + length > len(data):
        raise IndexError
    return data[0], data[begin : begin + length], data[begin + length :]


def _time(tag: int, content: bytes) -> int:
    """A time of DER: always in UTC, with seconds; of two digits of a year, from 50 on are of the last century (RFC 5280)."""
    text = content.decode("ascii")
    if tag == UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))
