# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the files of a model come from, where they go, and which they are; the lock pins what the catalog only names."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import artifacts
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import HUBS, artifact_of
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import HubArtifact, LocalArtifact, UrlArtifact


def hub(model: dict[str, Any], lock: dict[str, Any] | None = None, hubs: tuple[str, ...] = tuple(HUBS)) -> HubArtifact:
    """The artifact of a model from a hub."""
    found = artifact_of("m", model, lock or {}, hubs)
    assert isinstance(found, HubArtifact)
    return found


def test_the_lock_pins_what_the_catalog_only_names() -> None:
    model = {"modelscope": "a/b", "revision": "master", "bytes": 5, "estimated": True}
    files = {"x": {"size": 3, "sha256": "ff"}, "y": {"size": 4, "sha256": None}}
    lock = {"models": {"m": {"hubs": {"modelscope": {"id": "a/b", "revision": "v1"}}, "files": files}}}
    artifact = hub(model, lock)
    assert (artifact.revision, artifact.bytes, artifact.estimated) == ("v1", 7, False)
    assert artifact.sha256 == {"x": "ff"}
    assert hub({**model, "include": ["x"]}, lock).bytes == 3
    assert hub({**model, "exclude": ["x"]}, lock).bytes == 4
    # The lock speaks of the catalog's model, not of another one that an inventory puts under its name.
    other = hub({**model, "modelscope": "mine/b"}, lock)
    assert (other.revision, other.sha256) == ("master", {})


def test_a_lock_of_one_hub_pins_that_revision_and_the_hashes_of_both() -> None:
    model = {"modelscope": "a/b", "huggingface": "a/B"}
    lock = {
        "models": {
            "m": {
                "hubs": {"huggingface": {"id": "a/B", "branch": "main", "revision": "v1"}},
                "files": {"x": {"size": 3, "sha256": "ff"}},
            }
        }
    }
    artifact = hub(model, lock)
    assert [(one.hub, one.id, one.revision) for one in artifact.sources] == [
        ("modelscope", "a/b", "master"),
        ("huggingface", "a/B", "v1"),
    ]
    assert (artifact.sha256, artifact.bytes) == ({"x": "ff"}, 3)


def test_a_file_in_which_the_hubs_differ_has_no_pin_but_code_has() -> None:
    """Each hub may deliver its own README; code comes from the hub that is asked first, or from none."""
    model = {"modelscope": "a/b", "huggingface": "a/B"}
    differs = {"huggingface": {"size": 4, "sha256": "44"}, "modelscope": {"size": 5, "sha256": "55"}}
    files = {"w": {"size": 100, "sha256": "ff"}, "README.md": {"differs": differs}, "run.py": {"differs": differs}}
    files["only.txt"] = {"differs": {"modelscope": {"size": 1000, "sha256": "00"}}}
    hubs = {
        "huggingface": {"id": "a/B", "branch": "main", "revision": "c0"},
        "modelscope": {"id": "a/b", "revision": "v1"},
    }
    lock = {"models": {"m": {"hubs": hubs, "files": files}}}
    artifact = hub(model, lock)
    assert [one.revision for one in artifact.sources] == ["v1", "c0"]
    assert (artifact.sha256, artifact.bytes) == ({"w": "ff", "run.py": "55"}, 1110)
    artifact = hub(model, lock, ("huggingface", "modelscope"))
    assert (artifact.sha256, artifact.bytes) == ({"w": "ff", "run.py": "44"}, 108)
    # One hub of an inventory's own under that name: nothing is known of what it has.
    assert hub({**model, "huggingface": "mine/B"}, lock).sha256 == {}


@pytest.mark.parametrize(
    ("revision", "hubs", "sources"),
    [
        (None, ("modelscope", "huggingface"), [("modelscope", "master"), ("huggingface", "main")]),
        (None, ("huggingface", "modelscope"), [("huggingface", "main"), ("modelscope", "master")]),
        ("v2", ("huggingface",), [("huggingface", "v2")]),
        ({"huggingface": "c0ffee"}, tuple(HUBS), [("modelscope", "master"), ("huggingface", "c0ffee")]),
        # Refused elsewhere (THOR-HUB-EXCLUDED): an artifact always has a source.
        (None, (), [("modelscope", "master"), ("huggingface", "main")]),
    ],
)
def test_hubs_are_asked_in_their_order_and_each_for_its_own_revision(
    revision: Any, hubs: tuple[str, ...], sources: list[tuple[str, str]]
) -> None:
    artifact = hub({"modelscope": "a/b", "huggingface": "a/B", "revision": revision}, hubs=hubs)
    assert [(one.hub, one.revision) for one in artifact.sources] == sources
    assert (artifact.id, artifact.revision) == (artifact.sources[0].id, artifact.sources[0].revision)


