# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Downloads of plain URLs: bounded, and resumed after interruptions."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import hub_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models import download
from ansible_collections.jetson.thor.plugins.module_utils.models.errors import FetchError
from ansible_collections.jetson.thor.plugins.module_utils.models.staging import Staging
from model_store import BIG, BUFFER, arrived, content, in_process, problem_of, run, sha, url, wait_for


@pytest.mark.parametrize("length", ["9" * 5000, "\u00b2", "-1", "many"])
def test_a_length_that_is_not_a_number_is_ignored(
    length: str, hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(self: Any, *_what: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(BIG)
        self.close_connection = True

    monkeypatch.setattr(hub_server.Handler, "file", answer)
    hub.files["/t.jinja"] = BIG
    run(url(hub, place, checksum=f"sha256:{sha(BIG)}"))
    assert content(place) == {"t.jinja": BIG}


def test_an_impossible_port(hub: hub_server.Hub, place: Path) -> None:
    problem = problem_of(url(hub, place, url="http://127.0.0.1:99999999999999999999/t.jinja", retries=0))
    assert problem["code"] == "THOR-HUB-UNREACHABLE"


@pytest.mark.parametrize("checksum", [None, "sha256:" + "0" * 64])
def test_an_endless_url_is_cut_off(
    hub: hub_server.Hub, place: Path, checksum: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.endless = "files"
    hub.files["/t.jinja"] = b"x" * 415
    problem = problem_of(url(hub, place, checksum=checksum, max_bytes=415, retries=3))
    assert problem["code"] == "THOR-HUB-ANSWER" and "415" in problem["reason"]
    assert len(hub.requests) == 1 and hub.poured < 20_000_000, "no more than the sockets hold"
    assert sum(path.stat().st_size for path in place.parents[1].rglob("*.incomplete")) <= 415
    monkeypatch.setattr(download, "UNSTATED_BYTES", 1_000_000)
    assert "1,000,000" in problem_of(url(hub, place, checksum=checksum))["reason"], "where nobody states a size"


def test_a_url_that_announces_too_much_is_refused_before_any_transfer(hub: hub_server.Hub, place: Path) -> None:
    hub.files["/t.jinja"] = BIG
    problem = problem_of(url(hub, place, max_bytes=415))
    assert problem["code"] == "THOR-HUB-ANSWER" and "3,000,000" in problem["reason"] and "415" in problem["reason"]
    assert not list(place.parents[1].rglob("*.incomplete"))
    assert run(url(hub, place, max_bytes=3_000_000))["bytes"] == 3_000_000
    with pytest.raises(FetchError):
        url(hub, place, max_bytes=-1)


@pytest.mark.parametrize(("etag", "pinned"), [(True, False), (False, True)])
def test_an_interrupted_url_is_resumed(
    hub: hub_server.Hub, place: Path, etag: bool, pinned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    hub.files["/t.jinja"] = BIG
    hub.etag, hub.cut_after = etag, 400_000
    run(url(hub, place, checksum=f"sha256:{sha(BIG)}" if pinned else None))
    assert (place / "t.jinja").read_bytes() == BIG
    assert hub.fetched("/t.jinja") == len(BIG)


@pytest.mark.parametrize("fault", [{"etag": False}, {"ranges": False}], ids=["no validator", "no ranges"])
def test_a_url_that_cannot_be_resumed_starts_over(
    hub: hub_server.Hub, place: Path, fault: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    hub.files["/t.jinja"] = BIG
    vars(hub).update(fault)
    hub.cut_after = 1_000_000
    assert problem_of(url(hub, place))["code"] == "THOR-TRANSFER-CUT"
    assert hub.fetched("/t.jinja") == 3_000_000
    hub.cut_after = None
    run(url(hub, place))
    assert (place / "t.jinja").read_bytes() == BIG


def test_a_url_whose_file_has_changed_starts_over(hub: hub_server.Hub, place: Path) -> None:
    hub.files["/t.jinja"] = BIG
    hub.cut_after, hub.etag = 1_000_000, True
    other = bytes(reversed(BIG))
    spec = url(hub, place, retries=0)
    with Staging(spec, place / "t.jinja") as stage:
        (stage.tree / "t.jinja.incomplete").write_bytes(BIG[:1_000_000])
        stage.journal = {"url": spec["url"], "validator": '"old"'}
        stage.record()
    hub.cut_after = None
    hub.files["/t.jinja"] = other
    run(spec)
    assert (place / "t.jinja").read_bytes() == other


def test_a_url_survives_a_kill(hub: hub_server.Hub, place: Path) -> None:
    hub.files["/t.jinja"] = BIG
    hub.hold = {"/t.jinja": 1_200_000}
    spec = url(hub, place, checksum=f"sha256:{sha(BIG)}", idle_timeout=30)
    with in_process(spec):
        assert hub.held.wait(30)
        wait_for(lambda: arrived(place, "t.jinja") >= 1_200_000 - BUFFER)
        assert not place.exists()
    hub.hold = {}
    hub.resume.set()
    hub.forget()
    run(spec)
    assert (place / "t.jinja").read_bytes() == BIG
    assert hub.fetched("/t.jinja") <= len(BIG) - 1_200_000 + BUFFER
