# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The API of the hub: listings, errors, and answers of every kind."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import hub_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models import hub as hub_api
from model_store import FILES, content, model, problem_of, run, source_of, staged


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"listing_status": 500}, "THOR-HUB-ANSWER"),
        ({"listing_body": b"<html>log in</html>"}, "THOR-HUB-ANSWER"),
        ({"listing_body": b'{"Code":200,"Data":null}'}, "THOR-HUB-ANSWER"),
        (
            {"listing_body": b'{"Code":200,"Data":{"Files":[{"Path":"../x","Type":"blob","Size":1}]}}'},
            "THOR-HUB-ANSWER",
        ),
        ({"listing_body": b'{"Code":200,"Data":{"Files":[{"Path":"x","Type":"blob","Size":"1"}]}}'}, "THOR-HUB-ANSWER"),
        ({"listing_status": 403}, "THOR-MODEL-DENIED"),
        ({"private": True}, "THOR-MODEL-DENIED"),
        (
            {"listing_status": 404, "listing_body": b'{"Code":10010205001,"Message":"Error 1461: Can\'t create more"}'},
            "THOR-HUB-ANSWER",
        ),
        (
            {"listing_body": b'{"Code":10010205001,"Message":"record not found","Success":false}'},
            "THOR-MODEL-NOT-FOUND",
        ),
        ({"listing_status": 429, "retry_after": "86400"}, "THOR-HUB-LIMIT"),
        ({"silent": True}, "THOR-HUB-UNREACHABLE"),
        ({"file_status": 500}, "THOR-HUB-ANSWER"),
        ({"file_status": 404}, "THOR-MODEL-NOT-FOUND"),
        ({"file_status": 403}, "THOR-MODEL-DENIED"),
        ({"corrupt": {"model.gguf"}}, "THOR-CHECKSUM"),
    ],
)
def test_a_failing_hub_is_reported_and_nothing_gets_its_final_name(
    hub: hub_server.Hub, place: Path, fault: dict[str, Any], code: str
) -> None:
    good = {key: getattr(hub, key) for key in fault}
    vars(hub).update(fault)
    problem = problem_of(model(hub, place, retries=0))
    assert problem["code"] == code
    assert not place.exists()
    vars(hub).update(good)
    hub.resume.set()
    run(model(hub, place))
    assert content(place) == FILES
    assert staged(place) == []


def test_an_address_without_a_server(hub: hub_server.Hub, place: Path) -> None:
    problem = problem_of(model(hub, place, endpoint="http://127.0.0.1:9", retries=0))
    assert (problem["code"], problem["value"]) == ("THOR-HUB-UNREACHABLE", "http://127.0.0.1:9")


@pytest.mark.parametrize("changes", [{"id": "acme/none"}, {"revision": "v9"}])
def test_an_unknown_model_or_revision(hub: hub_server.Hub, place: Path, changes: dict[str, str]) -> None:
    problem = problem_of(model(hub, place, **changes))
    assert problem["code"] == "THOR-MODEL-NOT-FOUND"
    assert not place.exists()
    assert all(value in problem["reason"] for value in changes.values())


def test_the_answer_of_modelscope_for_an_unknown_revision(hub: hub_server.Hub, place: Path) -> None:
    """The recorded answer: HTTP 200, success, and no files."""
    nothing = b'{"Files":null,"IsVisual":0,"LatestCommitter":null}'
    hub.listing_body = b'{"Code":200,"Data":%b,"Message":"success","RequestId":"x","Success":true}' % nothing
    problem = problem_of(model(hub, place, revision="v9.9"))
    assert problem["code"] == "THOR-MODEL-NOT-FOUND" and "v9.9" in problem["reason"]


def test_an_endless_listing_is_cut_off(hub: hub_server.Hub, place: Path) -> None:
    hub.endless = "listing"
    problem = problem_of(model(hub, place, retries=3))
    assert problem["code"] == "THOR-HUB-ANSWER" and "more than" in problem["reason"]
    assert len(hub.requests) == 1, "no retry"
    assert hub.poured < 2 * hub_api.LISTING_BYTES + (8 << 20)