def test_the_folder_is_the_models_own_or_the_name_on_its_hub() -> None:
    assert hub({"modelscope": "a/b", "huggingface": "a/B"}).path == "/models/a/B"
    assert hub({"modelscope": "a/b"}).path == "/models/a/b"
    assert hub({"huggingface": "a/B", "path": "post/name"}).path == "/models/post/name"


@pytest.mark.parametrize(
    ("model", "include"),
    [
        ({}, ["*"]),
        ({"include": ["*.json"], "file": "a.json"}, ["*.json"]),
        ({"file": "x.gguf"}, ["x.gguf"]),
        ({"file": "x.gguf", "projector": "mmproj.gguf"}, ["x.gguf", "mmproj.gguf"]),
        ({"file": "UD/x-00001-of-00004.gguf"}, ["UD/x-?????-of-00004.gguf"]),
        ({"file": "x[1].gguf"}, ["x[[]1].gguf"]),
    ],
)
def test_a_file_is_fetched_alone_with_all_of_its_parts(model: dict[str, Any], include: list[str]) -> None:
    artifact = hub({"huggingface": "a/b", **model})
    assert list(artifact.include) == include
    if model.get("file"):
        assert artifacts.is_included(model["file"], artifact.include)
        assert artifacts.has_file(artifact, f"/models/a/b/{model['file']}")
        assert not artifacts.has_file(artifact, f"/models/other/{model['file']}")


def test_other_parts_belong_to_a_split_file_and_those_of_another_split_do_not() -> None:
    artifact = hub({"huggingface": "a/b", "file": "x-00001-of-00004.gguf"})
    assert artifacts.is_included("x-00004-of-00004.gguf", artifact.include)
    assert not artifacts.is_included("x-00001-of-00005.gguf", artifact.include)


@pytest.mark.parametrize(
    ("model", "path", "file"),
    [
        ({"local": "/data/model/"}, "/data/model", None),
        ({"local": "/data/Qwen3-0.6B"}, "/data/Qwen3-0.6B", None),
        ({"local": "/data/m/x.gguf"}, "/data/m", "x.gguf"),
        ({"local": "/data/m", "file": "x.gguf"}, "/data/m", "x.gguf"),
    ],
)
def test_a_local_model_is_a_folder_or_one_file_in_it(model: dict[str, Any], path: str, file: str | None) -> None:
    artifact = artifact_of("m", model, {}, ())
    assert isinstance(artifact, LocalArtifact)
    assert (artifact.path, artifact.file, artifact.bytes, artifact.estimated) == (path, file, None, False)
    assert artifacts.file_of(model) == file
    assert artifacts.has_file(artifact, f"{path}/x.gguf")
    assert artifacts.has_file(artifact, f"{path}/other") is (file is None)


def test_a_file_of_unknown_size_is_unknown_and_not_an_estimate() -> None:
    artifact = artifact_of("m", {"url": "https://h/a", "path": "p", "file": "a", "estimated": True}, {}, ())
    assert isinstance(artifact, UrlArtifact)
    assert (artifact.bytes, artifact.estimated, artifact.path) == (None, False, "/models/p")
    assert artifacts.has_file(artifact, "/models/p/a") and not artifacts.has_file(artifact, "/models/p/b")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ({"huggingface": "org/Name-8B", "modelscope": "org/other"}, "Name-8B"),
        ({"modelscope": "org/name"}, "name"),
        ({"local": "/data/Qwen3-0.6B/"}, "Qwen3-0.6B"),
        ({"local": "/data/x.gguf"}, "x"),
        ({"url": "https://h/a", "file": "ggml-tiny.en.bin"}, "ggml-tiny.en"),
    ],
)
def test_a_model_has_a_name_of_its_own(model: dict[str, Any], name: str) -> None:
    assert artifacts.name_of(model) == name
