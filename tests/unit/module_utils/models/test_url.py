# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""One file of a plain URL."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import hub_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models import url as urls
from model_store import BIG, content, manifest, problem_of, run, sha, staged, url


def test_check_mode_of_a_url(hub: hub_server.Hub, place: Path) -> None:
    hub.files["/t.jinja"] = b"{{ x }}"
    result = urls.predict(url(hub, place))
    assert (result["changed"], result["fetched_bytes"]) == (True, 7)
    assert "to fetch: 7 bytes" in result["diff"]["after"]
    assert not place.exists()


@pytest.mark.parametrize("kind", ["sha256", "sha1"])
def test_a_url_with_a_checksum(hub: hub_server.Hub, place: Path, kind: str) -> None:
    hub.files["/t.jinja"] = BIG
    checksum = f"{kind}:{hashlib.new(kind, BIG).hexdigest()}"
    result = run(url(hub, place, checksum=checksum))
    assert (result["changed"], result["fetched_bytes"], result["warnings"]) == (True, len(BIG), [])
    assert (place / "t.jinja").read_bytes() == BIG
    record = manifest(place)["files"]["t.jinja"]
    assert (record["sha256"], record["checksum"], record["trusted"]) == (sha(BIG), checksum, "lock")
    hub.forget()
    assert run(url(hub, place, checksum=checksum))["changed"] is False
    assert hub.requests == []
    assert staged(place) == []


def test_a_url_without_a_checksum_is_trusted_once_and_then_pinned(hub: hub_server.Hub, place: Path) -> None:
    hub.files["/t.jinja"] = b"one"
    result = run(url(hub, place))
    assert result["sha256"] == sha(b"one")
    assert "script/lock" in result["warnings"][0]
    hub.files["/t.jinja"] = b"two"
    assert run(url(hub, place))["changed"] is False
    assert run(url(hub, place, checksum=f"sha256:{sha(b'two')}"))["changed"] is True
    assert (place / "t.jinja").read_bytes() == b"two"
    assert not list(place.glob("*.thor-old"))


def test_several_urls_share_a_directory(hub: hub_server.Hub, place: Path) -> None:
    hub.files |= {"/t.jinja": b"one", "/u": b"two"}
    run(url(hub, place))
    run(url(hub, place, url=f"{hub.url}/u", file="u"))
    assert set(manifest(place)["files"]) == {"t.jinja", "u"}
    assert manifest(place)["include"] == [f"t.jinja {hub.url}/t.jinja", f"u {hub.url}/u"]


def test_a_url_whose_file_is_there_is_only_hashed(hub: hub_server.Hub, place: Path) -> None:
    place.mkdir(parents=True)
    (place / "t.jinja").write_bytes(BIG)
    result = run(url(hub, place, checksum=f"sha1:{hashlib.sha1(BIG).hexdigest()}"))
    assert (result["changed"], result["fetched_bytes"], result["sha256"]) == (True, 0, sha(BIG))
    assert hub.requests == []


def test_somebody_elses_file_in_the_way_of_a_url_is_kept(hub: hub_server.Hub, place: Path) -> None:
    hub.files["/t.jinja"] = b"theirs"
    place.mkdir(parents=True)
    (place / "t.jinja").write_bytes(b"mine")
    run(url(hub, place))
    assert content(place) == {"t.jinja": b"theirs", "t.jinja.thor-old": b"mine"}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"file_status": 500}, "THOR-HUB-ANSWER"),
        ({"file_status": 403}, "THOR-MODEL-DENIED"),
        ({"file_status": 404}, "THOR-MODEL-NOT-FOUND"),
        ({"silent": True}, "THOR-HUB-UNREACHABLE"),
        ({"corrupt": {"/t.jinja"}}, "THOR-CHECKSUM"),
        ({"cut_after": 0}, "THOR-HUB-UNREACHABLE"),
    ],
)
def test_a_url_that_fails(hub: hub_server.Hub, place: Path, fault: dict[str, Any], code: str) -> None:
    hub.files["/t.jinja"] = BIG
    good = {key: getattr(hub, key) for key in fault}
    vars(hub).update(fault)
    spec = url(hub, place, checksum=f"sha256:{sha(BIG)}", retries=0)
    assert problem_of(spec)["code"] == code
    assert not (place / "t.jinja").exists()
    vars(hub).update(good)
    run(spec)
    assert (place / "t.jinja").read_bytes() == BIG
