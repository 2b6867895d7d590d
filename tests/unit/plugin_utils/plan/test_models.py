# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which models and files a host lacks, and why."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models.manifest import lock_digest
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.models import (
    absence,
    exchanges,
    merge,
    missing,
    most_bytes,
)
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import Settings
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.shares import of_models

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
SETTINGS = Settings(8, 5, ["ubuntu 24.04"], "38.2", {})
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


def test_services_may_name_more_and_fewer_hubs_of_the_same_model() -> None:
    """The hubs of the one that names fewer are asked: their files satisfy both."""
    face = {"hub": "huggingface", "id": "a/B", "revision": "main"}
    both = MODEL | {"sources": [face, SOURCE], "include": ["y.gguf"]}
    for services in ([service("one", MODEL), service("two", both)], [service("one", both), service("two", MODEL)]):
        (merged,), problems = merge(services)
        assert problems == []
        assert (merged["sources"], merged["include"]) == ([SOURCE], ["x.gguf", "y.gguf"])
        held = {**HELD, "include": ["x.gguf", "y.gguf"]}
        assert missing(services, {"/models/a/b": held}) == []
        assert not absence(both, held) and not absence(MODEL, held)
    # The third of these has no hub in common with the first two.
    _artifacts, problems = merge([*services, service("three", MODEL | {"sources": [face]})])
    assert [(problem.code, problem.variable) for problem in problems] == [("THOR-MODEL-CONFLICT", "three.model")]
    crossed = MODEL | {"sources": [face, {**SOURCE, "revision": "v2"}]}
    assert [problem.code for problem in merge([service("one", both), service("two", crossed)])[1]]


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
    there: dict[str, Any] = {"source": "local", "local": {"/data/m": True}}
    assert missing([service("one", LOCAL)], {"/data/m": there}) == []
    # Whoever fetched it: its files are what counts.
    assert absence(LOCAL, HELD) == ""
    assert absence(LOCAL, there | {"local": {"/data/m": False}}) == "changed on disk"
    two = [service("one", LOCAL | {"file": "a.gguf"}), service("two", LOCAL | {"file": "b.gguf"})]
    assert [one["file"] for one in merge(two)[0]] == ["a.gguf", "b.gguf"]


A, B, MAIN = "a" * 40, "b" * 40, {"hub": "huggingface", "id": "o/n", "revision": "main"}
BRANCH = MODEL | {"sources": [MAIN], "include": ["*"], "path": "/models/o/n"}


def tree(commit: str, identity: str, **changes: Any) -> dict[str, Any]:
    """A directory, or what waits beside it, as ``thor_host.models`` tells it."""
    origin = {"source": "hub", "hub": "huggingface", "id": "o/n", "revision": "main", "commit": commit}
    return {**origin, "include": ["*"], "intact": True, "files": [], "identity": identity, "beside": [], **changes}


def test_a_model_of_either_of_its_hubs_is_there() -> None:
    both = BRANCH | {"sources": [{"hub": "modelscope", "id": "o/m", "revision": "master"}, MAIN]}
    assert absence(both, tree(A, "1")) == ""
    assert absence(both, tree(A, "1", hub="modelscope", id="o/m", revision="master")) == ""
    assert (
        absence(both, tree(A, "1", hub="modelscope", id="o/n", revision="master")) == "another revision: o/n at master"
    )


def test_whoever_pins_what_the_branch_had_has_it_already() -> None:
    pinned = BRANCH | {"sources": [{**MAIN, "revision": A}]}
    assert absence(pinned, tree(A, "1")) == ""
    assert absence(pinned, tree(B, "1")) == "another revision: o/n at main"


def test_a_branch_is_looked_up_again_only_when_somebody_asks_for_it() -> None:
    held = {"/models/o/n": tree(A, "1")}
    assert missing([service("chat", BRANCH)], held) == []
    [one] = missing([service("chat", BRANCH)], held, update=True)
    assert (one.reason, one.bytes, one.replaces) == ("its branch is looked up again", 0, False)
    pinned: list[dict[str, Any]] = [{"sources": [{**MAIN, "revision": A}]}, {"sha256": {"x": "1"}}]
    for pin in pinned:
        there = {"/models/o/n": tree(A, "1", lock=lock_digest(pin.get("sha256") or {}))}
        assert missing([service("chat", BRANCH | pin)], there, update=True) == []


def test_another_revision_replaces_files_that_services_may_be_using() -> None:
    wanted = BRANCH | {"sources": [{**MAIN, "revision": B}]}
    [one] = missing([service("chat", wanted)], {"/models/o/n": tree(A, "1")})
    assert one.replaces
    assert not missing([service("chat", wanted)], {})[0].replaces


def test_what_waits_beside_is_exchanged_and_not_fetched() -> None:
    wanted = [service("chat", BRANCH | {"sources": [{**MAIN, "revision": B}]})]
    held = {"/models/o/n": tree(A, "1", beside=[tree("c" * 40, "3"), tree(B, "2")])}
    assert missing(wanted, held) == []
    assert exchanges(wanted, held) == [{"path": "/models/o/n", "identity": "2"}]
    damaged = {"/models/o/n": tree(A, "1", beside=[tree(B, "2", intact=False)])}
    assert exchanges(wanted, damaged) == []
    assert len(missing(wanted, damaged)) == 1
    assert exchanges([service("chat", BRANCH)], held) == [], "what is there is wanted"


def test_after_an_update_the_newer_one_is_exchanged_and_the_older_one_is_not() -> None:
    services = [service("chat", BRANCH)]
    newer = {"/models/o/n": tree(A, "1", beside=[tree(B, "2", supersedes="1")])}
    assert exchanges(services, newer, update=True) == [{"path": "/models/o/n", "identity": "2"}]
    assert exchanges(services, newer) == [], "without asking for it the commit that was fetched first is kept"
    switched = {"/models/o/n": tree(B, "2", supersedes="1", beside=[tree(A, "1")])}
    assert exchanges(services, switched, update=True) == []


@pytest.mark.parametrize(
    ("size", "estimated", "most"),
    [(1000, False, 1000), (1000, True, 2000 + 16 * 2**20), (None, False, None), (None, True, None)],
)
def test_a_file_may_be_as_large_as_the_catalog_says_and_twice_as_large_if_that_is_an_estimate(
    size: int | None, estimated: bool, most: int | None
) -> None:
    file = {**FILE, "bytes": size, "estimated": estimated}
    assert most_bytes(file) == most
    (wanted,) = of_models([service("one", MODEL, file)], {"models": {}}, SETTINGS).section["files"]
    assert wanted == {**file, "max_bytes": most}
