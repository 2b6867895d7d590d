# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""pip's arguments, for uv."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.environments import index
from ansible_collections.jetson.thor.plugins.module_utils.environments.index import ArgumentError, Index


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", Index()),
        ("--index-url http://a/simple", Index(default="http://a/simple")),
        ("-i http://a/simple", Index(default="http://a/simple")),
        ("--index-url=http://a --index-url=http://b", Index(default="http://b")),
        ("--extra-index-url http://a --extra-index-url http://b", Index(extra=("http://a", "http://b"))),
        ("--no-index --find-links /srv/wheels -f 'http://h/w w/'", Index(no_index=True, find_links=("/srv/wheels", "http://h/w w/"))),
        ("--trusted-host h:80 --cert /etc/ca.pem", Index(trusted=("h:80",), cert="/etc/ca.pem")),
        ("--proxy proxy:3128", Index(proxy="http://proxy:3128")),
        ("--proxy socks5://proxy:1", Index(proxy="socks5://proxy:1")),
    ],
)  # fmt: skip
def test_arguments_are_read(arguments: str, expected: Index) -> None:
    assert index.parse(arguments) == expected
    assert index.problem(arguments) is None


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("--pre", "--pre has no equivalent for uv"),
        ("--constraint=/x", "--constraint has no equivalent"),
        ("torch", "a word without an option has no equivalent"),
        ("--index-url", "--index-url lacks its value"),
        ("--no-index=1", "--no-index takes no value"),
        ("--index-url 'http", "cannot be parsed: No closing quotation"),
        ("-i https://me:pa/ss@h/simple", "the address after --index-url has an @ behind its host"),
        ("--extra-index-url https://me:pa?ss@h/simple", "the address after --extra-index-url has an @"),
        ("-f https://me:pa#ss@h/", "the address after --find-links has an @"),
        ("--proxy me:pa/ss@proxy:1", "the address after --proxy has an @"),
        ("-i https://[me@h", "the address after --index-url cannot be read"),
    ],
)
def test_what_cannot_be_translated_is_refused(arguments: str, reason: str) -> None:
    with pytest.raises(ArgumentError, match=reason):
        index.parse(arguments)
    found = index.problem(arguments)
    assert found is not None and found.code == "THOR-PACKAGES-ARGUMENTS" and found.variable == "thor_pip_extra_args"


@pytest.mark.parametrize(
    "arguments",
    [
        "http://u:s3cret@host/simple",
        "-xhttps://u:s3cret@host/simple",
        "-phttp://u:s3cret@proxy",
        "--pre=http://u:s3cret@host",
        "-i https://u:s3/cret@host/simple",
        "-i https://[u:s3cret@host/simple",
        "--no-index=http://u:s3cret@host",
        "-i http://a 'http://u:s3cret@host",
    ],
)
def test_a_refusal_shows_no_password(arguments: str) -> None:
    found = index.problem(arguments)
    assert found is not None and "cret" not in found.text()


def test_an_at_sign_elsewhere_is_accepted_if_it_is_written_so_or_names_no_host() -> None:
    assert index.parse("-i https://h/feed%40release/simple").default == "https://h/feed%40release/simple"
    assert index.parse("-f /srv/w@x -f file:///srv/w@x").find_links == ("/srv/w@x", "file:///srv/w@x")


@pytest.mark.parametrize("arguments", [None, 5, ["--no-index"]])
def test_only_a_text_is_read(arguments: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)  # shlex.split(None) reads it
    with pytest.raises(ArgumentError, match="it must be a text"):
        index.parse(arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "the package index"),
        ("-i https://me:s3cret@mirror.example/simple", "https://****@mirror.example/simple"),
        ("--extra-index-url http://b -f /w", "the package index and http://b and /w"),
        ("--no-index -i http://a -f http://u:s3cret@h/wheels/", "http://****@h/wheels/"),
        ("--no-index", "nowhere"),
        ("--pre", "the package index"),  # refused as such
        (None, "the package index"),
    ],
)
def test_the_source_in_words(arguments: Any, words: str) -> None:
    assert index.source(arguments) == words


def test_the_environments_of_uv_and_pip() -> None:
    where = index.parse(
        "-i http://a --extra-index-url http://b --extra-index-url http://c -f /w -f http://d --trusted-host h --cert /c --proxy p:1"
    )
    uv = where.for_uv()
    assert uv["UV_DEFAULT_INDEX"] == "http://a" and uv["UV_INDEX"] == "http://a http://b http://c"
    assert uv["UV_FIND_LINKS"] == "/w,http://d" and uv["UV_INSECURE_HOST"] == "h" and uv["SSL_CERT_FILE"] == "/c"
    assert uv["HTTPS_PROXY"] == uv["http_proxy"] == "http://p:1"
    pip = where.for_pip()
    assert pip["PIP_INDEX_URL"] == "http://a" and pip["PIP_EXTRA_INDEX_URL"] == "http://b http://c"
    assert pip["PIP_FIND_LINKS"] == "/w http://d" and pip["PIP_TRUSTED_HOST"] == "h" and pip["PIP_CERT"] == "/c"
    assert where.for_uv(extra_first=True)["UV_INDEX"] == "http://b http://c"
    assert set(index.parse("").for_uv()) == {"UV_SYSTEM_CERTS"} and index.parse("").for_pip() == {}
    assert index.parse("--no-index").for_pip() == {"PIP_NO_INDEX": "1"}


def test_secrets_are_found_and_removed() -> None:
    where = index.parse("-i https://me:p%40ss@h/simple --extra-index-url https://t0ken@h2/ --proxy http://u:w0rd@p:1")
    assert where.secrets() == {"p%40ss", "p@ss", "t0ken", "w0rd"}
    text = index.without_secrets("at https://me:p%40ss@h and https://t0ken@h2, p@ss", where.secrets())
    assert text == "at https://****@h and https://****@h2, ****"
    assert index.without_secrets("global.index-url='http://a:b@c/simple'") == "global.index-url='http://****@c/simple'"


def test_pips_own_configuration() -> None:
    listing = """\
:env:.index-url='http://env/simple'
global.index-url='http://a/simple'
global.extra-index-url='http://b http://c'
global.constraint='/etc/constraints.txt'
install.find-links='\\n/w\\n/x'
global.no-index='false'
global.trusted-host='h'
"""
    found = index.parse("--extra-index-url http://d", index.configured(listing))
    assert found == Index(
        default="http://a/simple", extra=("http://b", "http://c", "http://d"), find_links=("/w", "/x"), trusted=("h",)
    )
    assert index.configured("global.no-index='yes'\nglobal.cert=broken'") == ["--no-index"]
