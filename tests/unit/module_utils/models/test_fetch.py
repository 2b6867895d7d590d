# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The model store against a hub that speaks HTTP on loopback, with the real modelscope-hub as the mover of bytes."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hub_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils import jobs
from ansible_collections.jetson.thor.plugins.module_utils.models import download, fetch, listing, store
from ansible_collections.jetson.thor.plugins.module_utils.models import hub as fetch_hub
from ansible_collections.jetson.thor.plugins.module_utils.models.errors import FetchError
from ansible_collections.jetson.thor.plugins.module_utils.models.store import MANIFEST, Staging, lock_digest, slug

ID = "acme/small"
ROOT = Path(__file__).resolve().parents[4]
BIG = random.Random(1).randbytes(3_000_000)
FILES = {"config.json": b'{"layers": 2}', "model.gguf": BIG, "sub/deep/tokenizer.txt": b"a b c\n", "empty": b""}

# What a client may have received and not yet written when it is killed: the buffer of Python's file object.
BUFFER = 8192
JOB = """
import json, sys
from ansible_collections.jetson.thor.plugins.module_utils.models import fetch
class Quiet:
    def progress(self, *_args, **_more): pass
    def say(self, _line): pass
fetch.run_job(json.loads(sys.argv[1]), Quiet())
"""


class Told:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.amounts: list[tuple[float, float]] = []

    def progress(self, done: float, total: float, unit: str = "steps", text: str = "") -> None:
        """Keep an amount."""
        assert unit == "B"
        assert text
        self.amounts.append((done, total))

    def say(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[hub_server.Hub]:
    """A hub with one small model."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with hub_server.running() as hub:
        hub.put(ID, dict(FILES))
        yield hub


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the model belongs."""
    return tmp_path / "models" / "acme" / "small"


def model(hub: hub_server.Hub, place: Path, **changes: Any) -> dict[str, Any]:
    """The specification of the small model's job."""
    params: dict[str, Any] = {
        "id": ID,
        "revision": "master",
        "include": ["*"],
        "path": str(place),
        "endpoint": hub.url,
        "token": None,
        "sha256": {},
        "client": sys.prefix,
        "staging": None,
        "rehash": False,
        "retries": 1,
        "idle_timeout": 2,
        "timeout": 60,
    }
    return fetch.model_spec(params | changes)


def url(hub: hub_server.Hub, place: Path, **changes: Any) -> dict[str, Any]:
    """The specification of a URL's job."""
    params: dict[str, Any] = {
        "url": f"{hub.url}/t.jinja",
        "checksum": None,
        "path": str(place),
        "file": "t.jinja",
        "max_bytes": None,
        "staging": None,
        "rehash": False,
        "retries": 1,
        "idle_timeout": 2,
        "timeout": 60,
    }
    return fetch.url_spec(params | changes)


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """What the module and then the job do."""
    return fetch.settled(spec, check_mode=False) or fetch.run_job(spec, Told())


def fails(spec: dict[str, Any]) -> dict[str, Any]:
    """The problem of a job that has to fail."""
    with pytest.raises(jobs.JobFailed) as caught:
        fetch.run_job(spec, Told())
    problem: dict[str, Any] = caught.value.extra["problems"][0]
    assert str(caught.value).startswith(problem["code"])
    assert problem["remedy"]
    return problem


def content(place: Path) -> dict[str, bytes]:
    """All files of a directory but the manifest."""
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }


def manifest(place: Path) -> dict[str, Any]:
    """The directory's manifest."""
    data: dict[str, Any] = json.loads((place / MANIFEST).read_text())
    return data


def staged(place: Path) -> list[str]:
    """Files that lie in staging."""
    return sorted(path.name for path in place.parents[1].rglob("*") if ".thor" in path.parts and path.is_file())


