# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Secrets are taken out of text, however they are written, and ordinary words stay."""

from __future__ import annotations

import base64
import json
import time
import urllib.parse

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.redaction import GONE, Secrets, digest, of_lines, redact

VALUE = 'Tr0ub4dor&3"correct horse\\$battery'
KNOWN = Secrets(values=frozenset({VALUE, "12345"}), names=frozenset({"DOOR_CODE"}))
TOKEN = "zebra-9f8e7d6c5b4a3210-quilt"
HASHED = Secrets(digests=frozenset({digest(TOKEN)}))
NOBODY = Secrets()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "written",
    [
        VALUE,
        json.dumps({"a": VALUE}),
        repr([VALUE]),
        urllib.parse.quote(VALUE, safe=""),
        urllib.parse.quote_plus(VALUE),
        VALUE.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$"),
        VALUE[:9] + "\n" + VALUE[9:],
        VALUE[:9] + "\r\n    " + VALUE[9:],
        "\n".join(VALUE),
        encoded(VALUE),
        encoded(f"robot:{VALUE}"),
        encoded(f"me:{VALUE}:and more"),
        encoded(f"us:{VALUE}"),
        base64.urlsafe_b64encode(f"??>:{VALUE}".encode()).decode(),
        encoded(f"robot:{VALUE}")[:20] + "\n" + encoded(f"robot:{VALUE}")[20:],
    ],
)
def test_a_known_value_goes_however_it_is_written(written: str) -> None:
    text = f"before {written} after"
    found = redact(text, KNOWN)
    assert found.startswith("before ") and found.endswith(" after") and GONE in found
    assert found.count("\n") == text.count("\n"), "the number of lines stays"
    for shown in (VALUE, "Tr0ub4dor", "battery", encoded("correct horse")[:12], encoded(VALUE)[4:16]):
        assert shown not in found


def test_each_line_of_a_value_of_several_is_a_secret() -> None:
    found = redact("x: second-line-of-it.", Secrets(values=frozenset({"first-line\nsecond-line-of-it"})))
    assert found == f"x: {GONE}."


def test_a_short_value_goes_by_the_name_of_its_variable_and_takes_no_other_text() -> None:
    assert redact("port 12345, DOOR_CODE=12345, 'DOOR_CODE': \"12 34\"", KNOWN) == (
        f"port 12345, DOOR_CODE={GONE}, 'DOOR_CODE': {GONE}"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"key {TOKEN} refused",
        f"GET /v1/models?robot={TOKEN}",
        f"{{'who':'{TOKEN}'}}",
        f"what={TOKEN}.",
        f"({TOKEN})",
        "the key is zebra-9f8e7d6c\n5b4a3210-quilt",
        "the key is=zebra-9f8e7d6c \n    5b4a3210-quilt and so on",
    ],
)
def test_what_is_known_by_its_digest_alone_is_found_among_the_words(text: str) -> None:
    found = redact(text, HASHED)
    assert "9f8e7d6c" not in found and "5b4a3210" not in found and GONE in found
    assert found.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcDEF123._~+/-x==", "abcDEF123"),
        ("authorization: bearer\n abcDEF123456", "abcDEF"),
        ("{'Authorization': 'Basic cm9ib3Q6cGFzc3dvcmQ='}", "cm9ib3Q6"),
        ('"proxy-authorization": "Digest username=me, response=abc"', "response"),
        ("Authorization: token-without-a-scheme", "token-without"),
        ("X-Api-Key: 5up3rs3cret", "5up3r"),
        ("Cookie: session=abcdef0123", "abcdef0123"),
        ("curl https://robot:pa%24sw0rd@mirror.example/simple", "pa%24sw0rd"),
        ("https://ghost-token@git.example/x", "ghost-token"),
        ("socks5h://u:p:with:colons@proxy.example:1080", "colons"),
        ("GET /f?X-Amz-Signature=0123abcd&x=1", "0123abcd"),
        ("/download?access_token=abc.def#part", "abc.def"),
        ("using hf_abcdefghijKLMNOP for the hub", "hf_abcdef"),
        ("login with nvapi-Ab_cd-Ef0123456789", "nvapi-Ab"),
        ("sk-proj-0123456789abcdefgh", "0123456789"),
        ("ghp_0123456789abcdefghij0123", "0123456789"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "c2ln"),
        ("HF_TOKEN=short", "short"),
        ("Environment=NGC_API_KEY='with blanks in it'", "blanks"),
        ("vllm serve --api-key 5ecret --port 8000", "5ecret"),
        ("server_args=ServerArgs(api_key='5ecret', port=1)", "5ecret"),
        ('"password": "p\\"w and more"', "and more"),
        ("client_secret: 5ecret", "5ecret"),
        ("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\nabc\n-----END EC PRIVATE KEY-----\nafter", "MHcCAQEE"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQIB\ncut off", "MIIEvQIB"),
    ],
)
def test_what_looks_like_a_secret_goes(text: str, secret: str) -> None:
    found = redact(text, NOBODY)
    assert secret not in found and GONE in found
    assert found.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=128, eos_token='<|im_end|>', tokenizer: qwen3",
        "prompt eval time = 12.5 ms / 40 tokens (0.31 ms per token, 3200.00 tokens per second)",
        "server_args=ServerArgs(api_key=None, port=8000)",
        "key_cache block 12 of 40; kv_cache_dtype=fp8",
        "GET http://127.0.0.1:8000/v1/models",
        "see https://docs.example/a@b",
        "NVRM: GPU at PCI:0000:01:00: GPU-0123",
        "sha256:832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e",
        "the bearer of this",
    ],
)
def test_ordinary_lines_stay_as_they_are(text: str) -> None:
    assert redact(text, NOBODY) == text


def test_lines_stay_in_their_places_also_where_one_has_several() -> None:
    lines = ["one", "two\nHF_TOKEN=hidden0123", f"three {VALUE[:5]}", f"{VALUE[5:]} four"]
    found = of_lines(lines, KNOWN)
    assert len(found) == 4 and found[0] == "one" and found[1] == f"two\nHF_TOKEN={GONE}"
    assert found[2] == f"three {GONE}" and found[3] == " four"
    assert of_lines([], KNOWN) == []


def test_a_journal_of_many_lines_is_done_in_a_moment() -> None:
    lines = [
        f"2026-11-26T12:00:{number % 60:02d} slot {number}: prompt processing done, n_tokens = {number}"
        for number in range(20000)
    ]
    secrets = Secrets(frozenset({VALUE, "another-secret-value-0123456789"}), frozenset({"A_TOKEN"}), HASHED.digests)
    begun = time.process_time()
    assert len(of_lines(lines, secrets)) == 20000
    assert time.process_time() - begun < 20
