# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The folder of a Python environment is named only where it is filled in."""

from __future__ import annotations

from typing import Any

import pytest
from real_catalog import CHAT, only, run

IMAGE = {"profile": "qwen3-8b-vllm", "version": "25.10"}
PACKAGES = {"profile": "qwen3-8b-vllm", "version": "0.33.0"}
VALUE = {"MINE": "{environment}/x"}


def test_variables_of_a_python_environment_may_name_its_folder() -> None:
    resolution = run({**PACKAGES, "environment": VALUE})
    assert resolution.problems == [] and resolution.services[0].environment["MINE"] == "{environment}/x"


@pytest.mark.parametrize(("entry", "what"), [(IMAGE, "vllm 25.10 is an image"), ({"profile": CHAT}, "is built")])
def test_a_variable_of_an_image_or_a_build_may_not(entry: dict[str, Any], what: str) -> None:
    problem = only(run({**entry, "environment": VALUE}))
    assert (problem.code, problem.variable) == ("THOR-VALUE-INVALID", "thor_profiles[0].environment['MINE']")
    assert what in problem.reason and "packages.environment" in problem.remedy


@pytest.mark.parametrize(
    ("engine", "place"),
    [
        ({"environment": VALUE}, "environment['MINE']"),
        ({"image": {"environment": VALUE}}, "image.environment['MINE']"),
        ({"versions": {"25.10": {"environment": VALUE}}}, "versions['25.10'].environment['MINE']"),
    ],
)
def test_the_layer_that_sets_it_is_named(engine: dict[str, Any], place: str) -> None:
    problem = only(run(IMAGE, extra={"engines": {"vllm": engine}}))
    assert problem.variable == f"thor_extra_engines['vllm'].{place}"
    assert run({**IMAGE, "environment": {"MINE": "y"}}, extra={"engines": {"vllm": engine}}).problems == []


@pytest.mark.parametrize(
    ("entry", "name", "value"),
    [
        (IMAGE, "chat-template", "{environment}/x"),
        (PACKAGES, "chat-template", "{environment}/x"),
        (PACKAGES, "default-chat-template-kwargs", {"a": ["{environment}"]}),
        ({"profile": CHAT}, "log-file", "{environment}"),
    ],
)
def test_no_option_may(entry: dict[str, Any], name: str, value: Any) -> None:
    problem = only(run({**entry, "options": {name: value}}))
    assert (problem.code, problem.variable) == ("THOR-VALUE-INVALID", f"thor_profiles[0].options[{name!r}]")
    assert "this is an option" in problem.reason
