# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which models and files a host lacks, and why."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import lock_digest
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.models import absence, merge, missing

SOURCE = {"hub": "modelscope", "id": "a/b", "revision": "master"}
MODEL: dict[str, Any] = {
    "key": "m",
    "source": "hub",
    "sources": [SOURCE],
    "exclude": [],
    "include": ["x.gguf"],
    "path": "/models/a/b",
    "sha256": {},
    "bytes": 5,
}
FILE: dict[str, Any] = {
    "key": "t",
    "source": "url",
    "url": "http://h/t",
    "path": "/models/templates",
    "file": "t.jinja",
    "checksum": "sha256:1",
    "bytes": 1,
}
HELD: dict[str, Any] = {
    "source": "modelscope",
    "id": "a/b",
    "revision": "master",
    "include": ["*.json", "x.gguf"],
    "intact": True,
    "files": ["c.json", "x.gguf"],
}


def service(name: str, model: dict[str, Any], *files: dict[str, Any]) -> dict[str, Any]:
    """A resolved service, as far as it matters here."""
    return {"name": name, "model": model, "files": list(files)}


def test_services_share_what_is_the_same() -> None:
    other = MODEL | {"key": "n", "include": ["y.gguf"], "sha256": {"y.gguf": "1"}}
    artifacts, problems = merge([service("one", MODEL, FILE), service("two", other, FILE)])
    assert problems == []
    assert [artifact["path"] for artifact in artifacts] == ["/models/a/b", "/models/templates"]
    assert artifacts[0]["include"] == ["x.gguf", "y.gguf"]
    assert artifacts[0]["sha256"] == {"y.gguf": "1"}
    assert MODEL["include"] == ["x.gguf"]


@pytest.mark.parametrize(
    ("one", "change"), [(MODEL, {"sources": [{**SOURCE, "revision": "v2"}]}), (FILE, {"checksum": None})]
)
def test_artifacts_that_exclude_each_other_are_reported(one: dict[str, Any], change: dict[str, Any]) -> None:
    _artifacts, problems = merge([service("one", one), service("two", one | change)])
    assert [problem.code for problem in problems] == ["THOR-MODEL-CONFLICT"]
    assert "two" in problems[0].variable


@pytest.mark.parametrize(
    ("change", "present"),
    [
        ({}, True),
        ({"include": ["*.json"]}, True),
        ({"include": ["c.json"]}, True),
        ({"include": ["*.bin"]}, False),
        ({"sources": [{**SOURCE, "revision": "v2"}]}, False),
        ({"sources": [{**SOURCE, "id": "a/c"}]}, False),
        ({"sha256": {"x.gguf": "1"}}, False),
    ],
)
def test_a_model_is_present_if_its_directory_satisfies_it(change: dict[str, Any], present: bool) -> None:
    assert (absence(MODEL | change, HELD) == "") is present


def test_a_model_is_absent_without_an_intact_directory() -> None:
    assert absence(MODEL, None)
    assert absence(MODEL, HELD | {"intact": False})
    assert absence(MODEL, HELD | {"source": "url"})


def test_a_satisfied_lock_costs_nothing() -> None:
    lock = {"x.gguf": "1"}
    assert not absence(MODEL | {"sha256": lock}, HELD | {"lock": lock_digest(lock)})
    assert absence(MODEL | {"sha256": lock}, HELD | {"lock": lock_digest({"x.gguf": "2"})})


def test_a_file_is_present_if_it_has_the_same_pin() -> None:
    held = {"source": "url", "include": ["t.jinja sha256:1"], "intact": True, "files": ["t.jinja"]}
    assert not absence(FILE, held)
    assert absence(FILE | {"checksum": "sha256:2"}, held)
    assert absence(FILE | {"checksum": None}, held)
    assert not absence(FILE | {"checksum": None}, held | {"include": ["t.jinja http://h/t"]})


def test_only_the_bytes_that_are_missing_count() -> None:
    other = MODEL | {"key": "n", "include": ["y.gguf"], "bytes": 7}
    pair = [service("one", MODEL, FILE), service("two", other, FILE)]
    (model, file) = missing(pair, {})
    assert (model.bytes, model.reason, file.bytes) == (12, "absent", 1)
    (model, file) = missing(pair, {"/models/a/b": HELD})
    assert (model.bytes, model.reason, model.artifact["include"]) == (7, "more files wanted", ["x.gguf", "y.gguf"])
    held = {"source": "url", "include": ["t.jinja sha256:1"], "intact": True, "files": ["t.jinja"]}
    there = {"/models/a/b": {**HELD, "files": ["x.gguf", "y.gguf"]}, "/models/templates": held}
    assert missing(pair, there) == []
    assert [(one.bytes, one.reason) for one in missing(pair, there, everything=True)] == [(0, "verify checksums")] * 2


def test_a_model_of_unknown_size_is_fetched_and_says_so() -> None:
    other = MODEL | {"key": "n", "include": ["y.gguf"], "bytes": None}
    (fetch,) = missing([service("one", MODEL), service("two", other)], {})
    assert fetch.bytes is None
    (fetch,) = missing([service("one", MODEL), service("two", other)], {"/models/a/b": HELD})
    assert (fetch.bytes, fetch.reason) == (None, "more files wanted")


@pytest.mark.parametrize("source", [SOURCE, {**SOURCE, "hub": "huggingface", "id": "A/B", "revision": "main"}])
def test_a_model_from_either_of_its_hubs_is_the_same(source: dict[str, str]) -> None:
    both = MODEL | {"sources": [SOURCE, {**SOURCE, "hub": "huggingface", "id": "A/B", "revision": "main"}]}
    held = {**HELD, **source, "source": "hub"}
    assert absence(both, held) == ""
    assert absence(both, {**held, "revision": "v9"}).startswith("another revision: ")
    # A directory of an earlier version of this collection.
    assert absence(both, HELD) == ""


def test_files_that_were_left_out_and_are_wanted_now_are_missing() -> None:
    held = HELD | {"include": ["*"], "exclude": ["*.bin"]}
    everything = MODEL | {"include": ["*"]}
    assert absence(everything, held) == "more files wanted"
    assert absence(everything | {"exclude": ["*.bin", "*.pth"]}, held) == ""
    artifacts, _problems = merge(
        [
            service("one", everything | {"exclude": ["*.bin", "*.pth"]}),
            service("two", everything | {"exclude": ["*.bin"]}),
        ]
    )
    assert artifacts[0]["exclude"] == ["*.bin"]


LOCAL: dict[str, Any] = {
    "key": "l",
    "source": "local",
    "path": "/data/m",
    "file": None,
    "projector": None,
    "bytes": None,
}


def test_a_local_model_is_looked_at_once_and_belongs_to_somebody_else() -> None:
    (fetch,) = missing([service("one", LOCAL)], {})
    assert fetch.reason == "not checked yet"
    there = {"source": "local", "intact": True, "include": [], "files": []}
    assert missing([service("one", LOCAL)], {"/data/m": there}) == []
    # Whoever fetched it: its files are what counts.
    assert absence(LOCAL, HELD) == ""
    assert absence(LOCAL, there | {"intact": False}) == "changed on disk"
    two = [service("one", LOCAL | {"file": "a.gguf"}), service("two", LOCAL | {"file": "b.gguf"})]
    assert [one["file"] for one in merge(two)[0]] == ["a.gguf", "b.gguf"]
