# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Looks at models before they are fetched: few requests, few bytes, and the same About as from disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hub_server
import huggingface_server
import model_store
import pytest
import tiny_gguf
from ansible_collections.jetson.thor.plugins.module_utils.models import about, errors, kept_about, safetensors, web
from ansible_collections.jetson.thor.plugins.module_utils.models.look import look
from ansible_collections.jetson.thor.plugins.module_utils.observe import models
from tiny_folder import CONFIG, FOLDER, weights

ID = "acme/small"


@pytest.fixture
def face() -> Iterator[huggingface_server.HuggingFace]:
    """A Hugging Face hub."""
    with huggingface_server.running() as found:
        yield found


@pytest.fixture
def scope() -> Iterator[hub_server.Hub]:
    """A ModelScope hub."""
    with hub_server.running() as found:
        yield found


def settings(face: hub_server.Hub | None = None, scope: hub_server.Hub | None = None, **more: Any) -> dict[str, Any]:
    """How the hubs are reached."""
    hubs = {
        hub: {"endpoint": server.url if server else "http://127.0.0.1:9", "token": None}
        for hub, server in (("huggingface", face), ("modelscope", scope))
    }
    return {"hubs": hubs, "retries": 0, "idle_timeout": 5, **more}


def model(hub: str = "huggingface", **more: Any) -> dict[str, Any]:
    """What model_look gets."""
    source = {"hub": hub, "id": ID, "revision": {"huggingface": "main", "modelscope": "master"}[hub]}
    base = {"key": "mine", "source": "hub", "sources": [source], "include": ["*"], "exclude": [], "path": "/models/x"}
    return {**base, "file": None, "projector": None, "url": None, "whole": True, **more}