def sha(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


# --- what is there ----------------------------------------------------------------------------------------------------


def test_a_model_arrives_whole_and_the_next_run_asks_nobody(hub: hub_server.Hub, place: Path) -> None:
    told = Told()
    result = fetch.run_job(model(hub, place), told)
    assert result["changed"] is True
    assert content(place) == FILES
    assert result["bytes"] == result["fetched_bytes"] == sum(len(data) for data in FILES.values())
    assert {item["path"]: (item["size"], item["sha256"]) for item in result["files"]} == {
        name: (len(data), sha(data)) for name, data in FILES.items()
    }
    assert "+" not in result["diff"]["before"]
    assert "model.gguf  3,000,000 bytes" in result["diff"]["after"]
    assert told.amounts[-1] == (result["bytes"], result["bytes"])
    assert staged(place) == []
    assert {(path.stat().st_mode & 0o777) for path in place.rglob("*") if path.is_file()} == {0o644}
    assert place.stat().st_mode & 0o777 == 0o755
    hub.forget()
    begin = time.monotonic()
    again = run(model(hub, place))
    assert time.monotonic() - begin < 0.1
    assert again["changed"] is False
    assert again["files"] == result["files"]
    assert hub.requests == []


def test_the_manifest_is_what_the_observation_of_a_host_reads(hub: hub_server.Hub, place: Path) -> None:
    run(model(hub, place, include=["*.gguf", "config.json"]))
    data = manifest(place)
    assert (data["schema"], data["source"], data["id"], data["revision"]) == (1, "modelscope", ID, "master")
    assert data["include"] == ["*.gguf", "config.json"]
    found = (place / "model.gguf").stat()
    assert data["files"]["model.gguf"] == {
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "sha256": sha(BIG),
        "trusted": "hub",
    }


def test_patterns_choose_files_in_folders_too(hub: hub_server.Hub, place: Path) -> None:
    run(model(hub, place, include=["sub/*"]))
    assert set(content(place)) == {"sub/deep/tokenizer.txt"}


def test_a_redirect_to_a_blob_is_followed(hub: hub_server.Hub, place: Path) -> None:
    hub.redirect = True
    run(model(hub, place))
    assert content(place) == FILES


def test_several_sets_of_files_share_a_directory(hub: hub_server.Hub, place: Path) -> None:
    run(model(hub, place, include=["model.gguf"]))
    hub.forget()
    result = run(model(hub, place, include=["config.json"]))
    assert set(content(place)) == {"model.gguf", "config.json"}
    assert manifest(place)["include"] == ["config.json", "model.gguf"]
    assert hub.fetched("model.gguf") == 0
    assert result["fetched_bytes"] == len(FILES["config.json"])
    assert run(model(hub, place, include=["model.gguf"]))["changed"] is False


def test_a_branch_that_moved_is_left_alone_until_something_is_missing(hub: hub_server.Hub, place: Path) -> None:
    run(model(hub, place, include=["config.json"]))
    hub.put(ID, FILES | {"config.json": b'{"layers": 3}'})
    assert run(model(hub, place, include=["config.json"]))["changed"] is False
    result = run(model(hub, place))
    assert content(place)["config.json"] == b'{"layers": 3}'
    assert any("has changed on the hub" in warning and "config.json" in warning for warning in result["warnings"])


def test_another_revision_swaps_what_differs_and_drops_what_it_lacks(hub: hub_server.Hub, place: Path) -> None:
    run(model(hub, place))
    (place / "notes.txt").write_text("mine")
    (place / "mine").mkdir()
    (place / "mine" / "link").symlink_to("../notes.txt")
    hub.put(ID, {"config.json": b"{}", "model.gguf": BIG}, "v2")
    hub.forget()
    result = run(model(hub, place, revision="v2"))
    assert content(place) == {"config.json": b"{}", "model.gguf": BIG, "notes.txt": b"mine", "mine/link": b"mine"}
    assert (place / "mine" / "link").is_symlink()
    assert not (place / "sub").exists()
    assert hub.fetched("model.gguf") == 0
    assert result["fetched_bytes"] == 2
    assert "sub/deep/tokenizer.txt" in result["diff"]["before"]
    assert "sub/deep/tokenizer.txt" not in result["diff"]["after"]


def test_what_a_person_brought_by_hand_is_not_fetched_again(hub: hub_server.Hub, place: Path) -> None:
    place.mkdir(parents=True)
    (place / "model.gguf").write_bytes(BIG)
    inode = (place / "model.gguf").stat().st_ino
    result = run(model(hub, place))
    assert (result["changed"], hub.fetched("model.gguf")) == (True, 0)
    assert (place / "model.gguf").stat().st_ino == inode
    assert content(place) == FILES


def test_a_complete_directory_without_a_manifest_gets_one_and_nothing_else(hub: hub_server.Hub, place: Path) -> None:
    for name, data in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    inode = place.stat().st_ino
    result = run(model(hub, place, client="/nonexistent"))
    assert (result["changed"], result["fetched_bytes"]) == (True, 0)
    assert place.stat().st_ino == inode
    assert run(model(hub, place))["changed"] is False


def test_a_different_file_of_a_person_is_kept_beside(hub: hub_server.Hub, place: Path) -> None:
    place.mkdir(parents=True)
    (place / "config.json").write_bytes(b'{"layers": 9}')
    (place / "empty").write_bytes(b"not so")
    result = run(model(hub, place))
    assert content(place) == FILES | {"config.json.thor-old": b'{"layers": 9}', "empty.thor-old": b"not so"}
    assert len([warning for warning in result["warnings"] if "kept as" in warning]) == 2
    assert run(model(hub, place))["changed"] is False


def test_a_file_that_was_only_touched_is_hashed_and_not_fetched(hub: hub_server.Hub, place: Path) -> None:
    run(model(hub, place))
    os.utime(place / "model.gguf")
    hub.forget()
    assert run(model(hub, place))["fetched_bytes"] == 0
    assert hub.transfers == []
    assert run(model(hub, place))["changed"] is False


def test_a_file_that_changed_on_disk_comes_again(hub: hub_server.Hub, place: Path) -> None:
    run(model(hub, place))
    with (place / "model.gguf").open("r+b") as stream:
        stream.write(b"rotten")
    (place / "config.json").unlink()
    hub.forget()
    result = run(model(hub, place))
    assert result["changed"] is True
    assert content(place) == FILES
    assert {one.path for one in hub.transfers} == {"model.gguf", "config.json"}


def test_only_a_rehash_finds_what_changed_without_a_trace(hub: hub_server.Hub, place: Path) -> None:
    run(model(hub, place))
    before = (place / "model.gguf").stat()
    with (place / "model.gguf").open("r+b") as stream:
        stream.write(b"rotten")
    os.utime(place / "model.gguf", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run(model(hub, place))["changed"] is False
    assert run(model(hub, place, rehash=True))["changed"] is True
    assert content(place) == FILES
    assert run(model(hub, place, rehash=True))["changed"] is False


def test_a_hub_that_tells_no_hash_is_trusted_on_first_use(hub: hub_server.Hub, place: Path) -> None:
    hub.hide_sha256 = True
    run(model(hub, place))
    record = manifest(place)["files"]["model.gguf"]
    assert (record["sha256"], record["trusted"]) == (sha(BIG), "first use")
    hub.forget()
    run(model(hub, place, rehash=True))
    assert hub.transfers == []


# --- the lock ---------------------------------------------------------------------------------------------------------


def test_a_lock_that_the_hub_contradicts_is_refused_before_anything_comes(hub: hub_server.Hub, place: Path) -> None:
    problem = fails(model(hub, place, sha256={"model.gguf": "0" * 64}))
    assert problem["code"] == "THOR-LOCK-MISMATCH"
    assert sha(BIG) in problem["reason"]
    assert hub.transfers == []
    assert fails(model(hub, place, sha256={"gone.gguf": "0" * 64}))["code"] == "THOR-LOCK-MISMATCH"


def test_a_lock_holds_where_the_hub_tells_no_hash(hub: hub_server.Hub, place: Path) -> None:
    hub.hide_sha256 = True
    assert fails(model(hub, place, sha256={"model.gguf": "0" * 64}))["code"] == "THOR-CHECKSUM"
    assert not place.exists()
    run(model(hub, place, sha256={"model.gguf": sha(BIG)}))
    assert manifest(place)["files"]["model.gguf"]["trusted"] == "lock"


def test_a_new_lock_over_the_same_files_is_noted_without_network(hub: hub_server.Hub, place: Path) -> None:
    run(model(hub, place))
    hub.forget()
    lock = {"model.gguf": sha(BIG)}
    assert run(model(hub, place, sha256=lock))["changed"] is False
    assert manifest(place)["lock"] == lock_digest(lock)
    assert hub.requests == []
    hub.put(ID, FILES | {"config.json": b"{}"})
    assert run(model(hub, place, sha256={"config.json": sha(b"{}")}))["changed"] is True
    assert content(place)["config.json"] == b"{}"


# --- check mode -------------------------------------------------------------------------------------------------------


def test_check_mode_tells_files_and_bytes_and_touches_nothing(hub: hub_server.Hub, place: Path) -> None:
    spec = model(hub, place, client="/nonexistent")
    assert fetch.settled(spec, check_mode=True) is None
    result = fetch.foresee(spec)
    assert result["changed"] is True
    assert result["fetched_bytes"] == sum(len(data) for data in FILES.values())
    assert "sub/deep/tokenizer.txt  6 bytes" in result["diff"]["after"]
    assert "to fetch: 3,000,019 bytes in 4 of 4 files" in result["diff"]["after"]
    assert len(hub.requests) == 1
    assert not place.parents[1].exists()
    run(model(hub, place))
    os.utime(place / "model.gguf")
    assert fetch.foresee(model(hub, place))["changed"] is True
    run(model(hub, place))
    assert fetch.foresee(model(hub, place, rehash=True))["changed"] is False


def test_check_mode_of_a_url(hub: hub_server.Hub, place: Path) -> None:
    hub.files["/t.jinja"] = b"{{ x }}"
    result = fetch.foresee(url(hub, place))
    assert (result["changed"], result["fetched_bytes"]) == (True, 7)
    assert "to fetch: 7 bytes" in result["diff"]["after"]
    assert not place.exists()


# --- refusals ---------------------------------------------------------------------------------------------------------


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
        ({"listing_status": 429, "retry_after": "86400"}, "THOR-HUB-ANSWER"),
        ({"silent": True}, "THOR-HUB-UNREACHABLE"),
        ({"file_status": 500}, "THOR-HUB-ANSWER"),
        ({"file_status": 404}, "THOR-MODEL-NOT-FOUND"),
        ({"file_status": 403}, "THOR-MODEL-DENIED"),
        ({"corrupt": {"model.gguf"}}, "THOR-CHECKSUM"),
    ],
)
def test_a_hub_that_fails_is_named_and_nothing_is_left_under_the_final_name(
    hub: hub_server.Hub, place: Path, fault: dict[str, Any], code: str
) -> None:
    good = {key: getattr(hub, key) for key in fault}
    vars(hub).update(fault)
    problem = fails(model(hub, place, retries=0))
    assert problem["code"] == code
    assert not place.exists()
    vars(hub).update(good)
    hub.resume.set()
    run(model(hub, place))
    assert content(place) == FILES
    assert staged(place) == []


