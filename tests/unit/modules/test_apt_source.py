# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Keys and sources of package repositories, as gpg and people write them."""

from __future__ import annotations

import http.client
import io
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import apt_sources
from ansible_collections.jetson.thor.plugins.modules import apt_source

URL = "https://nvidia.github.io/libnvidia-container/stable/deb/arm64"
KEY = "/usr/share/keyrings/nvidia.gpg"
PINNED = "C95B321B61E88C1809C4F759DDCAE044F796ECB0"
SUBKEY = "0123456789ABCDEF0123456789ABCDEF01234567"
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


# A key of no use, made for this test: gpg --quick-gen-key thor ed25519.
ARMOR = """\
-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawf9qxYJKwYBBAHaRw8BAQdAJJEMEverOzVV5yNHVb+YOzK+gQ2awXBBp9Yh
yL05Mgm0F3Rob3IgPHRob3JAZXhhbXBsZS5vcmc+iJYEExYIAD4WIQROjBxd2W/0
x9rJ1YbdqQAK09u/aAUCawf9qwIbAwUJA8JnAAULCQgHAgYVCgkICwIEFgIDAQIe
AQIXgAAKCRDdqQAK09u/aKGGAP9q8Ilj/qcnJZvpdAR/fZqjWgYIUPTrSTu/M0xN
aMvSFAEAvKxARXEzhCOa1QC8+hhF2UM1v013KYXGLrwyt8WawgA=
=oqg0
-----END PGP PUBLIC KEY BLOCK-----
"""
# As deb822 has it: the empty line of the armor is a dot.
FIELD = "".join(f" {line or '.'}\n" for line in ARMOR.splitlines()).rstrip("\n")


