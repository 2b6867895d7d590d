# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What models say reaches the services, the same before and after they are fetched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models.about import About
from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import Attention, Geometry
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import Resolution, resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import abouts
from real_catalog import load

HUBS = ("modelscope", "huggingface")
GEOMETRY = Geometry(attention=(Attention(layers=36, kv_heads=8, key_dim=128, value_dim=128),), layers=36, hidden=4096)
GGUF = About(
    format="gguf",
    architectures=("qwen3",),
    geometry=GEOMETRY,
    weights_bytes=100,
    context=40960,
    thinking="switchable",
    rank_head=False,
    vocabulary={"size": 151936, "digest": "ab"},
    projectors={"mmproj.gguf": 7},
)
MINE = {"huggingface": "acme/mine", "file": "m.gguf", "projector": "mmproj.gguf"}


def made(**model: Any) -> Any:
    """The catalog with a model of one's own."""
    found, problems = load({"models": {"mine": {**MINE, **model}}})
    assert problems == []
    return found


def resolved(
    found: Any, held: Mapping[str, Any], seen: Mapping[str, Any], update: bool = False
) -> tuple[Resolution, list[dict[str, Any]]]:
    """What the action resolve does."""
    said = abouts.known(found, HUBS, held, seen)
    found.models = {key: abouts.with_bytes(model, said.get(key)) for key, model in found.models.items()}
    inputs = Inputs([{"model": "mine", "engine": "llama.cpp"}], about={key: one["about"] for key, one in said.items()})
    resolution = resolve(inputs, found)
    return resolution, abouts.looks(resolution.services, found, held, seen, update)


def held(about: About) -> dict[str, Any]:
    """The model on disk, as thor_host.models has it."""
    entry: dict[str, Any] = {
        "source": "hub",
        "hub": "huggingface",
        "id": "acme/mine",
        "revision": "main",
        "exclude": [],
        "lock": "",
    }
    entry |= {"include": ["m.gguf", "mmproj.gguf"], "bytes": 107, "intact": True, "files": ["m.gguf", "mmproj.gguf"]}
    return {"/models/acme/mine": {**entry, "about": {"m.gguf": about.to_facts()}}}


def test_an_unknown_model_is_looked_at_and_then_the_same_before_and_after_the_fetch() -> None:
    first, looks = resolved(made(), {}, {})
    assert [(one["key"], one["file"], one["whole"]) for one in looks] == [("mine", "m.gguf", True)]
    assert list(looks[0]["sources"]) == [{"hub": "huggingface", "id": "acme/mine", "revision": "main"}]
    assert first.services[0].about is None
    seen = {"mine": {"identity": looks[0]["identity"], "about": GGUF.to_facts(), "bytes": 107}}
    second, none = resolved(made(), {}, seen)
    assert none == []
    third, none = resolved(made(), held(GGUF), {})
    assert none == []
    assert second.facts == third.facts
    service = third.services[0]
    assert service.about == replace(GGUF, vision=True, projector_bytes=7).to_facts()
    assert service.model.bytes == 107


def test_a_model_whose_geometry_is_written_needs_its_size_only() -> None:
    written = made(geometry=GEOMETRY.to_facts(), thinking="never")
    _first, looks = resolved(written, {}, {})
    assert [one["whole"] for one in looks] == [False]
    third, none = resolved(written, held(GGUF), {})
    assert none == []
    about = third.services[0].about or {}
    assert (about["thinking"], about["vocabulary"]) == (None, {"size": 151936, "digest": None})
    complete = made(geometry=GEOMETRY.to_facts(), thinking="never", bytes=5)
    again, none = resolved(complete, held(GGUF), {})
    assert (none, again.services[0].about) == ([], None)
    # Whether it thinks is in the last part of its header.
    _first, looks = resolved(made(geometry=GEOMETRY.to_facts(), bytes=5), {}, {})
    assert [one["whole"] for one in looks] == [True]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "acme/other"},
        {"revision": "dev"},
        {"include": ["m.gguf"], "files": []},
        {"intact": False},
        {"source": "url"},
    ],
)
def test_what_is_there_but_is_not_the_model_does_not_count(change: dict[str, Any]) -> None:
    there = held(GGUF)
    there["/models/acme/mine"] |= change
    assert len(resolved(made(), there, {})[1]) == 1