def test_an_answer_that_trickles_is_abandoned(
    hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_api, "LISTING_SECONDS", -1.0)
    assert problem_of(model(hub, place, retries=0))["code"] == "THOR-HUB-UNREACHABLE"


def test_an_interrupted_listing_is_requested_again(
    hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = hub_server.Handler.answer
    cut: list[int] = []

    def once(self: Any, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        if cut:
            answer(self, status, body, headers)
            return
        cut.append(1)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:-20])
        self.close_connection = True

    monkeypatch.setattr(hub_server.Handler, "answer", once)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    assert set(hub_api.list_files(source_of(model(hub, place)))) == set(FILES)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"Code":200,"Data":' + b'{"a":' * 100_000,
        b'{"Code":200,"Data":{"Files":[{"Path":"a","Type":"blob","Size":' + b"9" * 5000 + b"}]}}",
        b'{"Code":200,"Data":{"Files":{"a":1}}}',
        b'{"Code":200,"Data":{"Files":[null]}}',
        b'{"Code":[],"Data":{"Files":[]}}',
        b'{"Code":200,"Success":true,"Data":{}}',
        b'{"Code":200,"Success":true,"Data":[]}',
        b"[]",
        b"\xff\xfe",
        b"",
    ],
)
def test_every_answer_of_a_hub_ends_in_a_code(body: bytes, hub: hub_server.Hub, place: Path) -> None:
    hub.listing_body = body
    hub.listing_status = 200 if body else 204
    assert problem_of(model(hub, place, retries=0))["code"] == "THOR-HUB-ANSWER"


BROKEN = b"no number\r\nx"


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (404, BROKEN, "THOR-MODEL-NOT-FOUND"),
        (403, BROKEN, "THOR-MODEL-DENIED"),
        (500, BROKEN, "THOR-HUB-ANSWER"),
        (500, b"1\r\nx\r\n" * 100, "THOR-HUB-ANSWER"),  # trickles
    ],
)
def test_the_status_of_an_error_counts_whatever_happens_to_its_body(
    status: int, body: bytes, code: str, hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(self: Any, *_what: Any) -> None:
        self.send_response(status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        for byte in body:
            if self.hub.resume.wait(0 if body == BROKEN else 0.02):
                break
            with contextlib.suppress(OSError):
                self.wfile.write(bytes([byte]))

    monkeypatch.setattr(hub_server.Handler, "listing", answer)
    assert problem_of(model(hub, place, retries=0, idle_timeout=1))["code"] == code


def test_folders_that_lead_in_circles(hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_api, "LISTING_LIMIT", 2)
    asked: list[str] = []

    def page(_spec: Any, root: str, recursive: bool, _say: Any) -> list[dict[str, Any]]:
        asked.append(root)
        below = f"{root}/d".lstrip("/")
        return [{"Path": below, "Type": "tree"}] * (2 if recursive else 1)

    monkeypatch.setattr(hub_api, "_list_page", page)
    assert problem_of(model(hub, place))["code"] == "THOR-HUB-ANSWER"
    assert len(asked) < 100
    monkeypatch.setattr(
        hub_api,
        "_list_page",
        lambda _spec, _root, recursive, _say: [{"Path": "d", "Type": "tree"}] * (2 if recursive else 1),
    )
    assert "holds the folder" in problem_of(model(hub, place))["reason"]


def test_a_truncated_listing_is_requested_folder_by_folder(
    hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {f"d{number % 3}/f{number}": b"x" for number in range(12)}
    asked: list[tuple[str, bool]] = []

    def page(_spec: Any, root: str, recursive: bool, _say: Any) -> list[dict[str, Any]]:
        asked.append((root, recursive))
        trees = [{"Path": f"d{number}", "Type": "tree"} for number in range(3)] if not root else []
        blobs = [{"Path": name, "Type": "blob", "Size": 1} for name in many if name.startswith(root)]
        return (trees + (blobs if recursive else []))[:10]

    monkeypatch.setattr(hub_api, "LISTING_LIMIT", 10)
    monkeypatch.setattr(hub_api, "_list_page", page)
    assert set(hub_api.list_files(source_of(model(hub, place)))) == set(many)
    assert asked == [("", True), ("", False), ("d0", True), ("d1", True), ("d2", True)]
