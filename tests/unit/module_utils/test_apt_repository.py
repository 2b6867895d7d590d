# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A package repository: its key and its entry on the host."""

from __future__ import annotations

import http.client
import io
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import apt_repository, apt_sources
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed
from apt_keys import ARMOR, COLONS, FIELD, KEY, PINNED, SUBKEY, URL


def run_command(argv: list[str]) -> tuple[int, str, str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def source(check_mode: bool = False, **changes: Any) -> apt_repository.Repository:
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
    return apt_repository.Repository(module)


def test_a_second_primary_key_in_the_file_is_refused_and_both_are_named() -> None:
    with pytest.raises(Failed) as failure:
        source().check_key("the key", Path("key.asc"))
    text = str(failure.value)
    assert text.startswith("THOR-KEY-WRONG: ") and "some_role_fingerprint" in text
    assert "C95B321B61E88C1809C4F759DDCAE044F796ECB0" in text and "A" * 40 in text


def test_the_pinned_key_alone_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    made = source()
    monkeypatch.setattr(made.module, "run_command", lambda _argv: (0, COLONS[: COLONS.index("pub:-:2048")], ""))
    assert made.check_key("the key", Path("key.asc")) == "C95B321B61E88C1809C4F759DDCAE044F796ECB0"


def test_without_gpg_only_check_mode_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    for check_mode in (True, False):
        made = source(check_mode)
        monkeypatch.setattr(made.module, "get_bin_path", lambda _name: None)
        if check_mode:
            assert made.check_key("the key", Path("key.asc")) is None
        else:
            with pytest.raises(Failed, match="gpg, which reads the key"):
                made.check_key("the key", Path("key.asc"))


def test_somebody_elses_source_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(apt_repository, "SOURCES", tmp_path)
    (tmp_path / "sources.list.d").mkdir()
    assert source().present() is None
    path = tmp_path / "sources.list.d" / "vendor.list"
    path.write_text(f"deb [signed-by={KEY}] {URL}/ /\n")
    assert source().present() == (path, apt_sources.Entry(f"{URL}/", KEY))


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
    with pytest.raises(Failed, match="THOR-KEY-WRONG"):
        made.check_entry(tmp_path / "a.sources", entry)
    monkeypatch.setattr(made.module, "run_command", lambda _argv: (2, "", "gpg: no valid OpenPGP data found.\n"))
    with pytest.raises(Failed, match="no valid OpenPGP data"):
        made.check_entry(tmp_path / "a.sources", entry)


def test_the_real_gpg_reads_a_key_in_the_source_itself(tmp_path: Path) -> None:
    made = source(fingerprint="4E8C1C5DD96FF4C7DAC9D586DDA9000AD3DBBF68")
    made.module.run_command = run_command
    (entry,) = apt_sources.entries(f"Types: deb\nURIs: {URL}\nSigned-By:\n{FIELD}\n", "arm64")
    assert made.check_entry(tmp_path / "a.sources", entry) == "4E8C1C5DD96FF4C7DAC9D586DDA9000AD3DBBF68"


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "is empty"), (b"x" * (apt_repository.KEY_BYTES + 1), "more than")]
)
def test_an_empty_or_endless_key_is_refused(content: bytes, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = (io.BytesIO(content), {"status": 200, "msg": "OK"})
    monkeypatch.setattr(apt_repository, "fetch_url", lambda *_arguments, **_more: answer)
    with pytest.raises(Failed, match="THOR-REPOSITORY-FAILED") as failure:
        source().fetch_key()
    assert words in str(failure.value)


def test_an_error_whose_body_breaks_off_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_more: Any) -> None:
        raise http.client.IncompleteRead(b"Not")  # from within Ansible's own handler of a 404

    monkeypatch.setattr(apt_repository, "fetch_url", refuse)
    with pytest.raises(Failed, match=r"THOR-REPOSITORY-FAILED: .*IncompleteRead"):
        source().fetch_key()


def test_fingerprints_select_among_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(apt_repository, "SOURCES", tmp_path)
    key = tmp_path / "two.gpg"
    key.touch()
    made, path = source(), tmp_path / "a.sources"

    def check(value: str) -> str | None:
        return made.check_entry(path, apt_sources.Entry(URL, value))

    with pytest.raises(Failed, match="THOR-KEY-WRONG"):
        check(str(key))  # any of its two keys would do
    assert check(f"{key} {PINNED}") == check(f"{key},{PINNED}!") == check(PINNED) == PINNED
    assert check(f"{key} {SUBKEY}!") == PINNED, "a subkey of the key"
    for other in ("A" * 40, f"{PINNED} {'A' * 40}", f"{key} {'B' * 40}", SUBKEY):
        with pytest.raises(Failed, match="THOR-KEY-WRONG"):
            check(other)
    (tmp_path / "trusted.gpg").touch()
    assert check(SUBKEY) == PINNED, "among the keys that apt trusts"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"deb {URL} /", "without a key of its own"),
        (f"deb [signed-by=/nosuch.gpg] {URL} /", "no such file"),
        (f"deb [signed-by=F796ECB0] {URL} /", "nor a whole fingerprint"),
        (f"deb [trusted=yes signed-by={PINNED}] {URL} /", "not to require a signature"),
        (f"Types: deb\nURIs: {URL}\nTrusted: yes\nSigned-By: {PINNED}", "not to require a signature"),
        (f"Types: deb\nURIs: {URL}\nAllow-Insecure: true\nSigned-By: {PINNED}", "not to require a signature"),
    ],
)
def test_an_entry_without_a_usable_signature_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (entry,) = apt_sources.entries(text, "arm64")
    with pytest.raises(Failed, match="THOR-KEY-WRONG") as failure:
        source().check_entry(tmp_path / "a", entry)
    assert words in str(failure.value)


def test_the_written_source_names_one_architecture_and_one_key() -> None:
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
