# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Options become arguments as the engine writes them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import options

FLAGS: dict[str, dict[str, Any]] = {
    "--mmap": {"aliases": [], "takes": "none", "negation": "--no-mmap", "choices": None},
    "--metrics": {"aliases": [], "takes": "none", "negation": None, "choices": None},
    "--gpu-layers": {"aliases": ["-ngl", "--n-gpu-layers"], "takes": "value", "negation": None, "choices": None},
    "--flash-attn": {"aliases": ["-fa"], "takes": "value", "negation": None, "choices": ["on", "off", "auto"]},
}


@pytest.mark.parametrize(
    ("written", "argv"),
    [
        ({"metrics": True}, ["--metrics"]),
        ({"mmap": False}, ["--no-mmap"]),
        ({"metrics": False}, []),
        ({"gpu-layers": None}, []),
        ({"n-gpu-layers": 99}, ["--n-gpu-layers", "99"]),
        ({"flash-attn": True}, ["--flash-attn", "on"]),  # YAML reads on as true
        ({"flash-attn": False}, ["--flash-attn", "off"]),
        ({"flash-attn": "auto"}, ["--flash-attn", "auto"]),
        ({"a": 0.5}, ["--a", "0.5"]),
        ({"a": {"b": [1, "c d"]}}, ["--a", '{"b":[1,"c d"]}']),
        ({"a": ""}, ["--a", ""]),
    ],
)
def test_one_value(written: dict[str, Any], argv: list[str]) -> None:
    assert options.render(written, "space", FLAGS) == argv


@pytest.mark.parametrize(
    ("style", "argv"),
    [("space", ["--a", "1", "2"]), ("comma", ["--a", "1,2"]), ("repeat", ["--a", "1", "--a", "2"])],
)
def test_a_list_follows_the_habit_of_the_engine(style: str, argv: list[str]) -> None:
    assert options.render({"a": [1, 2]}, style, None) == argv


def test_false_says_no_where_nothing_is_known_of_the_engine() -> None:
    assert options.render({"a": False}, "space", None) == ["--no-a"]


def test_a_value_outside_the_choices_is_refused() -> None:
    (problem,) = options.check({"flash-attn": "onn"}, FLAGS, {}, "llama.cpp", "here")
    assert problem.code == "THOR-FLAG-VALUE" and "'on'" in problem.remedy
    for value in ("on", True, False, "auto"):
        assert not options.check({"flash-attn": value, "n-gpu-layers": 3}, FLAGS, {}, "llama.cpp", "here")
