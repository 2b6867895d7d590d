# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Services against the list of options that the engine gave on the device."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import kept_flags
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import asked_options

DIGEST = f"sha256:{'1' * 64}"
OPTIONS: dict[str, dict[str, Any]] = {
    "--host": {},
    "--port": {"kind": "whole"},
    "--max-model-len": {"kind": "count", "auto": True},
    "--gpu-memory-utilization": {"kind": "fraction"},
    "--enforce-eager": {"takes": "none", "negation": "--no-enforce-eager"},
    "--hf-overrides": {"kind": "json"},
    "--dtype": {"choices": ["auto", "half"]},
    "--served-model-name": {"takes": "many"},
}
KEPT: dict[str, Any] = {"engine_version": "0.34.0", "options": OPTIONS, "accepted": []}
IMAGE: dict[str, Any] = {
    "images": {"mine:1": {"digest": DIGEST}},
    "flags": {f"vllm-{'1' * 12}": KEPT},
}
PACKAGES: dict[str, Any] = {
    "environments": {"vllm": {"new": {"fingerprint": "0123456789ab"}}},
    "flags": {"vllm-0123456789ab": KEPT},
}
GOOD = [
    "--host",
    "127.0.0.1",
    "--port",
    "8000",
    "--gpu-memory-utilization=0.5",
    "--served-model-name",
    "qwen3",
    "--enforce-eager",
]


def service(*more: str, image: str | None = "mine:1", **changes: Any) -> dict[str, Any]:
    """A service whose engine was asked."""
    argv = ["vllm", "serve", "/models/x", *GOOD, *more]
    facts = {
        "name": "chat",
        "engine": "vllm",
        "version": "new",
        "kind": "image" if image else "packages",
        "image": image,
    }
    return {**facts, "argv": argv, "parser": "vllm", "flags_checked": False, "unlisted": (), **changes}


@pytest.mark.parametrize(("host", "image"), [(IMAGE, "mine:1"), (PACKAGES, None)])
def test_what_the_engine_on_the_host_does_not_know_is_refused(host: dict[str, Any], image: str | None) -> None:
    assert list(asked_options.problems([service(image=image)], host)) == []
    (problem,) = asked_options.problems([service("--enforce-eger", image=image)], host)
    assert (problem.code, problem.variable) == ("THOR-FLAG-UNKNOWN", "thor_services['chat'].options['enforce-eger']")
    assert problem.reason == "vllm 0.34.0 has no --enforce-eger." and problem.remedy == "Did you mean 'enforce-eager'?"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--max-model-len", "0"], "THOR-FLAG-VALUE"),
        (["--max-model-len", "auto"], None),
        (["--gpu-memory-utilization", "7"], "THOR-FLAG-VALUE"),
        (["--dtype", "int3"], "THOR-FLAG-VALUE"),
        (["--dtype"], "THOR-FLAG-VALUE"),
        (["--no-enforce-eager"], None),
        (["--hf-overrides", '{"a": 1}'], None),
        (["--hf-overrides", "{a: 1}"], "THOR-FLAG-JSON"),
        (["--served-model-name", "a", "b"], None),
    ],
)
def test_values_are_checked_as_with_a_stored_list(words: list[str], code: str | None) -> None:
    assert [one.code for one in asked_options.problems([service(*words)], IMAGE)] == ([code] if code else [])


def test_nothing_is_concluded_where_the_engine_was_not_asked() -> None:
    wrong = service("--nosuch")
    for host in (
        {},
        {**IMAGE, "flags": {}},
        {**IMAGE, "images": {}},
        {**IMAGE, "images": {"mine:1": {"digest": f"sha256:{'2' * 64}"}}},
    ):
        assert list(asked_options.problems([wrong], host)) == []
    assert list(asked_options.problems([{**wrong, "parser": None}], IMAGE)) == [], "a stored list was used"
    uncarried = {**IMAGE, "flags": {f"vllm-{'1' * 12}": {**KEPT, "options": None}}}
    assert list(asked_options.problems([wrong], uncarried)) == [], "its list was too long for the facts"


def test_an_engine_is_asked_until_its_parser_has_accepted_the_arguments() -> None:
    argvs = {"chat": service()["argv"][1:]}

    def due(host: dict[str, Any], parser: str | None = "vllm", *names: str) -> str | None:
        return asked_options.due("vllm", DIGEST, parser, argvs, {"chat": names}, host)

    assert due({}) == asked_options.UNKNOWN
    assert due(IMAGE) == asked_options.CHANGED
    accepted = [kept_flags.digest_of("vllm", service()["argv"])]
    assert due({**IMAGE, "flags": {f"vllm-{'1' * 12}": {**KEPT, "accepted": accepted}}}) is None
    assert due({}, parser=None) is None, "a stored list is used"
    here = {**IMAGE, "flags": {f"vllm-{'1' * 12}": {**KEPT, "accepted": accepted}}}
    assert due(here, "vllm", "NewForCausalLM") == asked_options.CHANGED, "it has not been asked about this model"
    accepted.append(kept_flags.digest_of("vllm", service()["argv"], ["NewForCausalLM"]))
    assert due(here, "vllm", "NewForCausalLM") is None


def test_the_plan_says_what_is_still_to_be_checked() -> None:
    assert asked_options.text(service(flags_checked=True)) is None
    assert "before the switch" in str(asked_options.text(service()))
    assert "once it is built" in str(asked_options.text(service(kind="build", parser=None)))
    assert "are not checked" in str(asked_options.text(service(parser=None)))
    assert "its architectures" not in str(asked_options.text(service()))


def test_the_plan_says_what_is_known_of_a_model_that_no_list_has() -> None:
    names = ("NewForCausalLM",)
    asked = str(asked_options.text(service(unlisted=names)))
    assert asked.endswith(
        "its architectures are checked on the device before the switch, for the model's NewForCausalLM"
    )
    unasked = str(asked_options.text(service(kind="build", parser=None, unlisted=names)))
    assert unasked.endswith("whether it knows the model's architecture NewForCausalLM is not checked")
    listed = asked_options.text(service(flags_checked=True, parser=None, unlisted=names))
    assert listed == "vllm new has no NewForCausalLM of its own: it runs the model through its Transformers"
    unlisted = str(asked_options.text(service(flags_checked=True, unlisted=names)))
    assert unlisted.endswith("whether its Transformers can run it is checked on the device before the switch")
