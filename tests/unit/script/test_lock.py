# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""script/lock against a hub, a file server and a git repository on this machine."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.models import hub as listings
from small_catalog import FILE, PACKAGES, Hub, change, git, lock, run, written

ROOT = Path(__file__).resolve().parents[3]


def test_it_records_hub_file_and_tag(folder: Path, hub: Hub) -> None:
    assert run(folder, hub) == 0
    data = written(folder)
    sha256 = {
        path: hashlib.sha256(body).hexdigest()
        for path, body in {"config.json": b"{}", "model.gguf": b"weights"}.items()
    }
    assert data["models"]["model"] == {
        "hubs": {"modelscope": {"id": "Owner/Name", "revision": "master"}},
        "files": {
            "config.json": {"size": 2, "sha256": sha256["config.json"]},
            "model.gguf": {"size": 7, "sha256": sha256["model.gguf"]},
        },
    }
    assert data["files"]["template"] == {
        "url": f"{hub.url}/template.jinja",
        "bytes": len(FILE),
        "checksum": f"sha256:{hashlib.sha256(FILE).hexdigest()}",
        "origin": "script/lock",
    }
    assert data["images"]["boxed"]["25.10"] == {"image": "example.org/boxed:25.10", "digest": "unpinned"}
    assert {entry["commit"] for entry in data["sources"]["small"].values()} == {
        git(folder.parent / "repository", "rev-parse", "HEAD")
    }


def test_a_second_run_changes_nothing_and_keeps_other_records(folder: Path, hub: Hub) -> None:
    assert run(folder, hub) == 0
    data = written(folder)
    data["keys"] = {"vendor": {"fingerprint": "F" * 40}}
    data["images"]["boxed"]["25.10"]["digest"] = "sha256:" + "a" * 64
    (folder / "lock.yml").write_text(yaml.safe_dump(data))
    assert run(folder, hub) == 0
    assert written(folder) == data
    before = (folder / "lock.yml").read_bytes()
    assert run(folder, hub, "--check") == 0
    assert run(folder, hub, "--offline") == 0
    assert (folder / "lock.yml").read_bytes() == before


def test_check_prints_the_difference_and_writes_nothing(
    folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, hub) == 0
    before = (folder / "lock.yml").read_bytes()
    hub.list_model("Owner/Name", {"config.json": b"{}", "model.gguf": b"other weights"})
    assert run(folder, hub, "--check") == 1
    assert f"+        sha256: {hashlib.sha256(b'other weights').hexdigest()}" in capsys.readouterr().out
    assert (folder / "lock.yml").read_bytes() == before


def test_offline_uses_no_network_and_marks_unpinned_entries(folder: Path, hub: Hub) -> None:
    change(folder, "models", "model", unpinned="not listed")
    assert run(folder, hub, "--offline") == 0
    assert hub.cookies == []
    assert written(folder)["models"]["model"] == {
        "hubs": {"modelscope": {"id": "Owner/Name"}},
        "unpinned": "not listed",
    }
    assert written(folder)["files"]["template"] == {"url": f"{hub.url}/template.jinja", "unpinned": "nobody gives one"}


def test_offline_drops_entries_that_no_longer_fit_the_catalog(folder: Path, hub: Hub) -> None:
    assert run(folder, hub) == 0
    change(folder, "models", "model", include=["other.gguf"])
    assert run(folder, hub, "--offline") == 0
    assert "files" not in written(folder)["models"]["model"]


def test_the_token_goes_to_the_hub_only(folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "secret")
    assert run(folder, hub) == 0
    assert sorted({*hub.cookies}, key=str) == [None, "m_session_id=secret"]
    assert hub.cookies.count(None) == 1  # the plain file
    assert "secret" not in (folder / "lock.yml").read_text()


def test_unreadable_sources_are_named_and_leave_the_lock_unchanged(
    folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, hub) == 0
    before = (folder / "lock.yml").read_bytes()
    hub.listings.clear()
    hub.files.clear()
    assert run(folder, hub) == 2
    said = capsys.readouterr().err
    assert f'model model: THOR-MODEL-NOT-FOUND: id = "Owner/Name": {hub.url} has no model Owner/Name' in said
    assert f"file template: {hub.url}/template.jinja answered 404" in said
    assert (folder / "lock.yml").read_bytes() == before


