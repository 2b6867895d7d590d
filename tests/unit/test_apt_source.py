# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Keys and sources of package repositories, as gpg and people write them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.modules import apt_source

URL = "https://nvidia.github.io/libnvidia-container/stable/deb/arm64"
KEY = "/usr/share/keyrings/nvidia.gpg"
# A primary key with a subkey, and a second primary key.
COLONS = """\
pub:-:4096:1:DDCAE044F796ECB0:1507754886:::-:::scESC::::::23::0:
fpr:::::::::C95B321B61E88C1809C4F759DDCAE044F796ECB0:
uid:-::::1507754886::F2F4C2C3::NVIDIA CORPORATION:::::::::::0:
sub:-:4096:1:6ED91CA3AC1160CD:1507754886::::::e::::::23:
fpr:::::::::0123456789ABCDEF0123456789ABCDEF01234567:
pub:-:2048:1:AAAAAAAAAAAAAAAA:1507754886:::-:::scESC::::::23::0:
fpr:::::::::AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:
"""


def source(check_mode: bool = False, **changes: Any) -> apt_source.Source:
    """A source whose gpg says COLONS."""
    module = SimpleNamespace(
        check_mode=check_mode,
        params={
            "name": "nvidia",
            "url": URL,
            "suite": "/",
            "components": [],
            "architecture": "arm64",
            "key_url": "https://nvidia.github.io/key",
            "fingerprint": "C95B 321B 61E8 8C18 09C4  F759 DDCA E044 F796 ECB0",
            "packages": [],
            "variables": {"fingerprint": "some_role_fingerprint"},
            "timeout": 5,
            **changes,
        },
        get_bin_path=lambda name: f"/usr/bin/{name}",
        run_command=lambda _argv: (0, COLONS, ""),
    )
    return apt_source.Source(module)


def test_primary_keys_are_told_from_subkeys() -> None:
    assert apt_source.primary_fingerprints(COLONS) == ["C95B321B61E88C1809C4F759DDCAE044F796ECB0", "A" * 40]
    assert apt_source.primary_fingerprints("") == []


def test_a_second_primary_key_in_the_file_is_refused_and_both_are_told() -> None:
    with pytest.raises(apt_source.Failed) as failure:
        source().check_key(Path("key.asc"), "the key")
    text = str(failure.value)
    assert text.startswith("THOR-KEY-WRONG: ") and "some_role_fingerprint" in text
    assert "C95B321B61E88C1809C4F759DDCAE044F796ECB0" in text and "A" * 40 in text


def test_the_pinned_key_alone_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    made = source()
    monkeypatch.setattr(made.module, "run_command", lambda _argv: (0, COLONS[: COLONS.index("pub:-:2048")], ""))
    assert made.check_key(Path("key.asc"), "the key") == "C95B321B61E88C1809C4F759DDCAE044F796ECB0"


def test_without_gpg_only_check_mode_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for check_mode in (True, False):
        made = source(check_mode)
        monkeypatch.setattr(made.module, "get_bin_path", lambda _name: None)
        if check_mode:
            assert made.check_key(Path("key.asc"), "the key") is None
        else:
            with pytest.raises(apt_source.Failed, match="gpg is missing"):
                made.check_key(Path("key.asc"), "the key")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"deb [signed-by={KEY} arch=arm64] {URL} /\n", [(URL, KEY)]),
        (f"deb [signed-by={KEY}] {URL.replace('arm64', '$(ARCH)')} /\n", [(URL, KEY)]),
        (f"# deb {URL} /\ndeb-src {URL} /\n", []),
        (f"deb {URL} /\n", [(URL, None)]),
        (f"Types: deb\nURIs: {URL}\nSuites: /\nSigned-By: {KEY}\n", [(URL, KEY)]),
        (f"Types: deb deb-src\nURIs: https://one {URL}\nSuites: noble\n", [("https://one", None), (URL, None)]),
        (f"Enabled: no\nTypes: deb\nURIs: {URL}\n\nTypes: deb-src\nURIs: {URL}\n", []),
    ],
)
def test_sources_of_others_are_understood_in_both_forms(text: str, found: list[tuple[str, str | None]]) -> None:
    assert list(apt_source.entries(text, "arm64")) == found


def test_a_source_of_somebody_else_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(apt_source, "SOURCES", tmp_path)
    (tmp_path / "sources.list.d").mkdir()
    assert source().present() is None
    path = tmp_path / "sources.list.d" / "vendor.list"
    path.write_text(f"deb [signed-by={KEY}] {URL}/ /\n")
    assert source().present() == (path, Path(KEY))


def test_what_is_written_names_one_architecture_and_one_key() -> None:
    text = source(suite="noble", components=["stable"]).text(Path("/etc/apt/keyrings/nvidia.asc"))
    assert text.splitlines()[1:] == [
        "Types: deb",
        f"URIs: {URL}",
        "Suites: noble",
        "Components: stable",
        "Architectures: arm64",
        "Signed-By: /etc/apt/keyrings/nvidia.asc",
    ]
    assert list(apt_source.entries(text, "arm64")) == [(URL, "/etc/apt/keyrings/nvidia.asc")]