def test_a_checksum_error_names_the_file_and_both_hashes(hub: hub_server.Hub, place: Path) -> None:
    hub.corrupt = {"model.gguf"}
    problem = fails(model(hub, place, retries=0))
    wrong = sha(BIG[:-1] + bytes([BIG[-1] ^ 1]))
    assert (problem["variable"], problem["value"]) == ("file", "model.gguf")
    assert sha(BIG) in problem["reason"]
    assert wrong[:16] in problem["reason"]


def test_an_address_where_nobody_listens(hub: hub_server.Hub, place: Path) -> None:
    problem = fails(model(hub, place, endpoint="http://127.0.0.1:9", retries=0))
    assert (problem["code"], problem["value"]) == ("THOR-HUB-UNREACHABLE", "http://127.0.0.1:9")


@pytest.mark.parametrize("changes", [{"id": "acme/none"}, {"revision": "v9"}])
def test_an_unknown_model_or_revision(hub: hub_server.Hub, place: Path, changes: dict[str, str]) -> None:
    problem = fails(model(hub, place, **changes))
    assert problem["code"] == "THOR-MODEL-NOT-FOUND"
    assert not place.exists()
    assert all(value in problem["reason"] for value in changes.values())


def test_what_modelscope_says_of_an_unknown_revision(hub: hub_server.Hub, place: Path) -> None:
    """The recorded answer itself: HTTP 200, success, and no files."""
    nothing = b'{"Files":null,"IsVisual":0,"LatestCommitter":null}'
    hub.listing_body = b'{"Code":200,"Data":%b,"Message":"success","RequestId":"x","Success":true}' % nothing
    problem = fails(model(hub, place, revision="v9.9"))
    assert problem["code"] == "THOR-MODEL-NOT-FOUND" and "v9.9" in problem["reason"]


