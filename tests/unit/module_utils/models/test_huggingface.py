# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Listings of a Hugging Face hub: over plain HTTP and by the hub's own client, which must agree; and what refusals mean."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models import huggingface, huggingface_client, web
from ansible_collections.jetson.thor.plugins.module_utils.models.entries import Entry, Listing
from ansible_collections.jetson.thor.plugins.module_utils.models.errors import FetchError
from model_store import BIG, FILES, ID, model, sha, source_of

Lister = Callable[[dict[str, Any], Callable[[str], None]], Listing]


@pytest.fixture(params=["plain HTTP", "the hub's own client"])
def listed(request: pytest.FixtureRequest, tmp_path: Path) -> Lister:
    """Both ways to list."""
    if request.param == "plain HTTP":
        return huggingface.list_over_http
    return lambda at, say: huggingface_client.list_with_client(at, tmp_path, say)


def problem_of(listed: Lister, at: dict[str, Any]) -> dict[str, Any]:
    """The problem of a listing that must fail."""
    with pytest.raises(FetchError) as caught:
        listed(at, lambda _line: None)
    return caught.value.problem.as_dict()


def test_a_listing_has_the_commit_sizes_and_hashes(
    face: huggingface_server.HuggingFace, place: Path, listed: Lister
) -> None:
    found = listed(source_of(model(face, place)), lambda _line: None)
    assert found.commit == face.repositories[ID].branches["main"]
    assert found.files["model.gguf"] == Entry(len(BIG), sha(BIG))
    small = FILES["config.json"]
    assert found.files["config.json"] == Entry(len(small), None, huggingface_server.blob_id(small))
    assert set(found.files) == set(FILES)


def test_pages_are_followed(face: huggingface_server.HuggingFace, place: Path, listed: Lister) -> None:
    many = {f"d{number % 3}/f{number}": b"x" for number in range(25)}
    face.push(ID, many)
    face.page = 10
    face.requests.clear()
    assert set(listed(source_of(model(face, place)), lambda _line: None).files) == set(many)
    assert len(face.requests) == 1 + 3


def test_a_page_on_another_host_is_asked_for_without_the_token(
    face: huggingface_server.HuggingFace, place: Path, listed: Lister
) -> None:
    face.page, face.foreign_pages = 2, True
    assert set(listed(source_of(model(face, place, token="hf_reader")), lambda _line: None).files) == set(FILES)
    host = face.storage.removeprefix("http://")
    assert {token for what, token in face.seen if what.startswith(host)} == {None}
    assert {token for what, token in face.seen if not what.startswith(host)} == {"Bearer hf_reader"}


def test_pages_without_an_end(
    face: huggingface_server.HuggingFace, place: Path, listed: Lister, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface, "MAX_PAGES", 3)
    face.page = 1
    problem = problem_of(listed, source_of(model(face, place)))
    assert problem["code"] == "THOR-HUB-ANSWER" and "pages" in problem["reason"]


def test_a_redirect_to_a_file_of_this_host_is_refused(
    face: huggingface_server.HuggingFace, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lead_astray(self: huggingface_server.Handler, *_what: Any) -> None:
        self.answer(302, b"", {"Location": "file:///etc/hostname"})

    monkeypatch.setattr(huggingface_server.Handler, "model", lead_astray)
    with pytest.raises(FetchError, match="not HTTP"):
        huggingface.list_over_http(source_of(model(face, place, retries=0)))


def test_a_revision_with_a_slash_and_a_commit(
    face: huggingface_server.HuggingFace, place: Path, listed: Lister
) -> None:
    commit = face.push(ID, {"a": b"b"}, "feature/new")
    for revision in ("feature/new", commit):
        found = listed(source_of(model(face, place, revision=revision)), lambda _line: None)
        assert (found.commit, set(found.files)) == (commit, {"a"})
    kept = source_of(model(face, place)) | {"commit": commit}
    assert listed(kept, lambda _line: None).commit == commit, (
        "the commit that was first fetched, whatever the branch has"
    )


@pytest.mark.parametrize(
    ("repository", "token", "code", "words"),
    [
        ({"private": True}, None, "THOR-MODEL-NOT-FOUND", "thor_hf_token"),
        ({"private": True}, "hf_nobody", "THOR-MODEL-NOT-FOUND", "id and revision"),
        ({"private": True}, "hf_wrong", "THOR-MODEL-DENIED", "Invalid credentials"),
        ({"gated": "auto"}, None, "THOR-MODEL-GATED", "thor_hf_token"),
        ({"gated": "manual"}, "hf_nobody", "THOR-MODEL-GATED", "Ask for access at http://127.0.0.1"),
        ({"gated": "auto", "closed": True}, None, "THOR-MODEL-GATED", "thor_hf_token"),
        ({"gated": "auto", "closed": True}, "hf_nobody", "THOR-MODEL-GATED", "Ask for access"),
    ],
)
def test_who_may_not_read_is_told_where_to_ask(
    face: huggingface_server.HuggingFace,
    place: Path,
    listed: Lister,
    repository: dict[str, Any],
    token: str | None,
    code: str,
    words: str,
) -> None:
    vars(face.repositories[ID]).update(repository)
    problem = problem_of(listed, source_of(model(face, place, token=token)))
    assert problem["code"] == code
    assert words in problem["reason"] + problem["remedy"]
    assert "hf_wrong" not in str(problem)
    face.repositories[ID].readers = {"hf_reader"}
    assert set(listed(source_of(model(face, place, token="hf_reader")), print).files) == set(FILES)


def test_a_gated_model_is_asked_for_its_weights_and_not_for_its_card(
    face: huggingface_server.HuggingFace, place: Path, listed: Lister
) -> None:
    vars(face.repositories[ID]).update({"gated": "auto"})
    problem_of(listed, source_of(model(face, place)))
    (asked,) = [one for one in face.requests if "/resolve/" in one]
    assert asked.endswith(max(FILES, key=lambda name: len(FILES[name])))


@pytest.mark.parametrize(
    ("changes", "code", "value"),
    [
        ({"id": "acme/none"}, "THOR-MODEL-NOT-FOUND", "acme/none"),
        ({"revision": "v9"}, "THOR-MODEL-REVISION", "v9"),
        ({"endpoint": "http://127.0.0.1:9"}, "THOR-HUB-UNREACHABLE", "http://127.0.0.1:9"),
    ],
)
def test_what_is_not_there(
    face: huggingface_server.HuggingFace,
    place: Path,
    listed: Lister,
    changes: dict[str, str],
    code: str,
    value: str,
) -> None:
    problem = problem_of(listed, source_of(model(face, place, retries=0, **changes)))
    assert (problem["code"], problem["value"]) == (code, value)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"listing_status": 500}, "THOR-HUB-ANSWER"),
        ({"listing_status": 418}, "THOR-HUB-ANSWER"),
        ({"listing_body": b"<html>a portal</html>"}, "THOR-HUB-ANSWER"),
        ({"listing_body": b"[]"}, "THOR-HUB-ANSWER"),
        ({"silent": True}, "THOR-HUB-UNREACHABLE"),
        ({"limited": 9, "rate_limit": {"Retry-After": "86400"}}, "THOR-HUB-LIMIT"),
    ],
)
def test_a_hub_that_fails(
    face: huggingface_server.HuggingFace, place: Path, listed: Lister, fault: dict[str, Any], code: str
) -> None:
    vars(face).update(fault)
    assert problem_of(listed, source_of(model(face, place, retries=0, idle_timeout=3)))["code"] == code
    face.resume.set()


