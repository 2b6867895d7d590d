# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Models of persons: looked at by name, known by stat, refused for what the host found in them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import local_models, models

FOLDER: dict[str, Any] = {
    "key": "own",
    "source": "local",
    "path": "/data/own",
    "file": None,
    "projector": None,
    "bytes": None,
}
FILE = FOLDER | {"key": "one", "path": "/data", "file": "a.gguf", "projector": "mmproj.gguf"}


def entry(**local: bool) -> dict[str, Any]:
    return {
        "source": "local",
        "intact": True,
        "local": {place.replace("_", "/"): known for place, known in local.items()},
    }


def service(*artifacts: dict[str, Any]) -> dict[str, Any]:
    return {"name": "chat", "model": artifacts[0], "files": list(artifacts[1:])}


def test_the_host_looks_at_what_the_inventory_names() -> None:
    extra = {
        "own": {"local": "/data/own/"},
        "one": {"local": "/data/a.gguf", "projector": "mmproj.gguf"},
        "hub": {"huggingface": "org/name"},
        "wrong": {"local": 5},
        "worse": None,
    }
    assert local_models.local_models(extra) == [
        {"place": "/data/own", "path": "/data/own", "names": []},
        {"place": "/data/a.gguf", "path": "/data", "names": ["a.gguf", "mmproj.gguf"]},
    ]


@pytest.mark.parametrize(
    ("artifact", "held", "reason"),
    [
        (FOLDER, None, "not checked yet"),
        (FOLDER, entry(_data_own=True), ""),
        (FOLDER, entry(_data_own=False), "changed on disk"),
        (FILE, {**entry(), "local": {"/data/a.gguf": True}}, ""),
        (FILE, {**entry(), "local": {"/data/b.gguf": True}}, "not checked yet"),
        (FOLDER, {"source": "hub", "intact": True}, ""),  # the store has fetched it
        (FOLDER, {"source": "hub", "intact": False}, "not checked yet"),
    ],
)
def test_what_is_known_is_not_hashed(artifact: dict[str, Any], held: dict[str, Any] | None, reason: str) -> None:
    assert models.absence(artifact, held) == reason


def test_what_the_host_found_is_refused_once_with_its_culprit() -> None:
    fault = {"code": "THOR-LOCAL-POINTER", "variable": "local", "value": "/data/own", "reason": "x", "remedy": "y"}
    host = {"local_faults": {"/data/own": [fault], "/data/unused": [fault]}}
    [problem] = local_models.problems([service(FOLDER), service(FOLDER, FILE)], host)
    assert (problem.code, problem.variable) == ("THOR-LOCAL-POINTER", "thor_extra_models['own'].local")


def test_a_service_whose_model_somebody_changed_is_known() -> None:
    held = {"/data/own": entry(_data_own=False)}
    assert local_models.changed(service(FOLDER), held)
    assert not local_models.changed(service(FILE), held)
    assert not local_models.changed(service(FOLDER), {}), "one that was never hashed may be served already"
