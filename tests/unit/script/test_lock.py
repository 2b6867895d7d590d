# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""script/lock against a hub, a file server and a git repository on this machine."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import huggingface_server
import pytest
import scripts
import tiny_folder
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.models import hub as listings
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import artifact_of, with_geometry

ROOT = Path(__file__).resolve().parents[3]
FILE = b"{{ messages }}" * 1000


lock = scripts.load("lock")
PACKAGES = f"""\
# requirement: boxed==1.0
# python: 3.12
# machine: aarch64
# glibc: 2.39
# packages: 1
# bytes: 10
boxed==1.0 --hash=sha256:{"a" * 64}
"""


class Hub(ThreadingHTTPServer):
    """Listings by (id, revision), files by path; ``cut`` ends a file early, ``cookies`` are those that clients sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.listings: dict[tuple[str, str], Any] = {}
        self.files: dict[str, bytes] = {}
        self.cut = False
        self.cookies: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def list_model(self, model: str, files: dict[str, bytes], revision: str = "master") -> None:
        blobs = [
            {"Path": path, "Type": "blob", "Size": len(body), "Sha256": hashlib.sha256(body).hexdigest()}
            for path, body in files.items()
        ]
        self.listings[model, revision] = {"Code": 200, "Data": {"Files": [*blobs, {"Path": "sub", "Type": "tree"}]}}


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.cookies.append(self.headers["Cookie"])
        body = self.server.files.get(parts.path)
        if parts.path.startswith("/api/v1/models/") and parts.path.endswith("/repo/files"):
            model = parts.path.removeprefix("/api/v1/models/").removesuffix("/repo/files")
            listing = self.server.listings.get((model, parse_qs(parts.query)["Revision"][0]))
            body = None if listing is None else json.dumps(listing).encode()
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:-1] if self.server.cut else body)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def git(folder: Path, *arguments: str) -> str:
    identity = [
        "-c",
        "user.name=T",
        "-c",
        "user.email=t@example.org",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "tag.gpgsign=false",
    ]
    run = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return run.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path, hub: Hub) -> Path:
    """A small catalog whose engine, model and file all exist."""
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "-q")
    git(repository, "commit", "-q", "--allow-empty", "-m", "one")
    git(repository, "tag", "-a", "v1.2", "-m", "1.2")
    commit = git(repository, "rev-parse", "HEAD")
    hub.list_model("Owner/Name", {"config.json": b"{}", "model.gguf": b"weights", "other.gguf": b"x"})
    hub.files["/template.jinja"] = FILE
    engines = {
        "small": {
            "source": {"git": repository.as_uri()},
            "versions": {
                "1.2": {"commit": commit, "origin": "its tag"},
                commit[:7]: {"commit": commit, "origin": "the repository"},
            },
        },
        "boxed": {
            "versions": {
                "25.10": {"image": "example.org/boxed:25.10", "digest": "unpinned"},
                "1.0": {"packages": "boxed==1.0"},
            },
        },
    }
    models = {
        "model": {"modelscope": "Owner/Name", "include": ["*.json", "model.gguf"]},
        "template": {
            "url": f"{hub.url}/template.jinja",
            "checksum": None,
            "bytes": 40,
            "unpinned": "nobody gives one",
        },
    }
    catalog = tmp_path / "catalog"
    (catalog / "packages").mkdir(parents=True)
    (catalog / "packages" / "boxed-1.0-cp312-aarch64.txt").write_text(PACKAGES)
    (catalog / "engines.yml").write_text(yaml.safe_dump({"engines": engines}))
    (catalog / "models.yml").write_text(yaml.safe_dump({"models": models}))
    return catalog


def change(folder: Path, name: str, key: str, **values: Any) -> None:
    path = folder / f"{name}.yml"
    data = yaml.safe_load(path.read_text())
    data[name][key].update(values)
    path.write_text(yaml.safe_dump(data))


def run(folder: Path, hub: Hub, *more: str) -> int:
    status: int = lock.main(["--catalog", str(folder), "--endpoint", hub.url, "--timeout", "10", *more])
    return status


def written(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((folder / "lock.yml").read_text())
    return data


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


def test_a_model_on_hugging_face_is_pinned_to_its_commit(
    folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    weights = b"w" * 20_000
    with huggingface_server.running() as face:
        monkeypatch.setenv("HF_ENDPOINT", face.url)
        commit = face.push("Owner/Name", {"config.json": b"{}", "model.gguf": weights, "other.gguf": weights})
        change(folder, "models", "model", modelscope=None, huggingface="Owner/Name")
        assert run(folder, hub) == 0
        entry = written(folder)["models"]["model"]
        assert entry == {
            "hubs": {"huggingface": {"id": "Owner/Name", "branch": "main", "revision": commit}},
            "files": {
                "config.json": {"size": 2, "blob": huggingface_server.blob_id(b"{}")},
                "model.gguf": {"size": 20_000, "sha256": hashlib.sha256(weights).hexdigest()},
            },
        }
        face.requests.clear()
        assert run(folder, hub, "--offline", "--check") == 0 and face.requests == []
        change(folder, "models", "model", revision="v2")
        assert run(folder, hub) == 2 and "THOR-MODEL-REVISION" in capsys.readouterr().err
        assert run(folder, hub, "--offline") == 0 and "unpinned" in written(folder)["models"]["model"]
        change(folder, "models", "model", revision="main")
        face.repositories["Owner/Name"].gated = "auto"
        assert run(folder, hub) == 0
        assert "it is gated" in written(folder)["models"]["model"]["unpinned"]


def test_a_model_on_both_hubs_is_locked_with_both(
    folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Small files have no hash in common on the two hubs, so they are read; what differs is said and has no pin."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    weights, code = b"w" * 20_000, b"print(1)"
    hub.list_model(
        "Mirror/Name", {"config.json": b"{}", "model.gguf": weights, "run.py": code, "a.md": b"its own", "b.md": b"x"}
    )
    with huggingface_server.running() as face:
        monkeypatch.setenv("HF_ENDPOINT", face.url)
        files = {"config.json": b"{}", "model.gguf": weights, "run.py": b"print(2)", "a.md": b"another"}
        commit = face.push("Owner/Name", files)
        change(folder, "models", "model", modelscope="Mirror/Name", huggingface="Owner/Name", include=["*"])
        assert run(folder, hub) == 0
        said = capsys.readouterr().err
        assert "run.py is not the same on its hubs: huggingface (8 bytes, sha256 " in said
        assert "a.md is not the same" in said and "b.md is not the same on its hubs: modelscope (1 bytes" in said
        assert "config.json" not in said and "model.gguf" not in said
        entry = written(folder)["models"]["model"]
        assert entry["hubs"] == {
            "huggingface": {"id": "Owner/Name", "branch": "main", "revision": commit},
            "modelscope": {"id": "Mirror/Name", "revision": "master"},
        }

        def listed(body: bytes) -> dict[str, Any]:
            return {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}

        assert entry["files"] == {
            "config.json": listed(b"{}"),
            "model.gguf": listed(weights),
            "run.py": {"differs": {"huggingface": listed(b"print(2)"), "modelscope": listed(code)}},
            "a.md": {"differs": {"huggingface": listed(b"another"), "modelscope": listed(b"its own")}},
            "b.md": {"differs": {"modelscope": listed(b"x")}},
        }
        assert not any("model.gguf" in one for one in face.requests), "weights are not read"
        assert run(folder, hub, "--check") == 0 and run(folder, hub, "--offline", "--check") == 0
        # The catalog reads what was written.
        model = yaml.safe_load((folder / "models.yml").read_text())["models"]["model"]
        artifact: Any = artifact_of("model", model, written(folder), ("modelscope", "huggingface"))
        assert [(one.hub, one.revision) for one in artifact.sources] == [
            ("modelscope", "master"),
            ("huggingface", commit),
        ]
        assert artifact.sha256.keys() == {"config.json", "model.gguf", "run.py"}
        assert artifact.sha256["run.py"] == hashlib.sha256(code).hexdigest()
        # A file that is not what the hub lists is never pinned.
        face.pointers.add("config.json")
        assert run(folder, hub) == 2
        assert "config.json on" in capsys.readouterr().err


def test_a_model_that_is_gated_on_one_hub_is_locked_with_the_other(
    folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with huggingface_server.running() as face:
        monkeypatch.setenv("HF_ENDPOINT", face.url)
        face.push("Owner/Name", {"config.json": b"{}", "model.gguf": b"weights"})
        face.repositories["Owner/Name"].gated = "auto"
        change(folder, "models", "model", huggingface="Owner/Name")
        assert run(folder, hub) == 0
    entry = written(folder)["models"]["model"]
    assert "it is gated" in entry["hubs"]["huggingface"]["unpinned"]
    assert entry["hubs"]["modelscope"] == {"id": "Owner/Name", "revision": "master"}
    assert entry["files"].keys() == {"config.json", "model.gguf"}
    assert run(folder, hub, "--offline", "--check") == 0


def test_the_geometry_of_a_model_is_read_where_the_catalog_has_none(
    folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with huggingface_server.running() as face:
        monkeypatch.setenv("HF_ENDPOINT", face.url)
        face.push("Owner/Name", tiny_folder.FOLDER)
        change(folder, "models", "model", modelscope=None, huggingface="Owner/Name", include=["*"], file=None)
        assert run(folder, hub) == 0
        entry = written(folder)["models"]["model"]
        assert (entry["geometry"]["layers"], entry["geometry"]["attention"][0]["kv_heads"]) == (36, 8)
        read = sum(one.sent for one in face.transfers)
        assert run(folder, hub, "--offline", "--check") == 0
        assert sum(one.sent for one in face.transfers) == read < 2_000_000
        model = {"huggingface": "Owner/Name"}
        new = tiny_folder.FOLDER["config.json"].replace(b"Qwen3ForCausalLM", b"NewForCausalLM")
        assert new != tiny_folder.FOLDER["config.json"]
        face.push("Owner/New", {**tiny_folder.FOLDER, "config.json": new})
        assert with_geometry("model", model, written(folder))["geometry"] == entry["geometry"]
        assert with_geometry("model", {"huggingface": "another/one"}, written(folder)) == {"huggingface": "another/one"}
        assert with_geometry("model", {**model, "geometry": {"layers": 1}}, written(folder))["geometry"] == {
            "layers": 1
        }
        change(folder, "models", "model", geometry={"layers": 1})
        assert run(folder, hub) == 0
        assert "geometry" not in written(folder)["models"]["model"]
        change(folder, "models", "model", geometry=None, huggingface="Owner/New")
        assert run(folder, hub) == 0
        assert "geometry" not in written(folder)["models"]["model"], "an upper bound is nothing to record"


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