def run_command(argv: list[str]) -> tuple[int, str, str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


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
    assert apt_sources.fingerprints_of(COLONS) == {PINNED: PINNED, SUBKEY: PINNED, "A" * 40: "A" * 40}
    assert apt_sources.fingerprints_of("") == {}


def test_a_second_primary_key_in_the_file_is_refused_and_both_are_told() -> None:
    with pytest.raises(apt_source.Failed) as failure:
        source().check_key("the key", Path("key.asc"))
    text = str(failure.value)
    assert text.startswith("THOR-KEY-WRONG: ") and "some_role_fingerprint" in text
    assert "C95B321B61E88C1809C4F759DDCAE044F796ECB0" in text and "A" * 40 in text


def test_the_pinned_key_alone_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    made = source()
    monkeypatch.setattr(made.module, "run_command", lambda _argv: (0, COLONS[: COLONS.index("pub:-:2048")], ""))
    assert made.check_key("the key", Path("key.asc")) == "C95B321B61E88C1809C4F759DDCAE044F796ECB0"


def test_without_gpg_only_check_mode_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for check_mode in (True, False):
        made = source(check_mode)
        monkeypatch.setattr(made.module, "get_bin_path", lambda _name: None)
        if check_mode:
            assert made.check_key("the key", Path("key.asc")) is None
        else:
            with pytest.raises(apt_source.Failed, match="gpg is missing"):
                made.check_key("the key", Path("key.asc"))


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
def test_sources_of_others_are_understood_in_both_forms(text: str, found: list[tuple[str, str | None]]) -> None:
    assert [(one.url, one.signed_by) for one in apt_sources.entries(text, "arm64")] == found


def test_a_source_of_somebody_else_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(apt_source, "SOURCES", tmp_path)
    (tmp_path / "sources.list.d").mkdir()
    assert source().present() is None
    path = tmp_path / "sources.list.d" / "vendor.list"
    path.write_text(f"deb [signed-by={KEY}] {URL}/ /\n")
    assert source().present() == (path, apt_sources.Entry(f"{URL}/", KEY))


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


def test_a_key_in_the_source_itself_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As add-apt-repository of Ubuntu 24.04 writes them."""
    made = source()
    read: list[str] = []

    def gpg(argv: list[str]) -> tuple[int, str, str]:
        read.append(Path(argv[-1]).read_text())
        return 0, COLONS[: COLONS.index("pub:-:2048")], ""

    monkeypatch.setattr(made.module, "run_command", gpg)
    (entry,) = apt_sources.entries(f"Types: deb\nURIs: {URL}\nSuites: /\nSigned-By:\n{FIELD}\n", "arm64")
    assert made.check_entry(tmp_path / "a.sources", entry) == PINNED
    assert read == [ARMOR]
    monkeypatch.setattr(made.module, "run_command", lambda _argv: (0, COLONS, ""))
    with pytest.raises(apt_source.Failed, match="THOR-KEY-WRONG"):
        made.check_entry(tmp_path / "a.sources", entry)
    monkeypatch.setattr(made.module, "run_command", lambda _argv: (2, "", "gpg: no valid OpenPGP data found.\n"))
    with pytest.raises(apt_source.Failed, match="no valid OpenPGP data"):
        made.check_entry(tmp_path / "a.sources", entry)


def test_the_real_gpg_reads_a_key_in_the_source_itself(tmp_path: Path) -> None:
    made = source(fingerprint="4E8C1C5DD96FF4C7DAC9D586DDA9000AD3DBBF68")
    made.module.run_command = run_command
    (entry,) = apt_sources.entries(f"Types: deb\nURIs: {URL}\nSigned-By:\n{FIELD}\n", "arm64")
    assert made.check_entry(tmp_path / "a.sources", entry) == "4E8C1C5DD96FF4C7DAC9D586DDA9000AD3DBBF68"


@pytest.mark.parametrize(("content", "words"), [(b"", "is empty"), (b"x" * (apt_source.KEY_BYTES + 1), "more than")])
def test_a_key_has_an_end(content: bytes, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = (io.BytesIO(content), {"status": 200, "msg": "OK"})
    monkeypatch.setattr(apt_source, "fetch_url", lambda *_arguments, **_more: answer)
    with pytest.raises(apt_source.Failed, match="THOR-REPOSITORY-FAILED") as failure:
        source().fetch_key()
    assert words in str(failure.value)


def test_an_error_whose_body_breaks_off_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_more: Any) -> None:
        raise http.client.IncompleteRead(b"Not")  # from within Ansible's own handler of a 404

    monkeypatch.setattr(apt_source, "fetch_url", refuse)
    with pytest.raises(apt_source.Failed, match=r"THOR-REPOSITORY-FAILED: .*IncompleteRead"):
        source().fetch_key()


def test_fingerprints_choose_among_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(apt_source, "SOURCES", tmp_path)
    key = tmp_path / "two.gpg"
    key.touch()
    made, path = source(), tmp_path / "a.sources"

    def check(value: str) -> str | None:
        return made.check_entry(path, apt_sources.Entry(URL, value))

    with pytest.raises(apt_source.Failed, match="THOR-KEY-WRONG"):
        check(str(key))  # any of its two keys would do
    assert check(f"{key} {PINNED}") == check(f"{key},{PINNED}!") == check(PINNED) == PINNED
    assert check(f"{key} {SUBKEY}!") == PINNED, "a subkey of the key"
    for other in ("A" * 40, f"{PINNED} {'A' * 40}", f"{key} {'B' * 40}", SUBKEY):
        with pytest.raises(apt_source.Failed, match="THOR-KEY-WRONG"):
            check(other)
    (tmp_path / "trusted.gpg").touch()
    assert check(SUBKEY) == PINNED, "among the keys that apt trusts"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"deb {URL} /", "without a key of its own"),
        (f"deb [signed-by=/nosuch.gpg] {URL} /", "no such file"),
        (f"deb [signed-by=F796ECB0] {URL} /", "nor a whole fingerprint"),
        (f"deb [trusted=yes signed-by={PINNED}] {URL} /", "without a signature"),
        (f"Types: deb\nURIs: {URL}\nTrusted: yes\nSigned-By: {PINNED}", "without a signature"),
        (f"Types: deb\nURIs: {URL}\nAllow-Insecure: true\nSigned-By: {PINNED}", "without a signature"),
    ],
)
def test_an_entry_that_proves_nothing_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (entry,) = apt_sources.entries(text, "arm64")
    with pytest.raises(apt_source.Failed, match="THOR-KEY-WRONG") as failure:
        source().check_entry(tmp_path / "a", entry)
    assert words in str(failure.value)


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
    assert list(apt_sources.entries(text, "arm64")) == [apt_sources.Entry(URL, "/etc/apt/keyrings/nvidia.asc")]
