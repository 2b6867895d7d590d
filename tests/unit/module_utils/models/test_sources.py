# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A model that two hubs have: what is reachable is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hub_server
import huggingface_server
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.models import fetch
from model_store import (
    BIG,
    BUFFER,
    FILES,
    ID,
    Recorder,
    arrived,
    content,
    in_process,
    manifest,
    model,
    problem_of,
    run,
    wait_for,
)


def both(
    hub: hub_server.Hub, face: huggingface_server.HuggingFace, place: Path, *order: str, **changes: Any
) -> dict[str, Any]:
    """A job that may take either hub."""
    spec = model(hub, place, **changes)
    found = {"modelscope": spec["sources"][0], "huggingface": model(face, place)["sources"][0]}
    return spec | {"sources": [found[name] for name in order]}


def test_the_first_hub_that_can_deliver_it_is_taken(
    hub: hub_server.Hub, face: huggingface_server.HuggingFace, place: Path
) -> None:
    result = run(both(hub, face, place, "huggingface", "modelscope"))
    assert (result["hub"], hub.requests) == ("huggingface", [])
    face.forget()
    assert run(both(hub, face, place, "modelscope", "huggingface"))["changed"] is False, "it is there, whoever gave it"
    assert face.requests == hub.requests == []


@pytest.mark.parametrize(
    "fault",
    [{"repositories": {}}, {"listing_status": 500}, {"limited": 99, "rate_limit": {"Retry-After": "9999"}}, "gated"],
    ids=["not there", "out of order", "rate limit", "gated"],
)
def test_the_next_one_is_tried_and_that_is_said(
    hub: hub_server.Hub, face: huggingface_server.HuggingFace, place: Path, fault: Any
) -> None:
    if fault == "gated":
        face.repositories[ID].gated = "auto"
    else:
        vars(face).update(fault)
    recorder = Recorder()
    result = fetch.run_job(both(hub, face, place, "huggingface", "modelscope", retries=0), recorder)
    assert (result["hub"], manifest(place)["hub"], content(place)) == ("modelscope", "modelscope", FILES)
    assert any(line.startswith("THOR-") and face.url in line for line in recorder.lines)


def test_a_fault_of_the_host_is_no_reason_to_try_the_next_one(
    hub: hub_server.Hub, face: huggingface_server.HuggingFace, place: Path, tmp_path: Path
) -> None:
    spec = both(hub, face, place, "huggingface", "modelscope", retries=0)
    spec["sources"][0]["client"] = str(tmp_path / "no-environment")
    assert problem_of(spec)["code"] == "THOR-HUB-CLIENT"
    assert hub.requests == [] and not place.exists()


def test_when_all_fail_each_is_named(hub: hub_server.Hub, face: huggingface_server.HuggingFace, place: Path) -> None:
    face.repositories[ID].gated = "auto"
    hub.models.clear()
    problem = problem_of(both(hub, face, place, "modelscope", "huggingface", retries=0))
    assert problem["code"] == "THOR-MODEL-NO-SOURCE"
    for words in ("ModelScope (acme/small): THOR-MODEL-NOT-FOUND", "Hugging Face (acme/small): THOR-MODEL-GATED"):
        assert words in problem["reason"]
    assert "thor_hf_token" in problem["remedy"]


def test_what_one_hub_began_another_continues(
    hub: hub_server.Hub, face: huggingface_server.HuggingFace, place: Path
) -> None:
    """Files with the same hash are the same."""
    face.hold = {"model.gguf": 1_200_000}
    with in_process(both(hub, face, place, "huggingface", "modelscope", idle_timeout=30)):
        assert face.held.wait(30)
        wait_for(lambda: any(one.sent >= 1_200_000 for one in face.transfers if one.path == "model.gguf"))
        wait_for(lambda: arrived(place, "model.gguf") >= 1_200_000 - BUFFER)
    face.repositories.clear()
    face.resume.set()
    result = run(both(hub, face, place, "huggingface", "modelscope", idle_timeout=30))
    assert (result["hub"], content(place)) == ("modelscope", FILES)
    assert hub.fetched("model.gguf") <= len(BIG) - 1_200_000 + BUFFER