def test_a_listing_without_an_end_is_not_read_to_it(hub: hub_server.Hub, place: Path) -> None:
    hub.endless = "listing"
    problem = fails(model(hub, place, retries=3))
    assert problem["code"] == "THOR-HUB-ANSWER" and "more than" in problem["reason"]
    assert len(hub.requests) == 1, "not again"
    assert hub.poured < 2 * fetch_hub.LISTING_BYTES + (8 << 20)


def test_a_file_without_an_end_stops_at_its_size(hub: hub_server.Hub, place: Path) -> None:
    """modelscope-hub 0.5.1 counts by itself (_download_with_resume); a later one has to."""
    hub.endless = "files"
    problem = fails(model(hub, place, retries=0, include=["config.json"]))
    assert problem["code"] == "THOR-CHECKSUM" and problem["value"] == "config.json"
    assert hub.poured < 20_000_000, "what the sockets hold, and no more"
    assert sum(path.stat().st_size for path in place.parents[1].rglob("config.json*")) <= len(FILES["config.json"])


def test_an_error_without_an_end_takes_no_memory(
    hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_hub, "CLIENT_CODE", fetch_hub.CLIENT_CODE.replace("1 << 31", "1 << 28"))
    hub.endless = "errors"
    problem = fails(model(hub, place, retries=0, include=["config.json"]))
    assert problem["code"] == "THOR-HUB-ANSWER"
    assert hub.poured < 4 << 28


