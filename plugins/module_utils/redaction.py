# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Secrets are taken out of text that leaves a device for a person's eyes: journals, configurations, command lines. Pure.

Known values go by themselves, also where they are split by line ends, in base64, percent-encoded or escaped. What is known by its
SHA-256 alone (a gateway stores no keys) is found among the words of the text. Whatever looks like a secret goes as well. The number of
lines stays.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

GONE = "[redacted]"
# A shorter value would take ordinary words with it; it goes by the name of its variable.
SHORTEST = 6
SHORTEST_CORE = 8  # characters of base64

# What may stand between two characters of one value: the end of a line, with what a journal or a folded header puts there.
_BREAK = r"(?:[ \t\\]*\r?\n[ \t]*)?"
_WORD = re.compile(r"[A-Za-z0-9._~+/=-]{8,}")
_PARTS = re.compile(r"[=/:.]")
_NAME = (
    r"(?:api[_-]?keys?|access[_-]?keys?|private[_-]?key|client[_-]?secret|secret(?:[_-]?key)?|pass(?:word|wd|phrase)?|credentials?"
    r"|(?:access|auth|bearer|hf|hub|hub_|session|refresh|id)[_-]?token)"
)
_NOTHING = r"(?!(?:None|null|true|false|True|False)\b|\[redacted\])"
# A quoted value to its quote, another one to the next blank or comma.
_VALUE = r"(?:\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|[^\s\"',;&)\]}]+)"
PATTERNS = (
    # A private key, also one whose end is missing.
    re.compile(r"(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    # Headers: RFC 6750 and RFC 7617. "Bearer" may stand at the end of a line that was folded.
    re.compile(r"(?P<keep>\b(?:bearer|basic)[ \t]*(?:\\?\r?\n)?[ \t]+)[A-Za-z0-9._~+/=:-]{4,}", re.IGNORECASE),
    re.compile(
        rf"(?P<keep>\b(?:proxy-)?authorization['\"]?[ \t]*[:=][ \t]*(?:b?['\"])?){_NOTHING}(?!\w+[ \t]+\[)[^'\"\n]+",
        re.IGNORECASE,
    ),
    re.compile(
        rf"(?P<keep>\b(?:x-api-key|api-key|x-auth-token|set-cookie|cookie)['\"]?[ \t]*:[ \t]*){_VALUE}", re.IGNORECASE
    ),
    # Userinfo of an address (RFC 3986, section 3.2.1), with or without a password.
    re.compile(r"(?P<keep>\b[A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#\"'@]+(?=@)"),
    # Signed addresses and tokens in queries.
    re.compile(
        r"(?P<keep>[?&;](?:[\w.-]*(?:token|signature|sig|secret|password|credential|api[_-]?key|key))=)[^&\s\"'#]+",
        re.IGNORECASE,
    ),
    # Tokens that say what they are: Hugging Face, NGC, ModelScope, OpenAI, GitHub, AWS, a JSON Web Token.
    re.compile(r"(?P<keep>)\bhf_[A-Za-z0-9_-]{8,}"),
    re.compile(r"(?P<keep>)\bnvapi-[A-Za-z0-9_-]{8,}"),
    re.compile(r"(?P<keep>)\bms-[0-9a-f]{8}-[0-9a-f-]{20,}"),
    re.compile(r"(?P<keep>)\bsk-[A-Za-z0-9_-]{16,}"),
    re.compile(r"(?P<keep>)\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|AKIA[0-9A-Z]{16})"),
    re.compile(r"(?P<keep>)\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
    # Variables of an environment, options of a command line, keys of a configuration.
    re.compile(rf"(?P<keep>\b[A-Z][A-Z0-9_]*(?:TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIALS)=){_NOTHING}{_VALUE}"),
    re.compile(rf"(?P<keep>--[\w-]*{_NAME}[= \t]+){_NOTHING}{_VALUE}", re.IGNORECASE),
    re.compile(rf"(?P<keep>\b(?:\w+[_-])?{_NAME}['\"]?[ \t]*[:=][ \t]*){_NOTHING}{_VALUE}", re.IGNORECASE),
)


@dataclass(frozen=True)
class Secrets:
    """What is known to be secret: ``values``, ``names`` of variables that hold secrets, and ``digests`` (SHA-256, hex) of values."""

    values: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    digests: frozenset[str] = frozenset()


def digest(value: str) -> str:
    """By what a value can be known without being there."""
    return hashlib.sha256(value.encode()).hexdigest()


def redact(text: str, secrets: Secrets) -> str:
    """The text without secrets; it has as many lines as before."""
    for pattern in _known(secrets):
        text = pattern.sub(_gone, text)
    if secrets.digests:
        text = _without_digested(text, secrets.digests)
    for pattern in PATTERNS:
        text = pattern.sub(_gone, text)
    return text


def _gone(found: re.Match[str]) -> str:
    keep = found.groupdict().get("keep") or ""
    return keep + GONE + "\n" * (found[0].count("\n") - keep.count("\n"))


def _known(secrets: Secrets) -> Iterator[re.Pattern[str]]:
    forms = {form for value in secrets.values for form in _forms(value)}
    # The longest first: a value may begin with another one.
    for form in sorted(forms, key=lambda one: (-len(one), one)):
        yield re.compile(_BREAK.join(re.escape(one) for one in form))
    if secrets.names:
        names = "|".join(sorted(map(re.escape, secrets.names)))
        yield re.compile(rf"(?P<keep>\b(?:{names})['\"]?[ \t]*[:=][ \t]*){_VALUE}")


def _forms(value: str) -> Iterator[str]:
    """The ways in which a value may be written."""
    # Of a value of several lines each line is a secret.
    parts = {value, *(line.strip() for line in value.splitlines())}
    for part in parts:
        if len(part) < SHORTEST:
            continue
        yield part
        yield json.dumps(part)[1:-1]
        yield repr(part)[1:-1]
        yield re.sub(r'(["\\$`])', r"\\\1", part)  # EnvironmentFile= of systemd.exec(5)
        yield urllib.parse.quote(part, safe="")
        yield urllib.parse.quote_plus(part)
        yield from _base64_cores(part.encode())


def _base64_cores(value: bytes) -> Iterator[str]:
    """What base64 of a text has of a value within it, by where the value begins: the characters that nothing else decides."""
    for offset in range(3):
        text = base64.b64encode(bytes(offset) + value).decode()
        core = text[-(-offset * 8 // 6) : (offset + len(value)) * 8 // 6]
        if len(core) >= SHORTEST_CORE:
            yield core
            yield core.translate(str.maketrans("+/", "-_"))


def _without_digested(text: str, digests: frozenset[str]) -> str:
    """Without the words whose SHA-256 is known, alone, as a part, or across the end of a line."""

    def replaced(found: re.Match[str]) -> str:
        word = found[0]
        for one in _candidates(word):
            if digest(one) in digests:
                word = word.replace(one, GONE)
        return word

    text = _WORD.sub(replaced, text)
    lines = text.split("\n")
    for index in range(len(lines) - 1):
        end, begin = (
            re.search(r"[A-Za-z0-9._~+/=-]+[ \t\r]*$", lines[index]),
            re.match(r"[ \t]*([A-Za-z0-9._~+/=-]+)", lines[index + 1]),
        )
        if end and begin and _is_split(end[0].strip(), begin[1], digests):
            lines[index] = lines[index][: end.start()] + GONE
            lines[index + 1] = GONE + lines[index + 1][begin.end() :]
    return "\n".join(lines)


def _is_split(end: str, begin: str, digests: frozenset[str]) -> bool:
    """Whether a known word ends one line and goes on in the next."""
    heads = [end, *(end[found.end() :] for found in _PARTS.finditer(end))]
    return any(digest(head + begin) in digests for head in heads if head)


def _candidates(word: str) -> Iterable[str]:
    """The word, without what surrounds it, its parts, and what base64 hides in it."""
    found = {word, word.strip("=.-/"), *_PARTS.split(word)}
    # From each separator to the end: NAME=VALUE, where the value may have separators of its own.
    found |= {word[one.end() :] for one in _PARTS.finditer(word)}
    return sorted((one for one in found if len(one) >= SHORTEST), key=len, reverse=True)


def of_lines(lines: Iterable[str], secrets: Secrets) -> list[str]:
    """The same for lines: a secret that goes over the end of one is found, and each line stays in its place."""
    given = list(lines)
    inner = [line.replace("\n", "\x00") for line in given]
    return [line.replace("\x00", "\n") for line in redact("\n".join(inner), secrets).split("\n")] if given else []
