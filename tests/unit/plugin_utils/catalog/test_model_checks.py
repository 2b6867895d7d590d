# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A service is refused where its models' hubs may not be asked, their folders are not seen, or their names cannot be used."""

from __future__ import annotations

from typing import Any

import pytest
from real_catalog import CHAT, codes, only, run

OURS = {"mine": {"huggingface": "a/Name"}}


def entry(**more: Any) -> dict[str, Any]:
    """A service of the model called mine."""
    return {"model": "mine", "engine": "vllm", **more}


def test_a_model_on_no_hub_that_may_be_asked() -> None:
    problem = only(run(entry(), extra={"models": OURS}, hubs=["modelscope"]))
    assert (problem.code, problem.variable, problem.value) == ("THOR-HUB-EXCLUDED", "thor_profiles[0]", "mine")
    assert "thor_hubs" in problem.remedy
    assert run(entry(), extra={"models": OURS}, hubs=["huggingface"]).problems == []
    assert codes(run(CHAT, hubs=[])) == ["THOR-HUB-EXCLUDED"]
    # What is beside the model counts as well.
    draft = entry(speculative={"method": "draft", "model": "qwen3-8b", "tokens": 3})
    assert only(run(draft, extra={"models": OURS}, hubs=["huggingface"])).value == "qwen3-8b"


def test_an_invalid_list_of_hubs_is_one_problem() -> None:
    problem = only(run(entry(), extra={"models": OURS}, hubs=["hugingface"]))
    assert (problem.code, problem.variable) == ("THOR-VALUE-INVALID", "thor_hubs[0]")
    assert "'huggingface'" in problem.remedy


@pytest.mark.parametrize(
    ("engine", "version", "path", "hidden"),
    [
        ("vllm", "25.10", "/data/model", False),  # mounted into its container
        ("vllm", "25.10", "/root/model", True),
        ("vllm", "25.10", "/models/model", False),
        ("vllm", "0.33.0", "/data/model", False),
        ("vllm", "0.33.0", "/root/model", True),
    ],
)
def test_a_local_folder_that_the_service_does_not_see(engine: str, version: str, path: str, hidden: bool) -> None:
    result = run(entry(engine=engine, version=version), extra={"models": {"mine": {"local": path}}})
    assert codes(result) == (["THOR-MODEL-HIDDEN"] if hidden else [])
    if hidden:
        assert result.problems[0].variable == "thor_extra_models['mine'].local"


def test_a_folders_name_that_clients_could_not_use() -> None:
    local = {"models": {"mine": {"local": "/models/my model"}}}
    problem = only(run(entry(), extra=local))
    assert (problem.code, problem.variable, problem.value) == (
        "THOR-NAME-INVALID",
        "thor_profiles[0].served_name",
        "my model",
    )
    assert run(entry(served_name="mine"), extra=local).problems == []
