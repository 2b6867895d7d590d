# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Options become arguments the way the engine writes them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import options

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
def test_a_value_becomes_arguments(written: dict[str, Any], argv: list[str]) -> None:
    assert options.render(written, "space", FLAGS) == argv


@pytest.mark.parametrize(
    ("style", "argv"),
    [("space", ["--a", "1", "2"]), ("comma", ["--a", "1,2"]), ("repeat", ["--a", "1", "--a", "2"])],
)
def test_a_list_is_written_the_engines_way(style: str, argv: list[str]) -> None:
    assert options.render({"a": [1, 2]}, style, None) == argv


def test_false_becomes_a_negation_if_the_options_are_unknown() -> None:
    assert options.render({"a": False}, "space", None) == ["--no-a"]


def entry(takes: str = "value", kind: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "aliases": [],
        "takes": takes,
        "negation": None,
        "choices": None,
        **({"kind": kind} if kind else {}),
        **more,
    }


KINDS: dict[str, dict[str, Any]] = {
    "--json": entry(kind="json"),
    "--fraction": entry(kind="fraction"),
    "--count": entry(kind="count"),
    "--auto": entry(kind="count", auto=True),
    "--whole": entry(kind="whole"),
    "--number": entry(kind="number"),
    "--sizes": entry("many", "count"),
    "--maybe": entry("optional"),
    "--method": entry(choices=["awq", "fp8"]),
}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("json", [{"a": 1}, ["*"], '{"a": 1}', "3"], ["{a: 1}", "", True]),
        ("fraction", [0.5, 1, "0.75"], [0, 1.01, 7, -0.5, "half", "nan", {"a": 1}]),
        ("count", [1, "65536", "64k", "1.5k", "64K"], [0, -1, "-5", "0", "x", 1.5, "auto", "64Ki", "1.5K", [1, 2]]),
        ("auto", [1, -1, "auto"], [0, -2, "none"]),
        ("whole", [0, -1, "7"], [1.5, "x", ""]),
        ("number", [0, -1.5, "1e3"], ["x", True]),
        ("sizes", [2, [1, 2, 4]], [[1, 0], "x", True]),
        ("maybe", [True, "x"], [["x", "y"]]),
        ("method", ["awq", ["fp8"]], ["nosuch", ["awq", "nosuch"], True]),
    ],
)
def test_values_that_parsers_would_accept_wrongly_are_refused(name: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        style = "comma" if isinstance(value, list) else "space"
        assert not options.check({name: value}, KINDS, {}, "vllm", "here", style), value
    for value in bad:
        (problem,) = options.check({name: value}, KINDS, {}, "vllm", "here", "space")
        wanted = "THOR-FLAG-JSON" if name == "json" and value is not True else "THOR-FLAG-VALUE"
        assert (problem.code, problem.variable) == (wanted, f"here[{name!r}]"), value


def test_names_must_be_exact() -> None:
    (problem,) = options.check({"fract": 0.5}, KINDS, {}, "vllm", "here")
    assert problem.code == "THOR-FLAG-UNKNOWN" and "'fraction'" in problem.remedy


def test_a_list_becomes_json_if_the_option_takes_json() -> None:
    assert options.render({"json": ["*"]}, "space", KINDS) == ["--json", '["*"]']
    assert options.render({"sizes": [1, 2]}, "space", KINDS) == ["--sizes", "1", "2"]


def test_a_value_outside_the_choices_is_refused() -> None:
    (problem,) = options.check({"flash-attn": "onn"}, FLAGS, {}, "llama.cpp", "here")
    assert problem.code == "THOR-FLAG-VALUE" and "'on'" in problem.remedy
    for value in ("on", True, False, "auto"):
        assert not options.check({"flash-attn": value, "n-gpu-layers": 3}, FLAGS, {}, "llama.cpp", "here")


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "json",
            [{"method": "mtp"}, '{"method": "ngram"}', {"model": "x"}, "{"],
            [{"method": "dspark"}, '{"method":"x"}'],
        ),
        ("json.method", ["mtp"], ["dspark"]),
        ("json.model", ["dspark"], []),
        ("plain", ["mtp", "MTP", "mtp,ngram"], ["dspark", "mtp,dspark"]),
    ],
)
def test_a_method_of_speculation_that_the_version_lacks_is_refused(name: str, good: list[Any], bad: list[Any]) -> None:
    methods = ["mtp", "ngram"]
    flags = {"--json": entry(kind="json", methods=methods), "--plain": entry(methods=methods)}
    for value in [*good, *bad]:
        found = options.check({name: value}, flags, {}, "vllm", "here", "space", ("dotted",))
        assert ("THOR-SPECULATIVE-UNKNOWN" in [problem.code for problem in found]) == (value in bad), value
