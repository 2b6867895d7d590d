# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A model of the hub on disk: complete, adopted, repaired, upgraded."""

from __future__ import annotations

import os
import time
from pathlib import Path

import hub_server
from ansible_collections.jetson.thor.plugins.module_utils.models import fetch
from ansible_collections.jetson.thor.plugins.module_utils.models import model as models
from model_store import BIG, FILES, ID, Recorder, content, manifest, model, run, sha, staged


def test_a_model_arrives_complete_and_the_next_run_needs_no_network(hub: hub_server.Hub, place: Path) -> None:
    recorder = Recorder()
    result = fetch.run_job(model(hub, place), recorder)
    assert result["changed"] is True
    assert content(place) == FILES
    assert result["bytes"] == result["fetched_bytes"] == sum(len(data) for data in FILES.values())
    assert {item["path"]: (item["size"], item["sha256"]) for item in result["files"]} == {
        name: (len(data), sha(data)) for name, data in FILES.items()
    }
    assert "+" not in result["diff"]["before"]
    assert "model.gguf  3,000,000 bytes" in result["diff"]["after"]
    assert recorder.amounts[-1] == (result["bytes"], result["bytes"])
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


def test_the_manifest_has_what_the_observation_of_a_host_reads(hub: hub_server.Hub, place: Path) -> None:
    run(model(hub, place, include=["*.gguf", "config.json"]))
    data = manifest(place)
    assert (data["schema"], data["source"], data["hub"], data["id"]) == (1, "hub", "modelscope", ID)
    assert (data["revision"], data["commit"]) == ("master", None), "ModelScope does not say which commit a branch is at"
    assert data["include"] == ["*.gguf", "config.json"]
    found = (place / "model.gguf").stat()
    assert data["files"]["model.gguf"] == {
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "sha256": sha(BIG),
        "trusted": "hub",
    }


def test_patterns_match_files_in_folders(hub: hub_server.Hub, place: Path) -> None:
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


def test_files_that_somebody_put_there_are_not_fetched_again(hub: hub_server.Hub, place: Path) -> None:
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


def test_somebody_elses_different_file_is_kept_beside(hub: hub_server.Hub, place: Path) -> None:
    place.mkdir(parents=True)
    (place / "config.json").write_bytes(b'{"layers": 9}')
    (place / "empty").write_bytes(b"not so")
    result = run(model(hub, place))
    assert content(place) == FILES | {"config.json.thor-old": b'{"layers": 9}', "empty.thor-old": b"not so"}
    assert len([warning for warning in result["warnings"] if "kept as" in warning]) == 2
    assert run(model(hub, place))["changed"] is False


def test_a_touched_file_is_hashed_and_not_fetched(hub: hub_server.Hub, place: Path) -> None:
    run(model(hub, place))
    os.utime(place / "model.gguf")
    hub.forget()
    assert run(model(hub, place))["fetched_bytes"] == 0
    assert hub.transfers == []
    assert run(model(hub, place))["changed"] is False


def test_a_file_that_changed_on_disk_is_fetched_again(hub: hub_server.Hub, place: Path) -> None:
    run(model(hub, place))
    with (place / "model.gguf").open("r+b") as stream:
        stream.write(b"rotten")
    (place / "config.json").unlink()
    hub.forget()
    result = run(model(hub, place))
    assert result["changed"] is True
    assert content(place) == FILES
    assert {one.path for one in hub.transfers} == {"model.gguf", "config.json"}


def test_only_verify_checksums_detects_a_change_that_keeps_size_and_time(hub: hub_server.Hub, place: Path) -> None:
    run(model(hub, place))
    before = (place / "model.gguf").stat()
    with (place / "model.gguf").open("r+b") as stream:
        stream.write(b"rotten")
    os.utime(place / "model.gguf", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run(model(hub, place))["changed"] is False
    assert run(model(hub, place, verify_checksums=True))["changed"] is True
    assert content(place) == FILES
    assert run(model(hub, place, verify_checksums=True))["changed"] is False


def test_a_hub_that_states_no_hash_is_trusted_on_first_use(hub: hub_server.Hub, place: Path) -> None:
    hub.hide_sha256 = True
    run(model(hub, place))
    record = manifest(place)["files"]["model.gguf"]
    assert (record["sha256"], record["trusted"]) == (sha(BIG), "first use")
    hub.forget()
    run(model(hub, place, verify_checksums=True))
    assert hub.transfers == []


def test_check_mode_predicts_files_and_bytes_and_changes_nothing(hub: hub_server.Hub, place: Path) -> None:
    spec = model(hub, place, client="/nonexistent")
    assert fetch.settled(spec, check_mode=True) is None
    result = models.predict(spec)
    assert result["changed"] is True
    assert result["fetched_bytes"] == sum(len(data) for data in FILES.values())
    assert "sub/deep/tokenizer.txt  6 bytes" in result["diff"]["after"]
    assert "to fetch: 3,000,019 bytes in 4 of 4 files" in result["diff"]["after"]
    assert len(hub.requests) == 1
    assert not place.parents[1].exists()
    run(model(hub, place))
    os.utime(place / "model.gguf")
    assert models.predict(model(hub, place))["changed"] is True
    run(model(hub, place))
    assert models.predict(model(hub, place, verify_checksums=True))["changed"] is False