@pytest.mark.parametrize(
    "answer",
    [
        {"Code": 500, "Message": "a fault"},
        {"Code": 200, "Data": None},
        [],
        {"Code": 200, "Data": {"Files": [{}]}},
        {"Code": 200, "Data": {}},
        {"Code": 200, "Data": {"Files": [{"Path": "a", "Type": "blob", "Size": float("inf"), "Sha256": "0" * 64}]}},
        {"Code": 200, "Data": {"Files": [{"Path": 7, "Type": "blob", "Size": 1, "Sha256": "0" * 64}]}},
    ],
)
def test_an_answer_that_is_not_a_listing(
    answer: Any, folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.listings["Owner/Name", "master"] = answer
    assert run(folder, hub) == 2
    assert "model model: THOR-HUB-ANSWER" in capsys.readouterr().err


def test_a_pattern_without_a_match_lists_the_existing_files(
    folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder, "models", "model", include=["model-Q9.gguf"])
    assert run(folder, hub) == 2
    said = capsys.readouterr().err
    assert "matches 'model-Q9.gguf'" in said
    assert "there is: config.json, model.gguf, other.gguf" in said


def test_a_revision_that_the_hub_lacks(folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    """Like modelscope.cn: success, and no files."""
    hub.listings["Owner/Name", "master"] = {"Code": 200, "Data": {"Files": None}, "Success": True}
    assert run(folder, hub) == 2
    assert "has no model Owner/Name at revision master" in capsys.readouterr().err


def test_endless_answers(
    folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "LISTING_BYTES", 100)
    assert run(folder, hub) == 2
    assert "a listing is smaller" in capsys.readouterr().err
    monkeypatch.undo()
    hub.files["/template.jinja"] = b"x" * 3_000_000
    assert run(folder, hub) == 2
    assert "twice what the catalog says" in capsys.readouterr().err


def test_a_file_cut_short_is_not_pinned(folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.cut = True
    assert run(folder, hub) == 2
    assert "file template" in capsys.readouterr().err
    assert not (folder / "lock.yml").exists()


def test_a_pinned_file_that_changed_is_refused(folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, hub) == 0
    hub.files["/template.jinja"] = b"changed"
    assert run(folder, hub) == 2
    assert f"{hashlib.sha256(FILE).hexdigest()} is pinned" in capsys.readouterr().err


def test_a_sha1_of_the_catalog_is_enforced_and_a_sha256_recorded(
    folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder, "models", "template", checksum=f"sha1:{hashlib.sha1(FILE).hexdigest()}", origin="a page")
    assert run(folder, hub, "--offline") == 0
    assert written(folder)["files"]["template"]["checksum"].startswith("sha1:")
    assert run(folder, hub) == 0
    assert written(folder)["files"]["template"]["checksum"] == f"sha256:{hashlib.sha256(FILE).hexdigest()}"
    change(folder, "models", "template", checksum="sha1:" + "0" * 40)
    assert run(folder, hub) == 2
    assert f"{'0' * 40} is pinned" in capsys.readouterr().err


def test_a_moved_or_missing_tag_is_refused(folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    repository = folder.parent / "repository"
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    git(repository, "tag", "-f", "-a", "v1.2", "-m", "moved")
    assert run(folder, hub) == 2
    assert "small 1.2: the tag v1.2" in capsys.readouterr().err
    git(repository, "tag", "-d", "v1.2")
    assert run(folder, hub) == 2
    assert "has no tag v1.2" in capsys.readouterr().err


def test_an_unreadable_catalog_causes_no_traceback(
    tmp_path: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, hub) == 2
    assert str(tmp_path) in capsys.readouterr().err


DIGEST = "sha256:" + "b" * 64


def test_a_reported_digest_is_written_and_nothing_else(
    folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, hub) == 0
    before = written(folder)
    hub.listings.clear()  # no network access
    assert run(folder, hub, "--check", "--digest", f"boxed:25.10={DIGEST}") == 1
    assert written(folder) == before
    assert run(folder, hub, "--digest", f"boxed:25.10={DIGEST}") == 0
    entry = {"image": "example.org/boxed:25.10", "digest": DIGEST, "origin": lock.REPORTED}
    assert written(folder) == {**before, "images": {"boxed": {"25.10": entry}}}
    assert f"+      digest: {DIGEST}" in capsys.readouterr().out
    # Later runs keep it, with its origin, but not a digest for another image of that version.
    assert run(folder, hub, "--offline") == 0
    assert written(folder)["images"]["boxed"]["25.10"] == entry
    change(folder, "engines", "boxed", versions={"25.10": {"image": "example.org/other:25.10"}})
    assert run(folder, hub, "--offline") == 0
    assert written(folder)["images"]["boxed"]["25.10"] == {"image": "example.org/other:25.10", "digest": "unpinned"}


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ("boxed:25.10=sha256:abc", "64 hexadecimal digits"),
        (f"boxed={DIGEST}", "engine:version"),
        (f"boxed:25.11={DIGEST}", "has no image of version 25.11; there is: 25.10"),
        (f"boxed:1.0={DIGEST}", "has no image of version 1.0"),
        (f"small:1.2={DIGEST}", "not an engine with images; there is: boxed"),
        (f"nosuch:1={DIGEST}", "not an engine with images"),
    ],
)
def test_an_invalid_digest_changes_nothing(
    report: str, reason: str, folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, hub) == 0
    before = (folder / "lock.yml").read_bytes()
    assert run(folder, hub, "--digest", report, "--digest", f"boxed:25.10={DIGEST}") == 2
    assert reason in capsys.readouterr().err
    assert (folder / "lock.yml").read_bytes() == before


def test_a_digest_that_contradicts_the_catalog(folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    change(folder, "engines", "boxed", versions={"25.10": {"image": "a:1", "digest": "sha256:" + "c" * 64}})
    assert run(folder, hub, "--digest", f"boxed:25.10={DIGEST}") == 2
    assert "engines.yml pins another digest" in capsys.readouterr().err


def test_the_lock_of_the_collection_is_what_the_script_writes() -> None:
    assert lock.main(["--offline", "--check"]) == 0


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        (
            "boxed-1.0-cp312-aarch64.txt",
            PACKAGES.replace("a" * 64, "a"),
            "line 7: 'boxed==1.0 --hash=sha256:a' has an invalid hash",
        ),
        (
            "boxed-1.0-cp312-aarch64.txt",
            PACKAGES.replace("3.12", "3.11"),
            "by its content this is boxed-1.0-cp311-aarch64.txt",
        ),
        ("boxed-1.0-cp312-aarch64.txt", PACKAGES.replace("==1.0", "==1.1"), "boxed 1.0 has no lock of boxed==1.0"),
        ("other.txt", "\xe4", "can't decode byte"),
    ],
)
def test_it_checks_the_locks_of_packages(
    folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str], name: str, text: str, reason: str
) -> None:
    (folder / "packages" / name).write_text(text, encoding="latin-1")
    assert run(folder, hub, "--check") == 2
    assert reason in capsys.readouterr().err
