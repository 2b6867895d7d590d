# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Sources of apt as people and vendors write them."""

from __future__ import annotations

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import apt_sources
from apt_keys import ARMOR, FIELD, KEY, PINNED, URL


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"deb [signed-by={KEY} arch=arm64] {URL} /\n", [(URL, KEY)]),
        (f"deb [signed-by={KEY}] {URL.replace('arm64', '$(ARCH)')} /\n", [(URL, KEY)]),
        (f"# deb {URL} /\ndeb-src {URL} /\n", []),
        (f"deb {URL} /\n", [(URL, None)]),
        (f"Types: deb\nURIs: {URL}\nSuites: /\nSigned-By: {KEY}\n", [(URL, KEY)]),
        (f"Types: deb deb-src\nURIs: https://one {URL}\nSuites: noble\n", [("https://one", None), (URL, None)]),
        (f"  deb\t[ arch=arm64  Signed-By={KEY} ]\t{URL} /\n", [(URL, KEY)]),
        (f"deb [signed-by={KEY},{PINNED}!] {URL} /\n", [(URL, f"{KEY},{PINNED}!")]),
        (f"Types: deb\r\nURIs: {URL}\r\nsigned-by: {KEY}\r\n", [(URL, KEY)]),
        (f"Types: deb\nSigned-By:\n {KEY}\n# a comment\n {PINNED}\nURIs: {URL}\n", [(URL, f"{KEY}\n {PINNED}")]),
        (f"Types: deb\nURIs: {URL}\nSigned-By:\n{FIELD}\nSuites: /\n", [(URL, FIELD.strip())]),
        (f"Enabled: 0\nTypes: deb\nURIs: {URL}\n", []),
        (f"Enabled: no\nTypes: deb\nURIs: {URL}\n\nTypes: deb-src\nURIs: {URL}\n", []),
    ],
)
def test_sources_in_both_formats_are_understood(text: str, found: list[tuple[str, str | None]]) -> None:
    assert [(one.url, one.signed_by) for one in apt_sources.entries(text, "arm64")] == found


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (None, apt_sources.SignedBy()),
        ("", apt_sources.SignedBy()),
        (KEY, apt_sources.SignedBy(files=(KEY,))),
        (f"{KEY},/b.gpg", apt_sources.SignedBy(files=(KEY, "/b.gpg"))),
        (f"{KEY}\n {PINNED.lower()}", apt_sources.SignedBy(files=(KEY,), fingerprints=(PINNED,))),
        (f"{PINNED}!,{'B' * 40}", apt_sources.SignedBy(fingerprints=(PINNED, "B" * 40))),
        ("F796ECB0", apt_sources.SignedBy(unclear=("F796ECB0",))),
        ("keyrings/a.gpg", apt_sources.SignedBy(unclear=("keyrings/a.gpg",))),
        (FIELD, apt_sources.SignedBy(key=ARMOR)),
    ],
)
def test_signed_by_has_many_forms(value: str | None, parts: apt_sources.SignedBy) -> None:
    assert apt_sources.signed_by(value) == parts
