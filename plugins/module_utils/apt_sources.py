# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Sources of apt as people, add-apt-repository and vendors write them, in both formats of sources.list(5). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ARMOR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
# StringToBool of apt-pkg/contrib/strutl.cc.
_NO = {"no", "false", "without", "off", "disable", "0"}
_YES = {"yes", "true", "with", "on", "enable", "1"}


@dataclass(frozen=True)
class Entry:
    """A package repository: its address, its Signed-By as written, and whether apt accepts it without a signature."""

    url: str
    signed_by: str | None
    unsigned: bool = False


@dataclass(frozen=True)
class SignedBy:
    """The parts of ``Signed-By``: keyring files, fingerprints that select keys in them (or among those that apt trusts), the key
    itself in ASCII armor, and anything else.
    """

    files: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    key: str | None = None
    unclear: tuple[str, ...] = ()


def signed_by(value: str | None) -> SignedBy:
    """What a value of ``Signed-By`` or ``signed-by=`` means."""
    text = (value or "").strip()
    if _ARMOR in text:
        # In a field each line starts with a space, and a dot is an empty line.
        lines = (line.strip() for line in text.splitlines())
        return SignedBy(key="".join(f"{'' if line == '.' else line}\n" for line in lines))
    files, fingerprints, unclear = [], [], []
    for part in filter(None, re.split(r"[\s,]+", text)):
        # An exclamation mark means the key itself without its subkeys.
        fingerprint = part.removesuffix("!").upper()
        if part.startswith("/"):
            files.append(part)
        elif re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", fingerprint):
            fingerprints.append(fingerprint)
        else:
            unclear.append(part)
    return SignedBy(tuple(files), tuple(fingerprints), None, tuple(unclear))


def entries(text: str, architecture: str) -> Iterator[Entry]:
    """The package repositories in a sources file of either format."""
    text = text.replace("\r\n", "\n")
    for match in re.finditer(r"^[ \t]*deb[ \t]+(?:\[([^\]\n]*)\][ \t]+)?(\S+)", text, re.MULTILINE):
        options = [one.split("=", 1) for one in (match[1] or "").split() if "=" in one]
        settings = {key.rstrip("+-").lower(): value for key, value in options}
        unsigned = settings.get("trusted", "").lower() in _YES or settings.get("allow-insecure", "").lower() in _YES
        yield Entry(_expand(match[2], architecture), settings.get("signed-by"), unsigned)
    # Comments may be anywhere, even within a field; only an empty line ends a stanza (apt-pkg/tagfile.cc).
    bare = "\n".join(line for line in text.split("\n") if not line.startswith("#"))
    for stanza in re.split(r"\n\n+", bare):
        fields = {
            key.lower(): value.strip()
            for key, value in re.findall(r"^([\w-]+):(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() not in _NO:
            unsigned = any(fields.get(key, "").lower() in _YES for key in ("trusted", "allow-insecure"))
            for url in fields.get("uris", "").split():
                yield Entry(_expand(url, architecture), fields.get("signed-by"), unsigned)


def _expand(url: str, architecture: str) -> str:
    return url.replace("$(ARCH)", architecture)
