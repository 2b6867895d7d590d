# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Models in the lock: their hubs, commits, files and geometry."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import huggingface_server
import pytest
import tiny_folder
import yaml
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import artifact_of, with_geometry
from small_catalog import Hub, change, run, written


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
