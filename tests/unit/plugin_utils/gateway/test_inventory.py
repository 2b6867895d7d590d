# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of what an inventory says about the gateway: shapes, keys and what is wrong with them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import role_variables, shapes
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import inventory

ROOT = Path(__file__).resolve().parents[4]
KEY = "0123456789-0123456789"


def codes(keys: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one.code, one.variable) for one in inventory.key_problems(keys)]


def shape(name: str, value: Any) -> list[str]:
    return [one.text() for one in shapes.check(value, role_variables.VARIABLES[name], name)]


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        {},
        {
            "port": 8443,
            "address": "::1",
            "names": ["robots.example", "10.0.0.7", "fd00::7"],
            "body": "64m",
            "tls": False,
        },
        {"body": 1024, "certificate": {"cert": "tls/a.crt", "key": "~/a.key"}},
        {"ca_dir": "/srv/thor ca"},
    ],
)
def test_the_gateway_is_a_switch_or_a_mapping(value: Any) -> None:
    assert shape("thor_gateway", value) == []


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("yes", "THOR-TYPE-INVALID"),
        ({"prot": 1}, "THOR-KEY-UNKNOWN"),
        ({"port": 0}, "THOR-VALUE-INVALID"),
        ({"names": ["a b"]}, "THOR-VALUE-INVALID"),
        ({"names": ["x; return 200"]}, "THOR-VALUE-INVALID"),
        ({"address": "thor01"}, "THOR-VALUE-INVALID"),
        ({"body": "64 MB"}, "THOR-VALUE-INVALID"),
        ({"certificate": {"cert": "a"}}, "THOR-KEY-MISSING"),
    ],
)
def test_another_value_is_refused(value: Any, code: str) -> None:
    assert [text.split(":")[0] for text in shape("thor_gateway", value)] == [code]


def test_no_value_of_a_key_is_shown() -> None:
    for wrong in ({"robot7": {"key": f"{KEY} with blanks"}}, {"robot7": {"sha256": KEY}}, {"robot7": KEY}, KEY):
        (text,) = shape("thor_gateway_keys", wrong)
        assert KEY not in text and "thor_gateway_keys" in text


def test_keys_become_clients_by_their_sha256() -> None:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    keys = {
        "robot7": {"key": KEY, "models": ["chat"], "concurrency": 4, "requests_per_minute": 60},
        "all": {"sha256": "AB" * 32, "models": "all"},
        "eyes": {"sha256": "cd" * 32, "metrics": True},
    }
    found = {client.name: client for client in inventory.clients(keys)}
    robot = found["robot7"]
    assert (robot.sha256, robot.models, robot.concurrency, robot.requests_per_minute) == (digest, ("chat",), 4, 60)
    assert (found["all"].models, found["all"].sha256) == (None, "ab" * 32)
    assert found["eyes"].metrics and found["eyes"].models == ()
    assert codes(keys) == []


def test_a_key_must_be_there_once_and_long_enough() -> None:
    assert codes({"a": {"models": ["chat"]}}) == [("THOR-GATEWAY-KEY-MISSING", "thor_gateway_keys['a']")]
    both = {"a": {"key": KEY, "sha256": "ab" * 32, "models": "all"}}
    assert codes(both) == [("THOR-GATEWAY-KEY-MISSING", "thor_gateway_keys['a']")]
    assert codes({"a": {"key": "x" * 19, "models": "all"}}) == [("THOR-GATEWAY-KEY-SHORT", "thor_gateway_keys['a']")]
    assert codes({"a": {"key": "x" * 20, "models": "all"}}) == []


@pytest.mark.parametrize("word", ["", "\n", "password", "password\n", "changeme"])
def test_the_digest_of_a_word_that_anybody_would_try_is_refused(word: str) -> None:
    digest = hashlib.sha256(word.encode()).hexdigest()
    for written in (digest, digest.upper()):
        (problem,) = inventory.key_problems({"a": {"sha256": written, "models": "all"}})
        assert (problem.code, problem.variable) == ("THOR-GATEWAY-KEY-SHORT", "thor_gateway_keys['a']")
        assert digest not in problem.text().lower()


def test_the_digests_that_pages_show_open_nothing() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("inventories/**/*.yml")]
    shown = {one for page in pages for one in re.findall(r"sha256: ([0-9a-f]{64})\b", page.read_text(encoding="utf-8"))}
    assert shown and not shown & inventory.GUESSED_SHA256


def test_two_clients_cannot_have_one_key_however_it_is_written() -> None:
    digest = hashlib.sha256(KEY.encode()).hexdigest().upper()
    keys = {"a": {"key": KEY, "models": "all"}, "b": {"sha256": digest, "models": "all"}}
    assert codes(keys) == [("THOR-GATEWAY-KEY-TWICE", "thor_gateway_keys['b']")]


def test_a_key_is_for_models_or_for_metrics() -> None:
    right = ("THOR-GATEWAY-KEY-RIGHTS", "thor_gateway_keys['a']")
    assert codes({"a": {"key": KEY}}) == codes({"a": {"key": KEY, "models": []}}) == [right]
    assert codes({"a": {"key": KEY, "models": ["chat"], "metrics": True}}) == [right]


@pytest.mark.parametrize(("text", "size"), [("64m", 64 << 20), ("1G", 1 << 30), ("10k", 10240), (5, 5)])
def test_a_size_is_read_as_nginx_reads_it(text: Any, size: int) -> None:
    assert inventory.size(text) == size


def test_off_is_off() -> None:
    assert inventory.settings(False) is None and inventory.settings(None) is None
    assert inventory.settings(True) == {} and inventory.settings({"port": 1}) == {"port": 1}