@pytest.mark.parametrize("headers", [{"RateLimit": '"api";r=0;t=7'}, {"Retry-After": "7"}])
def test_a_rate_limit_is_waited_for_and_said(
    face: huggingface_server.HuggingFace,
    place: Path,
    listed: Lister,
    headers: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    face.limited, face.rate_limit = 1, headers
    said: list[str] = []
    assert set(listed(source_of(model(face, place)), said.append).files) == set(FILES)
    assert waited == [8.0]
    assert "429" in said[0] and "in 7 s" in said[0]


def test_a_wait_has_a_bound() -> None:
    spec = {"source": "hub", "hub": "huggingface", "endpoint": "http://hub.example", "id": "a/b", "revision": "main"}
    assert web.pause(spec, 429, web.LONGEST_WAIT, 1, lambda _line: None) == web.LONGEST_WAIT + 1
    with pytest.raises(FetchError, match="THOR-HUB-LIMIT"):
        web.pause(spec, 429, web.LONGEST_WAIT + 1, 1, lambda _line: None)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "file", "path": "../x", "size": 1, "oid": "a" * 40},
        {"type": "file", "path": "x", "size": "1", "oid": "a" * 40},
        {"type": "file", "path": "x", "size": 1, "oid": "a" * 40, "lfs": {"oid": "short", "size": 1}},
        {"type": "file", "path": "x", "size": 1, "lfs": 7},
        7,
    ],
)
def test_an_unusable_listing_is_refused(face: huggingface_server.HuggingFace, place: Path, item: Any) -> None:
    at = source_of(model(face, place))
    with pytest.raises(FetchError, match="THOR-HUB-ANSWER"):
        huggingface.listing_of(at, {"sha": "a" * 40}, [item])
    with pytest.raises(FetchError, match="THOR-HUB-ANSWER"):
        huggingface.listing_of(at, {"sha": "main"}, [])


@pytest.mark.parametrize("kind", ["none", "broken"])
def test_a_client_that_does_not_work(
    face: huggingface_server.HuggingFace, place: Path, tmp_path: Path, kind: str
) -> None:
    client = tmp_path / "venv"
    if kind == "broken":
        (client / "bin").mkdir(parents=True)
        (client / "bin/python").write_text("#!/bin/sh\necho no module named huggingface_hub >&2\nexit 1\n")
        (client / "bin/python").chmod(0o755)
    at = source_of(model(face, place, client=str(client)))
    problem = problem_of(lambda at, say: huggingface_client.list_with_client(at, tmp_path, say), at)
    assert (problem["code"], problem["value"]) == ("THOR-HUB-CLIENT", str(client))


def test_an_endless_listing_does_not_take_all_memory(
    face: huggingface_server.HuggingFace, place: Path, listed: Lister, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = huggingface_client.CLIENT_CODE.replace("1 << 31", "1 << 28")
    monkeypatch.setattr(huggingface_client, "CLIENT_CODE", code)
    face.endless = "listing"
    assert problem_of(listed, source_of(model(face, place, retries=0)))["code"] == "THOR-HUB-ANSWER"
    assert face.poured < 4 << 28
