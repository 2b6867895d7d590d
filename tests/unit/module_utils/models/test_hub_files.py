# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Files of a model from a Hugging Face hub: complete or absent, resumed at the byte, whatever the hub does meanwhile."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import huggingface_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models import fetch, web
from ansible_collections.jetson.thor.plugins.module_utils.models import model as models
from model_store import (
    BIG,
    BUFFER,
    FILES,
    ID,
    Recorder,
    arrived,
    content,
    in_process,
    is_alive,
    manifest,
    model,
    problem_of,
    run,
    run_out_of_space,
    sha,
    small_disk,
    staged,
    wait_for,
)

SIZE = sum(len(data) for data in FILES.values())


def test_a_model_arrives_complete_and_the_next_run_needs_no_network(
    face: huggingface_server.HuggingFace, place: Path
) -> None:
    recorder = Recorder()
    result = fetch.run_job(model(face, place), recorder)
    assert (result["changed"], result["bytes"], result["fetched_bytes"]) == (True, SIZE, SIZE)
    assert content(place) == FILES
    assert {item["path"]: item["sha256"] for item in result["files"]} == {
        name: sha(data) for name, data in FILES.items()
    }
    assert {item["trusted"] for item in result["files"]} == {"hub"}
    assert recorder.amounts[-1] == (SIZE, SIZE)
    assert staged(place) == []
    assert {(path.stat().st_mode & 0o777) for path in place.rglob("*") if path.is_file()} == {0o644}
    data = manifest(place)
    commit = face.repositories[ID].branches["main"]
    assert [data[key] for key in ("source", "hub", "id", "revision", "commit")] == [
        "hub",
        "huggingface",
        ID,
        "main",
        commit,
    ]
    assert data["files"]["config.json"]["blob"] == huggingface_server.blob_id(FILES["config.json"])
    face.forget()
    again = run(model(face, place))
    assert (again["changed"], again["files"], again["commit"]) == (False, result["files"], commit)
    assert face.requests == []


def test_check_mode_predicts_the_bytes_needs_no_client_and_changes_nothing(
    face: huggingface_server.HuggingFace, place: Path
) -> None:
    spec = model(face, place, client="/nonexistent")
    result = models.predict(spec)
    assert (result["changed"], result["fetched_bytes"]) == (True, SIZE)
    assert f"to fetch: {SIZE:,} bytes in 4 of 4 files" in result["diff"]["after"]
    assert len(face.requests) == 2
    assert not place.parents[1].exists()
    run(model(face, place))
    assert models.predict(spec)["changed"] is False


def test_include_and_exclude(face: huggingface_server.HuggingFace, place: Path) -> None:
    run(model(face, place, include=["*"], exclude=["*.gguf", "sub/*"]))
    assert set(content(place)) == {"config.json", "empty"}
    face.forget()
    assert run(model(face, place, exclude=["*.gguf", "sub/*", "x"]))["changed"] is False
    assert face.requests == []
    run(model(face, place, exclude=["sub/*"]))
    assert set(content(place)) == {"config.json", "empty", "model.gguf"}, "no longer excluded"
    assert manifest(place)["exclude"] == ["sub/*"]


