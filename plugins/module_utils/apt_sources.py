# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Sources of apt as people, add-apt-repository and vendors write them, in both forms of sources.list(5). Pure."""

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
    """A repository of packages: its address, what it is signed by as it is written, and whether apt does without a signature."""

    url: str
    signed_by: str | None
    unsigned: bool = False


@dataclass(frozen=True)
class SignedBy:
    """The parts of ``Signed-By``: keyring files, fingerprints that choose among the keys in them (or in those that apt trusts),
    the key itself in ASCII armor, and what is nothing of these.
    """

    files: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    key: str | None = None
    unclear: tuple[str, ...] = ()


def signed_by(value: str | None) -> SignedBy:
    """What a value of ``Signed-By`` or ``signed-by=`` means."""
    text = (value or "").strip()
    if _ARMOR in text:
        # In a field each line begins with a blank, and an empty one is a dot.
        lines = (line.strip() for line in text.splitlines())
        return SignedBy(key="".join(f"{'' if line == '.' else line}\n" for line in lines))
    files, fingerprints, unclear = [], [], []
    for part in filter(None, re.split(r"[\s,]+", text)):
        # With an exclamation mark the key alone counts, and not its subkeys.
        fingerprint = part.removesuffix("!").upper()
        if part.startswith("/"):
            files.append(part)
        elif re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", fingerprint):
            fingerprints.append(fingerprint)
        else:
            unclear.append(part)
    return SignedBy(tuple(files), tuple(fingerprints), None, tuple(unclear))


def entries(text: str, architecture: str) -> Iterator[Entry]:
    """The package repositories in a sources file of either form."""
    text = text.replace("\r\n", "\n")
    for match in re.finditer(r"^[ \t]*deb[ \t]+(?:\[([^\]\n]*)\][ \t]+)?(\S+)", text, re.MULTILINE):
        options = [one.split("=", 1) for one in (match[1] or "").split() if "=" in one]
        settings = {key.rstrip("+-").lower(): value for key, value in options}
        unsigned = settings.get("trusted", "").lower() in _YES or settings.get("allow-insecure", "").lower() in _YES
        yield Entry(_expand(match[2], architecture), settings.get("signed-by"), unsigned)
    # Comments may stand anywhere, in the middle of a field too; only an empty line ends a stanza (apt-pkg/tagfile.cc).
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


def fingerprints_of(colons: str) -> dict[str, str]:
    """Fingerprints of all keys of ``gpg --with-colons``, subkeys included, each with that of its primary key."""
    found: dict[str, str] = {}
    primary, kind = "", ""
    for line in colons.splitlines():
        fields = line.split(":")
        if fields[0] in {"pub", "sub"}:
            kind = fields[0]
        elif fields[0] == "fpr" and kind and len(fields) > 9:
            primary = fields[9] if kind == "pub" else primary
            found[fields[9]] = primary
            kind = ""
    return found