def test_a_client_that_fails_for_its_own_reason_is_not_taken_for_the_line(
    hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = fetch_hub.CLIENT_CODE.replace("        api.download_file(", "        {}['nosuch']; api.download_file(")
    monkeypatch.setattr(fetch_hub, "CLIENT_CODE", broken)
    problem = fails(model(hub, place, retries=0))
    assert problem["code"] == "THOR-HUB-CLIENT" and "KeyError: 'nosuch'" in problem["reason"]


def test_an_answer_that_drips_is_given_up(hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_hub, "LISTING_SECONDS", -1.0)
    assert fails(model(hub, place, retries=0))["code"] == "THOR-HUB-UNREACHABLE"


def test_a_listing_that_was_cut_is_asked_for_again(
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
    assert set(fetch_hub.list_files(model(hub, place))) == set(FILES)


BAD_LISTINGS: dict[str, list[dict[str, Any]]] = {
    "a file and a folder": [{"Path": "a", "Size": 1}, {"Path": "a/b", "Size": 1}],
    "twice": [{"Path": "a", "Size": 1}, {"Path": "a", "Size": 2}],
    "newline": [{"Path": "a\nb", "Size": 1}],
    "escape": [{"Path": "a\x1b[31m", "Size": 1}],
    "turned round": [{"Path": "a\u202egpj.exe", "Size": 1}],
    "half of a pair": [{"Path": "a\ud800", "Size": 1}],
    "absolute": [{"Path": "/etc/passwd", "Size": 1}],
    "upwards": [{"Path": "a/../../b", "Size": 1}],
    "here": [{"Path": "./a", "Size": 1}],
    "backslash": [{"Path": "a\\..\\b", "Size": 1}],
    "no name": [{"Path": "", "Size": 1}],
    "no path": [{"Size": 1}],
    "deep": [{"Path": "/".join("d" * 40), "Size": 1}],
    "long name": [{"Path": "n" * 250, "Size": 1}],
    "long path": [{"Path": "/".join(["n" * 100] * 20), "Size": 1}],
    "negative": [{"Path": "a", "Size": -1}],
    "truth": [{"Path": "a", "Size": True}],
    "fraction": [{"Path": "a", "Size": 1.5}],
    "no size": [{"Path": "a"}],
    "huge": [{"Path": "a", "Size": 1 << 60}],
    "huge together": [{"Path": f"a{number}", "Size": 1 << 43} for number in range(3)],
    "a number for a hash": [{"Path": "a", "Size": 1, "Sha256": 5}],
    "a short hash": [{"Path": "a", "Size": 1, "Sha256": "ab"}],
    "a name of ours on the way": [{"Path": "a", "Size": 1}, {"Path": "a.incomplete", "Size": 1}],
    "the manifest on its way": [{"Path": f"{MANIFEST}.incomplete", "Size": 1}],
}


@pytest.mark.parametrize("entries", BAD_LISTINGS.values(), ids=BAD_LISTINGS)
def test_a_listing_is_checked_whole_before_anything_comes(
    entries: list[dict[str, Any]], hub: hub_server.Hub, place: Path
) -> None:
    good = [{"Path": "config.json", "Type": "blob", "Size": 2}]
    files = good + [{"Type": "blob", **entry} for entry in entries]
    hub.listing_body = json.dumps({"Code": 200, "Success": True, "Data": {"Files": files}}).encode()
    # What is asked for is in order: what is not asked for need not be fetched, and is refused all the same.
    problem = fails(model(hub, place, include=["config.json"]))
    assert problem["code"] == "THOR-HUB-ANSWER"
    assert problem["reason"].isprintable(), "nobody's terminal is told what to do"
    assert len(hub.requests) == 1 and hub.transfers == []


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
def test_whatever_a_hub_answers_ends_in_a_code(body: bytes, hub: hub_server.Hub, place: Path) -> None:
    hub.listing_body = body
    hub.listing_status = 200 if body else 204
    assert fails(model(hub, place, retries=0))["code"] == "THOR-HUB-ANSWER"


BROKEN = b"no number\r\nx"


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (404, BROKEN, "THOR-MODEL-NOT-FOUND"),
        (403, BROKEN, "THOR-MODEL-DENIED"),
        (500, BROKEN, "THOR-HUB-ANSWER"),
        (500, b"1\r\nx\r\n" * 100, "THOR-HUB-ANSWER"),  # drips
    ],
)
def test_the_status_of_an_error_counts_whatever_becomes_of_its_body(
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
    assert fails(model(hub, place, retries=0, idle_timeout=1))["code"] == code


@pytest.mark.parametrize("length", ["9" * 5000, "\u00b2", "-1", "many"])
def test_a_length_that_is_no_number_is_none(
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


def test_a_port_that_no_machine_has(hub: hub_server.Hub, place: Path) -> None:
    problem = fails(url(hub, place, url="http://127.0.0.1:99999999999999999999/t.jinja", retries=0))
    assert problem["code"] == "THOR-HUB-UNREACHABLE"


def test_too_many_files(hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_FILES", 3)
    assert "more than 3 files" in fails(model(hub, place))["reason"]


def test_folders_that_lead_round_in_a_circle(hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_hub, "LISTING_LIMIT", 2)
    asked: list[str] = []

    def page(_spec: Any, root: str, recursive: bool) -> list[dict[str, Any]]:
        asked.append(root)
        below = f"{root}/d".lstrip("/")
        return [{"Path": below, "Type": "tree"}] * (2 if recursive else 1)

    monkeypatch.setattr(fetch_hub, "_list_page", page)
    assert fails(model(hub, place))["code"] == "THOR-HUB-ANSWER"
    assert len(asked) < 100
    monkeypatch.setattr(
        fetch_hub,
        "_list_page",
        lambda _spec, _root, recursive: [{"Path": "d", "Type": "tree"}] * (2 if recursive else 1),
    )
    assert "holds the folder" in fails(model(hub, place))["reason"]


def test_a_certificate_is_not_asked_for_again(
    hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL's words, as Python hands them on."""
    said = "certificate verify failed: certificate is not yet valid (_ssl.c:1016)"
    asked: list[str] = []

    def refuse(_spec: Any, url: str, _headers: Any) -> Any:
        asked.append(url)
        raise urllib.error.URLError(ssl.SSLCertVerificationError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] {said}"))

    monkeypatch.setattr(fetch_hub, "open_url", refuse)
    monkeypatch.setattr(download, "open_url", refuse)
    for spec in (model(hub, place, retries=5), url(hub, place.parent, retries=5)):
        problem = fails(spec)
        assert problem["code"] == "THOR-CLOCK-WRONG" and "timedatectl" in problem["remedy"]
    assert len(asked) == 2
    said = "certificate verify failed: self-signed certificate in certificate chain (_ssl.c:1016)"
    problem = fails(model(hub, place, retries=5))
    assert problem["code"] == "THOR-HUB-UNREACHABLE" and "update-ca-certificates" in problem["remedy"]
    assert len(asked) == 3


def test_a_file_that_the_model_lacks_brings_the_nearest_name(hub: hub_server.Hub, place: Path) -> None:
    problem = fails(model(hub, place, include=["model.guf", "*.json"]))
    assert problem["code"] == "THOR-MODEL-EMPTY"
    assert "model.gguf" in problem["remedy"]
    assert fails(model(hub, place, include=["*.bin"]))["code"] == "THOR-MODEL-EMPTY"
    result = run(model(hub, place, include=["*.bin", "*.json"]))
    assert any("*.bin" in warning for warning in result["warnings"])


@pytest.mark.parametrize(
    "client", ["/nonexistent", "/usr"], ids=["no environment", "an environment without modelscope-hub"]
)
def test_a_client_that_does_not_work(hub: hub_server.Hub, place: Path, tmp_path: Path, client: str) -> None:
    if client == "/usr":
        (tmp_path / "venv/bin").mkdir(parents=True)
        (tmp_path / "venv/bin/python").write_text("#!/bin/sh\necho no module named modelscope_hub >&2\nexit 1\n")
        (tmp_path / "venv/bin/python").chmod(0o755)
        client = str(tmp_path / "venv")
    problem = fails(model(hub, place, client=client))
    assert (problem["code"], problem["value"]) == ("THOR-HUB-CLIENT", client)


@pytest.mark.parametrize(
    "changes", [{"id": "x"}, {"id": "../x"}, {"path": "x"}, {"path": "/"}, {"include": []}, {"sha256": {"x": "1"}}]
)
def test_arguments_that_cannot_be_meant(hub: hub_server.Hub, place: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(FetchError) as caught:
        model(hub, place, **changes)
    assert caught.value.problem.code == "THOR-FETCH-ARGUMENT"


def test_a_file_where_the_directory_belongs(hub: hub_server.Hub, place: Path) -> None:
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    assert fails(model(hub, place))["code"] == "THOR-STORE-PATH"
    assert place.read_text() == "mine"


def test_a_directory_of_urls_takes_no_model(hub: hub_server.Hub, place: Path) -> None:
    hub.files["/t.jinja"] = b"x"
    run(url(hub, place))
    assert fails(model(hub, place))["code"] == "THOR-STORE-PATH"


def test_two_at_the_same_place(hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 20))
    spec = model(hub, place)
    with Staging(spec, place):
        monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
        problem = fails(spec)
    assert problem["code"] == "THOR-STORE-BUSY"


def test_the_token_goes_to_the_hub_and_nowhere_else(hub: hub_server.Hub, place: Path) -> None:
    told = Told()
    hub.file_status = 500
    with pytest.raises(jobs.JobFailed) as caught:
        fetch.run_job(model(hub, place, token="s3cret", retries=0), told)
    assert "m_session_id=s3cret" in hub.cookies
    assert "s3cret" not in f"{caught.value} {caught.value.extra} {told.lines}"
    assert all("s3cret" not in path.read_text() for path in place.parents[1].rglob("*") if path.is_file())
    hub.file_status = 200
    result = fetch.run_job(model(hub, place, token="s3cret"), told)
    assert "s3cret" not in f"{result} {told.lines} {(place / MANIFEST).read_text()}"


def test_a_listing_that_the_hub_cuts_off_is_asked_for_folder_by_folder(
    hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {f"d{number % 3}/f{number}": b"x" for number in range(12)}
    asked: list[tuple[str, bool]] = []

    def page(_spec: Any, root: str, recursive: bool) -> list[dict[str, Any]]:
        asked.append((root, recursive))
        trees = [{"Path": f"d{number}", "Type": "tree"} for number in range(3)] if not root else []
        blobs = [{"Path": name, "Type": "blob", "Size": 1} for name in many if name.startswith(root)]
        return (trees + (blobs if recursive else []))[:10]

    monkeypatch.setattr(fetch_hub, "LISTING_LIMIT", 10)
    monkeypatch.setattr(fetch_hub, "_list_page", page)
    assert set(fetch_hub.list_files(model(hub, place))) == set(many)
    assert asked == [("", True), ("", False), ("d0", True), ("d1", True), ("d2", True)]


# --- plain URLs -------------------------------------------------------------------------------------------------------


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


def test_a_url_without_a_checksum_is_trusted_once_and_then_held(hub: hub_server.Hub, place: Path) -> None:
    hub.files["/t.jinja"] = b"one"
    result = run(url(hub, place))
    assert result["sha256"] == sha(b"one")
    assert "script/lock" in result["warnings"][0]
    hub.files["/t.jinja"] = b"two"
    assert run(url(hub, place))["changed"] is False
    assert run(url(hub, place, checksum=f"sha256:{sha(b'two')}"))["changed"] is True
    assert (place / "t.jinja").read_bytes() == b"two"
    assert not list(place.glob("*.thor-old"))


@pytest.mark.parametrize("checksum", [None, "sha256:" + "0" * 64])
def test_a_url_without_an_end_is_not_read_to_it(
    hub: hub_server.Hub, place: Path, checksum: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.endless = "files"
    hub.files["/t.jinja"] = b"x" * 415
    problem = fails(url(hub, place, checksum=checksum, max_bytes=415, retries=3))
    assert problem["code"] == "THOR-HUB-ANSWER" and "415" in problem["reason"]
    assert len(hub.requests) == 1 and hub.poured < 20_000_000, "what the sockets hold, and no more"
    assert sum(path.stat().st_size for path in place.parents[1].rglob("*.incomplete")) <= 415
    monkeypatch.setattr(download, "UNSAID_BYTES", 1_000_000)
    assert "1,000,000" in fails(url(hub, place, checksum=checksum))["reason"], "where nobody has told a size"


def test_a_url_that_announces_too_much_is_refused_before_anything_comes(hub: hub_server.Hub, place: Path) -> None:
    hub.files["/t.jinja"] = BIG
    problem = fails(url(hub, place, max_bytes=415))
    assert problem["code"] == "THOR-HUB-ANSWER" and "3,000,000" in problem["reason"] and "415" in problem["reason"]
    assert not list(place.parents[1].rglob("*.incomplete"))
    assert run(url(hub, place, max_bytes=3_000_000))["bytes"] == 3_000_000
    with pytest.raises(FetchError):
        url(hub, place, max_bytes=-1)


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


def test_a_persons_file_in_the_way_of_a_url_is_kept(hub: hub_server.Hub, place: Path) -> None:
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
    assert fails(spec)["code"] == code
    assert not (place / "t.jinja").exists()
    vars(hub).update(good)
    run(spec)
    assert (place / "t.jinja").read_bytes() == BIG


@pytest.mark.parametrize(("etag", "pinned"), [(True, False), (False, True)])
def test_a_url_that_is_cut_off_goes_on(
    hub: hub_server.Hub, place: Path, etag: bool, pinned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    hub.files["/t.jinja"] = BIG
    hub.etag, hub.cut_after = etag, 400_000
    run(url(hub, place, checksum=f"sha256:{sha(BIG)}" if pinned else None))
    assert (place / "t.jinja").read_bytes() == BIG
    assert hub.fetched("/t.jinja") == len(BIG)


@pytest.mark.parametrize("fault", [{"etag": False}, {"ranges": False}], ids=["nothing to know it by", "no ranges"])
def test_a_url_that_cannot_go_on_starts_over_and_ends(
    hub: hub_server.Hub, place: Path, fault: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    hub.files["/t.jinja"] = BIG
    vars(hub).update(fault)
    hub.cut_after = 1_000_000
    assert fails(url(hub, place))["code"] == "THOR-TRANSFER-CUT"
    assert hub.fetched("/t.jinja") == 3_000_000
    hub.cut_after = None
    run(url(hub, place))
    assert (place / "t.jinja").read_bytes() == BIG


def test_a_url_that_changed_meanwhile_starts_over(hub: hub_server.Hub, place: Path) -> None:
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


def test_names_of_jobs_are_names_of_units() -> None:
    assert slug("Qwen/Qwen3-8B-GGUF") == "qwen-qwen3-8b-gguf"
    spec = {"source": "modelscope", "id": "Qwen/Qwen2.5-VL-7B-Instruct-AWQ"}
    assert fetch.job_name(spec) == "fetch-qwen-qwen2.5-vl-7b-instruct-awq"


# --- kills, cuts, full disks ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def in_a_process(spec: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """The job in a process of its own, killed when the block ends."""
    with subprocess.Popen([sys.executable, "-c", JOB, json.dumps(spec)], cwd=ROOT / "collections") as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("position", [1, 100_000, 1_500_000, len(BIG) - 1])
def test_a_kill_at_any_byte_costs_no_byte(hub: hub_server.Hub, place: Path, position: int) -> None:
    hub.hold = {"model.gguf": position}
    with in_a_process(model(hub, place, idle_timeout=30)):
        assert hub.held.wait(30)
        wait_for(lambda: arrived(place, "model.gguf") >= position - BUFFER)
        wait_for(lambda: len(journal(place).get("verified", {})) == len(FILES) - 1)
        assert not place.exists()
    assert hub.fetched("model.gguf") == position
    assert not place.exists()
    hub.hold = {}
    hub.resume.set()
    hub.forget()
    result = run(model(hub, place))
    assert content(place) == FILES
    assert hub.fetched("model.gguf") <= len(BIG) - position + BUFFER
    assert all(one.path == "model.gguf" for one in hub.transfers), "what was verified is not fetched again"
    assert result["fetched_bytes"] <= len(BIG) - position + BUFFER
    assert staged(place) == []


def test_what_was_verified_before_a_kill_is_not_hashed_again(
    hub: hub_server.Hub,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.put(ID, {"a.bin": BIG, "model.gguf": BIG[::-1]})
    hub.hold = {"model.gguf": 1_000_000}
    with in_a_process(model(hub, place, idle_timeout=30)):
        assert hub.held.wait(30)
        wait_for(lambda: "a.bin" in journal(place).get("verified", {}))
    hub.resume.set()
    hub.forget()
    hashed: list[str] = []

    def hash_file(path: Path, *_rest: Any) -> str:
        hashed.append(path.name)
        return sha(path.read_bytes())

    for module in (fetch, fetch_hub):
        monkeypatch.setattr(module, "hash_file", hash_file)
    run(model(hub, place))
    assert hashed == []
    assert {one.path for one in hub.transfers} == {"model.gguf"}
    assert (place / "a.bin").read_bytes() == BIG


def test_the_client_dies_with_its_job(hub: hub_server.Hub, place: Path) -> None:
    hub.hold = {"model.gguf": 1000}
    with in_a_process(model(hub, place, idle_timeout=30)) as process:
        assert hub.held.wait(30)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert children
    wait_for(lambda: not any(is_alive(int(child)) for child in children))


def test_what_served_still_serves_while_an_upgrade_is_under_way_and_killed(
    hub: hub_server.Hub,
    place: Path,
) -> None:
    run(model(hub, place))
    hub.put(ID, {"config.json": b"{}", "model.gguf": BIG[::-1]}, "v2")
    hub.hold = {"model.gguf": 2_000_000}
    with in_a_process(model(hub, place, revision="v2", idle_timeout=30)):
        assert hub.held.wait(30)
        assert content(place) == FILES
    assert content(place) == FILES
    assert run(model(hub, place))["changed"] is False, "who goes back to the old revision finds it"
    hub.resume.set()
    hub.hold = {}
    run(model(hub, place, revision="v2"))
    assert content(place) == {"config.json": b"{}", "model.gguf": BIG[::-1]}


def test_nobody_ever_sees_half_a_model(hub: hub_server.Hub, place: Path) -> None:
    first = {"config.json": b"1", "model.gguf": BIG}
    second = {"config.json": b"2", "model.gguf": BIG[::-1]}
    hub.put(ID, first)
    hub.put(ID, second, "v2")
    ended, upgrading = threading.Event(), threading.Event()
    seen: dict[bool, set[tuple[bool, tuple[str, ...]]]] = {False: set(), True: set()}

    def look() -> None:
        while not ended.is_set():
            # Of the time at which the look began: the upgrade may begin before it ends.
            into = seen[upgrading.is_set()]
            try:
                names = tuple(sorted(path.name for path in os.scandir(place)))
                sizes = {name: (place / name).stat().st_size for name in names}
            except FileNotFoundError:
                into.add((False, ()))
            else:
                into.add((sizes.get("model.gguf") == len(BIG), names))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        run(model(hub, place))
        upgrading.set()
        run(model(hub, place, revision="v2"))
    finally:
        ended.set()
        watcher.join()
    whole = (True, (".thor-manifest.json", "config.json", "model.gguf"))
    assert seen[False] <= {(False, ()), whole}
    assert seen[True] == {whole}
    assert content(place) == second


def test_a_line_that_is_cut_again_and_again_is_borne_while_bytes_come(hub: hub_server.Hub, place: Path) -> None:
    hub.cut_after = 400_000
    told = Told()
    fetch.run_job(model(hub, place), told)
    assert content(place) == FILES
    assert hub.fetched("model.gguf") == len(BIG)
    assert any("cut" in line for line in told.lines), "more cuts than the client bears in one go"


def test_a_line_that_brings_nothing_more_is_given_up_and_the_next_run_goes_on(
    hub: hub_server.Hub,
    place: Path,
) -> None:
    hub.hold = {"model.gguf": 1_000_000}
    problem = fails(model(hub, place, idle_timeout=1, retries=0))
    assert problem["code"] == "THOR-TRANSFER-CUT"
    assert "model.gguf" in problem["reason"]
    hub.hold = {}
    hub.resume.set()
    hub.forget()
    run(model(hub, place))
    assert hub.fetched("model.gguf") <= len(BIG) - 1_000_000 + BUFFER


def test_a_url_survives_a_kill(hub: hub_server.Hub, place: Path) -> None:
    hub.files["/t.jinja"] = BIG
    hub.hold = {"/t.jinja": 1_200_000}
    spec = url(hub, place, checksum=f"sha256:{sha(BIG)}", idle_timeout=30)
    with in_a_process(spec):
        assert hub.held.wait(30)
        wait_for(lambda: arrived(place, "t.jinja") >= 1_200_000 - BUFFER)
        assert not place.exists()
    hub.hold = {}
    hub.resume.set()
    hub.forget()
    run(spec)
    assert (place / "t.jinja").read_bytes() == BIG
    assert hub.fetched("/t.jinja") <= len(BIG) - 1_200_000 + BUFFER


def test_a_disk_that_cannot_hold_it_is_refused_before_anything_comes(
    hub: hub_server.Hub,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**9, 10**9, 1_000_000))
    problem = fails(model(hub, place))
    assert problem["code"] == "THOR-DISK-FULL"
    assert "3,000,019" in problem["reason"]
    assert "1,000,000" in problem["reason"]
    assert hub.transfers == []
    hub.files["/t.jinja"] = BIG
    assert fails(url(hub, place))["code"] == "THOR-DISK-FULL"


@pytest.mark.parametrize("kind", ["model", "url"])
def test_a_disk_that_fills_up_under_way(hub: hub_server.Hub, tmp_path: Path, kind: str) -> None:
    hub.files["/t.jinja"] = BIG
    with small_disk(tmp_path / "disk", 2_000_000) as limit:
        place = tmp_path / "disk" / "models" / "acme" / "small"
        spec = model(hub, place, retries=0) if kind == "model" else url(hub, place, retries=0)
        problem = full(spec, limit)
        assert problem["code"] == "THOR-DISK-FULL"
        assert problem["value"] == str(place)
        assert not place.exists()


@contextlib.contextmanager
def small_disk(path: Path, size: int) -> Iterator[int]:
    """A file system of ``size`` bytes (ENOSPC); where none may be mounted, the limit to set for a file (EFBIG)."""
    path.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    mounted = libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, f"size={size}".encode()) == 0
    try:
        yield -1 if mounted else size
    finally:
        if mounted:
            libc.umount2(os.fsencode(path), 2)  # MNT_DETACH


def full(spec: dict[str, Any], limit: int) -> dict[str, Any]:
    """The problem of a job that runs out of space; the check beforehand does not see it coming."""
    code = """
import json, resource, shutil, signal, sys
from ansible_collections.jetson.thor.plugins.module_utils import jobs
from ansible_collections.jetson.thor.plugins.module_utils.models import fetch
class Quiet:
    def progress(self, *_args, **_more): pass
    def say(self, _line): pass
shutil.disk_usage = lambda path: shutil._ntuple_diskusage(10**12, 0, 10**12)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    fetch.run_job(json.loads(sys.argv[1]), Quiet())
except jobs.JobFailed as error:
    print(json.dumps(error.extra["problems"][0]))
"""
    command = [sys.executable, "-c", code, json.dumps(spec), str(limit)]
    done = subprocess.run(command, cwd=ROOT / "collections", capture_output=True, text=True, check=True)
    problem: dict[str, Any] = json.loads(done.stdout)
    return problem


def test_a_file_system_without_an_exchange_of_names(
    hub: hub_server.Hub,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "_exchange", lambda _one, _other: False)
    run(model(hub, place))
    hub.put(ID, {"config.json": b"{}"}, "v2")
    run(model(hub, place, revision="v2"))
    assert content(place) == {"config.json": b"{}"}
    assert staged(place) == []


def test_a_kill_between_two_renames_is_undone(
    hub: hub_server.Hub,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(stage: store.Staging, target: Path) -> Path:
        target.rename(stage.root / "old")
        raise KeyboardInterrupt

    run(model(hub, place))
    hub.put(ID, {"config.json": b"{}"}, "v2")
    with monkeypatch.context() as patch:
        patch.setattr(store, "_exchange", lambda _one, _other: False)
        patch.setattr(store, "_rename_twice", killed)
        with pytest.raises(KeyboardInterrupt):
            run(model(hub, place, revision="v2"))
    assert not place.exists()
    hub.listing_status = 500
    fails(model(hub, place, revision="v2", retries=0))
    assert content(place) == FILES


def test_a_kill_right_after_the_rename_leaves_nothing_behind(
    hub: hub_server.Hub,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(_self: store.Staging) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store.Staging, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            run(model(hub, place))
    assert content(place) == FILES
    assert staged(place) != []
    assert run(model(hub, place))["changed"] is False
    assert staged(place) == []


def test_a_file_system_that_refuses(hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    place.mkdir(parents=True)
    (place / "mine").write_text("mine")
    monkeypatch.setattr(os, "link", refuse)
    assert fails(model(hub, place))["code"] == "THOR-STORE-WRITE"
    assert content(place) == {"mine": b"mine"}


def arrived(place: Path, name: str) -> int:
    """Bytes of a file that lie in staging."""
    partial = list(place.parents[1].rglob(f".thor/**/{name}.incomplete"))
    return partial[0].stat().st_size if partial else 0


def journal(place: Path) -> dict[str, Any]:
    """The journal in staging."""
    found = list((place.parents[1] / ".thor").rglob("journal.json"))
    data: dict[str, Any] = json.loads(found[0].read_text()) if found else {}
    return data


def is_alive(pid: int) -> bool:
    """Whether a process runs, zombies not counted."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_error_told_is_that_of_the_first_file_whichever_fails_first(
    hub: hub_server.Hub, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A client that tells what the real one does, the last file first.
    client = """
import json, sys
for item in reversed(json.load(sys.stdin)["files"]):
    print(json.dumps({"path": item["path"], "kinds": ["ApiError"], "message": "no", "status": 404, "errno": None}))
print(json.dumps({"end": True}))
"""
    monkeypatch.setattr(fetch_hub, "CLIENT_CODE", client)
    with pytest.raises(jobs.JobFailed, match=r"has no file config\.json"):
        run(model(hub, place))