def test_the_token_goes_to_the_hub_only(
    face: huggingface_server.HuggingFace, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of-somebodys-shell")
    face.repositories[ID].private = True
    face.repositories[ID].readers = {"hf_reader"}
    recorder = Recorder()
    result = fetch.run_job(model(face, place, token="hf_reader"), recorder)
    assert content(place) == FILES
    host = face.storage.removeprefix("http://")
    to_storage = {token for what, token in face.seen if what.startswith(host)}
    to_hub = {token for what, token in face.seen if not what.startswith(host)}
    assert (to_storage, to_hub) == ({None}, {"Bearer hf_reader"})
    assert "hf_reader" not in str(result) + str(recorder.lines) + str(manifest(place))
    assert "s3cr3t" not in str(recorder.lines), "nor the signature of an address"


def test_a_redirect_within_the_hub_keeps_the_token(face: huggingface_server.HuggingFace, place: Path) -> None:
    face.relative = True
    face.repositories[ID].private = True
    face.repositories[ID].readers = {"hf_reader"}
    run(model(face, place, token="hf_reader"))
    assert content(place) == FILES
    assert sum("resolve-cache" in what for what, _token in face.seen) == len(FILES) - 1, (
        "the empty one needs no request"
    )


def test_the_clients_command_line_and_environment_hold_no_token(
    face: huggingface_server.HuggingFace, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of-somebodys-shell")
    python = tmp_path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(
        f'#!/bin/sh\ncat /proc/$$/cmdline /proc/$$/environ >"{tmp_path}/seen"\nexec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    run(model(face, place, token="hf_reader", client=str(tmp_path / "venv")))
    assert content(place) == FILES
    seen = (tmp_path / "seen").read_bytes()
    assert b"HF_HUB_DISABLE_IMPLICIT_TOKEN=1" in seen
    assert b"hf_reader" not in seen and b"hf_of-somebodys-shell" not in seen


def test_a_killed_download_resumes_at_the_byte(face: huggingface_server.HuggingFace, place: Path) -> None:
    face.hold = {"model.gguf": 1_200_000}
    with in_process(model(face, place, idle_timeout=30)) as process:
        assert face.held.wait(30)
        wait_for(lambda: arrived(place, "model.gguf") >= 1_200_000 - BUFFER)
        assert not place.exists()
    wait_for(lambda: not is_alive(process.pid))
    face.hold = {}
    face.resume.set()
    face.forget()
    run(model(face, place))
    assert content(place) == FILES
    assert face.fetched("model.gguf") <= len(BIG) - 1_200_000 + BUFFER
    assert face.fetched("config.json") == 0, "verified before the kill"


def test_a_broken_connection_is_continued(
    face: huggingface_server.HuggingFace, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "pause", lambda *_what: 0.0)
    face.cut_after = 700_000
    run(model(face, place))
    assert content(place) == FILES
    assert face.fetched("model.gguf") == len(BIG)


def test_what_arrived_whole_before_a_kill_is_hashed_and_not_fetched(
    face: huggingface_server.HuggingFace, place: Path
) -> None:
    face.hold = {"model.gguf": len(BIG) - 1}
    with in_process(model(face, place, idle_timeout=30)):
        assert face.held.wait(30)
        wait_for(lambda: arrived(place, "model.gguf") >= len(BIG) - BUFFER)
    partial = next(place.parents[1].rglob("model.gguf.incomplete"))
    partial.write_bytes(BIG)
    face.resume.set()
    face.forget()
    run(model(face, place))
    assert content(place) == FILES and face.fetched("model.gguf") == 0


def test_a_wrong_prefix_is_noticed(face: huggingface_server.HuggingFace, place: Path) -> None:
    face.hold = {"model.gguf": 1_000_000}
    with in_process(model(face, place, idle_timeout=30)):
        assert face.held.wait(30)
        wait_for(lambda: arrived(place, "model.gguf") >= 1_000_000 - BUFFER)
    partial = next(place.parents[1].rglob("model.gguf.incomplete"))
    partial.write_bytes(b"x" * partial.stat().st_size)
    face.resume.set()
    run(model(face, place))
    assert content(place) == FILES


def test_a_branch_that_moves_during_the_fetch_changes_nothing(
    face: huggingface_server.HuggingFace, place: Path
) -> None:
    first = face.repositories[ID].branches["main"]
    face.move = {"config.json": b"{}", "other.gguf": BIG[::-1]}
    result = run(model(face, place))
    assert face.repositories[ID].branches["main"] != first
    assert (content(place), result["commit"]) == (FILES, first)


@pytest.mark.parametrize(
    ("fault", "code", "value"),
    [
        ({"corrupt": {"model.gguf"}}, "THOR-CHECKSUM", "model.gguf"),
        ({"corrupt": {"config.json"}}, "THOR-CHECKSUM", "config.json"),
        ({"pointers": {"model.gguf"}}, "THOR-LFS-POINTER", "model.gguf"),
        ({"gone": {"config.json"}}, "THOR-MODEL-NOT-FOUND", ID),
        ({"file_status": 500}, "THOR-HUB-ANSWER", None),
        ({"file_status": 429}, "THOR-HUB-LIMIT", None),
        ({"endless": "files"}, "THOR-CHECKSUM", None),
    ],
)
def test_a_failing_hub_is_reported_and_nothing_gets_its_final_name(
    face: huggingface_server.HuggingFace, place: Path, fault: dict[str, Any], code: str, value: str | None
) -> None:
    good = {key: getattr(face, key) for key in fault}
    vars(face).update(fault)
    problem = problem_of(model(face, place, retries=0))
    assert problem["code"] == code
    assert value in (None, problem["value"])
    assert not place.exists()
    assert face.poured < 20_000_000
    vars(face).update(good)
    run(model(face, place))
    assert content(place) == FILES
    assert staged(place) == []


def test_a_pointer_that_somebody_committed_is_refused(face: huggingface_server.HuggingFace, place: Path) -> None:
    face.push(ID, {"model.gguf": huggingface_server.pointer(BIG)})
    problem = problem_of(model(face, place))
    assert (problem["code"], problem["value"]) == ("THOR-LFS-POINTER", "model.gguf")
    assert "without git-lfs" in problem["reason"]


def test_a_rate_limit_of_the_files_is_waited_for(face: huggingface_server.HuggingFace, place: Path) -> None:
    recorder = Recorder()
    face.rate_limit = {"RateLimit": '"resolvers";r=0;t=1'}
    spec = model(face, place, include=["config.json"])
    normal = huggingface_server.Handler.resolve
    asked: list[float] = []

    def once(self: huggingface_server.Handler, *what: Any) -> None:
        asked.append(time.monotonic())
        if len(asked) == 1:
            self.answer(429, b"{}", face.rate_limit)
        else:
            normal(self, *what)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(huggingface_server.Handler, "resolve", once)
        fetch.run_job(spec, recorder)
    assert asked[1] - asked[0] >= 2
    assert any("429" in line and "in 1 s" in line for line in recorder.lines)


def test_a_signed_address_that_has_run_out_is_asked_for_again(
    face: huggingface_server.HuggingFace, place: Path
) -> None:
    face.expired = 1
    run(model(face, place))
    assert content(place) == FILES


def test_another_commit_swaps_what_differs_and_fetches_no_equal_file(
    face: huggingface_server.HuggingFace, place: Path
) -> None:
    run(model(face, place))
    face.push(ID, {"config.json": b"{}", "model.gguf": BIG, "empty": b""}, "v2")
    face.forget()
    result = run(model(face, place, revision="v2"))
    assert content(place) == {"config.json": b"{}", "model.gguf": BIG, "empty": b""}
    assert result["fetched_bytes"] == 2
    assert {one.path for one in face.transfers} == {"config.json"}


def test_files_that_somebody_put_there_are_compared_by_sha256_and_by_blob(
    face: huggingface_server.HuggingFace, place: Path
) -> None:
    place.mkdir(parents=True)
    (place / "model.gguf").write_bytes(BIG)
    (place / "config.json").write_bytes(FILES["config.json"])
    (place / "empty").write_bytes(b"no")
    face.forget()
    run(model(face, place))
    assert content(place) == FILES | {"empty.thor-old": b"no"}
    assert {one.path for one in face.transfers} <= {"sub/deep/tokenizer.txt", "empty"}


def test_checksums_are_verified_with_either_hash(face: huggingface_server.HuggingFace, place: Path) -> None:
    run(model(face, place))
    for name in ("config.json", "model.gguf"):
        before = (place / name).stat()
        (place / name).write_bytes(b"?" * before.st_size)
        os.utime(place / name, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run(model(face, place))["changed"] is False
    assert run(model(face, place, verify_checksums=True))["changed"] is True
    assert content(place) == FILES
    assert run(model(face, place, verify_checksums=True))["changed"] is False


def test_a_disk_that_fills_up_during_the_transfer(face: huggingface_server.HuggingFace, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2_000_000) as limit:
        place = tmp_path / "disk" / "models" / "acme" / "small"
        problem = run_out_of_space(model(face, place, retries=0), limit)
        assert (problem["code"], problem["value"]) == ("THOR-DISK-FULL", str(place))
        assert not place.exists()


def test_a_file_that_fails_ends_the_others(face: huggingface_server.HuggingFace, place: Path) -> None:
    """The slow one would take minutes, and one that waits for a rate limit as well."""
    face.push(ID, {"a.gguf": BIG, "b.gguf": BIG[::-1]})
    face.corrupt = {"a.gguf"}
    normal = huggingface_server.Handler.file

    def slowly(self: huggingface_server.Handler, name: str, *rest: Any) -> None:
        if name == "b.gguf":
            self.answer(429, b"{}", {"Retry-After": "60"})
        else:
            normal(self, name, *rest)

    begin = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(huggingface_server.Handler, "file", slowly)
        assert problem_of(model(face, place))["code"] == "THOR-CHECKSUM"
    assert time.monotonic() - begin < 20


def test_a_lock_with_another_hash_is_refused(face: huggingface_server.HuggingFace, place: Path) -> None:
    problem = problem_of(model(face, place, sha256={"model.gguf": "0" * 64}))
    assert problem["code"] == "THOR-LOCK-MISMATCH"
    problem = problem_of(model(face, place, sha256={"config.json": "0" * 64}))
    assert problem["code"] == "THOR-CHECKSUM", "the hub states no sha256 of it: its content tells"