def large() -> dict[str, bytes]:
    """A repository of 60 files, as those of the largest models: 40 parts, a long index, everything that is read."""
    parts = {f"model-{number:05}-of-00040.safetensors": weights(20_000) for number in range(1, 41)}
    index: dict[str, dict[str, Any]] = {
        "metadata": {"total_size": 1},
        "weight_map": {f"layer.{name}.weight": name for name in parts},
    }
    index["weight_map"] |= {
        f"model.layers.{number}.mlp.experts.weight_scale": next(iter(parts)) for number in range(9000)
    }
    others = {f"docs/{number}.md": b"x" * 100_000 for number in range(12)}
    extra = {"1_Pooling/config.json": b'{"pooling_mode_lasttoken": true}', "preprocessor_config.json": b"{}"}
    extra |= {
        "hf_quant_config.json": b"{}",
        "tokenizer.json": b"t" * 5_000_000,
        safetensors.INDEX: json.dumps(index).encode(),
    }
    plain = {name: content for name, content in FOLDER.items() if name != "model.safetensors"}
    quantized = {**CONFIG, "quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}}
    plain["config.json"] = json.dumps(quantized).encode()
    return {**plain, **parts, **others, **extra}


def from_disk(folder: Path, files: Mapping[str, bytes], file: str | None = None, whole: bool = True) -> dict[str, Any]:
    """What the same files say on disk."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    sizes = {name: len(content) for name, content in files.items()}
    return about.about_of(about.on_disk(folder, sizes), file, whole).to_facts()


def sent(hub: hub_server.Hub) -> int:
    """Bytes of files that a hub has sent."""
    return sum(one.sent for one in hub.transfers)


def test_a_repository_of_60_files_costs_ten_requests_and_two_megabytes(
    face: huggingface_server.HuggingFace, tmp_path: Path
) -> None:
    files = large()
    assert len(files) == 60
    commit = face.push(ID, files)
    found = look(model(), settings(face))
    assert len(face.requests) <= 10
    assert sent(face) <= 2_000_000
    assert not any("consolidated" in path or "tokenizer.json" in path for path in face.requests)
    assert found["about"] == from_disk(tmp_path, files)
    assert (found["hub"], found["commit"], found["files"]) == ("huggingface", commit, 60)
    assert found["bytes"] == sum(map(len, files.values()))
    assert found["about"]["weights_bytes"] == 40 * 20_000


def test_modelscope_says_the_same(scope: hub_server.Hub, tmp_path: Path) -> None:
    files = large()
    scope.put(ID, files)
    found = look(model("modelscope"), settings(scope=scope))
    assert found["about"] == from_disk(tmp_path, files)
    assert found["commit"] is None
    assert len(scope.requests) <= 10
    assert sent(scope) <= 2_000_000


@pytest.mark.parametrize(("whole", "requests", "most"), [(False, 4, 1_000_000), (True, 9, 32_000_000)])
@pytest.mark.parametrize("hub", ["huggingface", "modelscope"])
def test_a_gguf_file_costs_a_megabyte_or_its_header(
    face: huggingface_server.HuggingFace,
    scope: hub_server.Hub,
    tmp_path: Path,
    hub: str,
    whole: bool,
    requests: int,
    most: int,
) -> None:
    tokens = [f"word-{index:010}" for index in range(262_144)]
    content = tiny_gguf.write(tmp_path / "a.gguf", tokens=tokens) + bytes(3_000_000)
    files = {"m-Q4_K_M.gguf": content, "other-Q8_0.gguf": content, "README.md": b"x"}
    (face.push if hub == "huggingface" else scope.put)(ID, files)
    given = model(hub, file="m-Q4_K_M.gguf", include=["m-Q4_K_M.gguf"], whole=whole)
    found = look(given, settings(face, scope))
    server = face if hub == "huggingface" else scope
    assert len(server.requests) <= requests
    assert sent(server) <= most
    assert found["about"] == from_disk(tmp_path / "d", {"m-Q4_K_M.gguf": content}, "m-Q4_K_M.gguf", whole)
    assert found["bytes"] == len(content)
    assert found["about"]["geometry"]["layers"] == 36


def test_a_file_of_a_plain_server(scope: hub_server.Hub, tmp_path: Path) -> None:
    content = tiny_gguf.write(tmp_path / "a.gguf")
    scope.files["/a.gguf"] = content
    given = model(source="url", url=f"{scope.url}/a.gguf", file="a.gguf", sources=[])
    found = look(given, settings())
    assert (found["bytes"], found["about"]["architectures"]) == (len(content), ["qwen3"])
    scope.ranges = False
    assert look(given, settings()) == found


def test_a_local_folder_and_a_local_file(tmp_path: Path) -> None:
    assert from_disk(tmp_path / "f", FOLDER) == look(_local(tmp_path / "f"), settings())["about"]
    tiny_gguf.write(tmp_path / "g" / "a.gguf")
    (tmp_path / "g" / "b.gguf").write_bytes(b"x" * 10)
    found = look(_local(tmp_path / "g", file="a.gguf"), settings())
    assert (found["files"], found["about"]["format"]) == (1, "gguf")


def test_a_local_folder_has_the_files_that_are_hashed(tmp_path: Path) -> None:
    from_disk(tmp_path / "f", FOLDER)
    size = look(_local(tmp_path / "f"), settings())["bytes"]
    (tmp_path / "f" / ".git" / "lfs").mkdir(parents=True)
    (tmp_path / "f" / ".git" / "lfs" / "copy.safetensors").write_bytes(b"x" * 1000)
    (tmp_path / "f" / "gone.bin").symlink_to(tmp_path / "nowhere")
    found = look(_local(tmp_path / "f"), settings())
    assert (found["bytes"], found["files"]) == (size, len(FOLDER))
    with pytest.raises(errors.FetchError, match="THOR-STORE-PATH"):
        look(_local(tmp_path / "gone"), settings())


def _local(folder: Path, **more: Any) -> dict[str, Any]:
    return model(source="local", path=str(folder), sources=[], **more)


@pytest.mark.parametrize("hub", ["huggingface", "modelscope"])
def test_what_was_seen_is_what_the_host_observes_after_the_fetch(
    face: huggingface_server.HuggingFace,
    scope: hub_server.Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hub: str,
) -> None:
    monkeypatch.setattr(kept_about, "KEPT", tmp_path / "kept")
    files = {**FOLDER, "m.gguf": tiny_gguf.write(tmp_path / "a.gguf"), "modeling.py": b"x", "notes.txt": b"y"}
    server = face if hub == "huggingface" else scope
    (face.push if hub == "huggingface" else scope.put)(model_store.ID, files)
    place = tmp_path / "models" / model_store.ID
    model_store.run(model_store.model(server, place, exclude=["*.txt"]))
    held = models.observe(tmp_path / "models")[str(place)]
    for file in (None, "m.gguf"):
        seen = look(model(hub, file=file, exclude=["*.txt"]), settings(face, scope))
        assert held["about"][file or ""] == seen["about"]
        assert held["bytes"] == seen["bytes"]


def test_a_second_hub_is_asked_where_the_first_does_not_answer(scope: hub_server.Hub) -> None:
    scope.put(ID, FOLDER)
    given = model(sources=[*model()["sources"], *model("modelscope")["sources"]])
    assert look(given, settings(scope=scope))["hub"] == "modelscope"


def code(given: Mapping[str, Any], reached: Mapping[str, Any]) -> str:
    """The code of the refusal."""
    with pytest.raises(errors.FetchError) as caught:
        look(given, reached)
    return caught.value.problem.code


def test_refusals_by_code(face: huggingface_server.HuggingFace, tmp_path: Path) -> None:
    face.push(ID, FOLDER)
    gated = huggingface_server.Repository(gated="auto", commits={"c" * 40: FOLDER}, branches={"main": "c" * 40})
    face.repositories["acme/gated"] = gated
    assert code(model(sources=[{"hub": "huggingface", "id": "acme/gated", "revision": "main"}]), settings(face)) == (
        "THOR-MODEL-GATED"
    )
    assert code(model(sources=[{"hub": "huggingface", "id": ID, "revision": "gone"}]), settings(face)) == (
        "THOR-MODEL-REVISION"
    )
    assert code(model(include=["*.gguf"]), settings(face)) == "THOR-MODEL-EMPTY"
    assert code(_local(tmp_path / "gone"), settings()) == "THOR-STORE-PATH"
    face.gone.add("config.json")
    assert code(model(), settings(face)) == "THOR-MODEL-NOT-FOUND"


def test_faults_of_a_hub(face: huggingface_server.HuggingFace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "pause", lambda *_what: 0.0)
    content = tiny_gguf.write(tmp_path / "a.gguf", tokens=[f"word-{index:010}" for index in range(151_936)])
    face.push(ID, {"m.gguf": content})
    given = model(file="m.gguf")
    whole = look(given, settings(face))
    face.expired = 1
    assert look(given, settings(face, retries=1)) == whole
    face.limited = 1
    assert look(given, settings(face, retries=1)) == whole
    face.cut_after = 300_000
    assert code(given, settings(face, retries=1)) == "THOR-HUB-UNREACHABLE"
    face.cut_after = None
    face.pointers.add("m.gguf")
    assert code(given, settings(face)) == "THOR-LFS-POINTER"


def test_a_hub_that_ignores_ranges_is_not_read_to_the_end(face: huggingface_server.HuggingFace, tmp_path: Path) -> None:
    content = tiny_gguf.write(tmp_path / "a.gguf", tokens=[f"word-{index:010}" for index in range(151_936)])
    face.push(ID, {"m.gguf": content + bytes(40_000_000)})
    face.ranges = False
    found = look(model(file="m.gguf"), settings(face))
    assert found["about"]["thinking"] == "switchable"


def test_a_configuration_that_is_none_is_a_fault_and_no_error(face: huggingface_server.HuggingFace) -> None:
    face.push(ID, {**FOLDER, "config.json": b"<html>"})
    assert "config.json is not JSON" in look(model(), settings(face))["about"]["fault"]


def test_a_commit_is_looked_at_although_its_branch_has_moved(face: huggingface_server.HuggingFace) -> None:
    first = face.push(ID, dict(FOLDER))
    face.push(ID, {**FOLDER, "config.json": json.dumps({**CONFIG, "max_position_embeddings": 77}).encode()})
    main = model()["sources"][0]
    kept = look(model(sources=[{**main, "commit": first}]), settings(face))
    assert (kept["commit"], kept["revision"]) == (first, "main")
    assert kept["about"]["context"] != look(model(), settings(face))["about"]["context"]
    with pytest.raises(errors.FetchError, match="thor_update_models") as gone:
        look(model(sources=[{**main, "commit": "c" * 40}]), settings(face))
    assert gone.value.problem.code == "THOR-MODEL-REVISION"