def test_what_was_seen_of_another_revision_does_not_count() -> None:
    _first, looks = resolved(made(), {}, {})
    seen = {"mine": {"identity": looks[0]["identity"], "about": GGUF.to_facts(), "bytes": 1}}
    assert abouts.known(made(revision="dev"), HUBS, {}, seen).get("mine") is None


def test_a_model_that_could_not_be_looked_at_is_a_problem_of_its_service() -> None:
    first, looks = resolved(made(), {}, {})
    problem = {"code": "THOR-MODEL-GATED", "variable": "id", "value": "acme/mine", "reason": "r.", "remedy": "m."}
    seen = {"mine": {"identity": looks[0]["identity"], "problem": problem}}
    (found,) = abouts.problems(first.services, seen)
    assert (found.code, found.variable) == ("THOR-MODEL-GATED", "thor_services['mine'] (mine) id")
    seen["mine"]["identity"] = "another"
    assert abouts.problems(first.services, seen) == []
    assert asdict(found)["reason"] == "r."


COMMIT, NEWER = "a" * 40, "b" * 40


def test_a_branch_that_is_followed_is_looked_at_again_and_what_was_seen_counts() -> None:
    there, newer = held(GGUF), replace(GGUF, context=8192)
    first, looks = resolved(made(), there, {}, update=True)
    assert [one["key"] for one in looks] == ["mine"]
    assert (first.services[0].about or {})["context"] == 40960
    seen = {"mine": {"identity": looks[0]["identity"], "about": newer.to_facts(), "bytes": 107}}
    second, none = resolved(made(), there, seen, update=True)
    assert none == []
    assert (second.services[0].about or {})["context"] == 8192
    assert resolved(made(), there, {}, update=False)[1] == [], "nobody asks for it"
    pinned = {"/models/acme/mine": there["/models/acme/mine"] | {"revision": COMMIT}}
    assert resolved(made(revision=COMMIT), pinned, {}, update=True)[1] == [], "a commit does not move"


def test_what_has_to_be_completed_is_looked_at_as_it_will_be_fetched() -> None:
    part = held(GGUF)
    part["/models/acme/mine"] |= {"include": ["m.gguf"], "files": [], "commit": COMMIT}
    main = {"hub": "huggingface", "id": "acme/mine", "revision": "main"}
    assert list(resolved(made(), part, {})[1][0]["sources"]) == [{**main, "commit": COMMIT}]
    assert list(resolved(made(), part, {}, update=True)[1][0]["sources"]) == [main]


def test_the_commit_that_was_looked_at_is_the_one_to_fetch() -> None:
    both = {"modelscope": "acme/other", "file": "m.gguf", "huggingface": "acme/mine"}
    found = made(**both)
    first, looks = resolved(found, {}, {})
    path = first.services[0].model.path
    asked, main = looks[0]["sources"]
    assert (asked["hub"], main["hub"]) == ("modelscope", "huggingface")
    seen = {"mine": {"identity": looks[0]["identity"], "about": GGUF.to_facts(), "bytes": 1, **main, "commit": COMMIT}}
    assert abouts.sources(first.services, seen) == {path: [{**main, "commit": COMMIT}, asked]}
    assert abouts.sources(first.services, {"mine": seen["mine"] | {"commit": None}}) == {}
    assert abouts.sources(first.services, {"mine": seen["mine"] | {"identity": "another"}}) == {}


def test_a_revision_that_waits_beside_is_known_by_what_it_says() -> None:
    there = held(GGUF)
    entry, newer = there["/models/acme/mine"], replace(GGUF, context=8192)
    tree = {**entry, "revision": "dev", "about": {"m.gguf": newer.to_facts()}, "identity": "2", "supersedes": None}
    entry |= {"identity": "1", "beside": [tree]}
    prepared, looks = resolved(made(revision="dev"), there, {})
    assert looks == [], "it is all on the disk"
    assert (prepared.services[0].about or {})["context"] == 8192
    serving, looks = resolved(made(), there, {})
    assert (looks, (serving.services[0].about or {})["context"]) == ([], 40960)
    entry["beside"] = [{**tree, "intact": False}]
    assert len(resolved(made(revision="dev"), there, {})[1]) == 1


def test_a_gguf_file_whose_header_was_not_read_on_the_disk_is_looked_at() -> None:
    there = held(GGUF)
    there["/models/acme/mine"]["about"] = {"another.gguf": GGUF.to_facts()}
    assert len(resolved(made(), there, {})[1]) == 1
