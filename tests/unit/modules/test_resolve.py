# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module resolve: it reads, in check mode too."""

from __future__ import annotations

import module_promises
from ansible_collections.jetson.thor.plugins.module_utils.models.about import About
from real_catalog import CHAT, FILES


def test_it_keeps_its_promises() -> None:
    arguments = {"catalog": str(FILES), "profiles": [CHAT]}
    results = [module_promises.run_action("resolve", arguments, check=check) for check in (True, False)]
    assert results[0] == results[1]
    assert module_promises.promised("resolve")["check_mode"] == "full"
    assert results[0]["changed"] is False and "diff" not in results[0]
    assert [one["profile"] for one in results[0]["ansible_facts"]["thor_services"]] == [CHAT]


def test_models_are_looked_at_although_something_else_is_wrong() -> None:
    mine = {"mine": {"huggingface": "acme/mine", "file": "m.gguf"}}
    profiles = [{"model": "mine", "engine": "llama.cpp"}, "no-such-profile"]
    arguments = {"catalog": str(FILES), "profiles": profiles, "extra_models": mine, "refuse": False}
    facts = module_promises.run_action("resolve", arguments, check=False)["ansible_facts"]
    assert [one["key"] for one in facts["thor_looks"]] == ["mine"]
    assert facts["thor_sources"] == {}
    problem = {"code": "THOR-MODEL-GATED", "variable": "id", "value": "acme/mine", "reason": "r.", "remedy": "m."}
    identity = facts["thor_looks"][0]["identity"]
    gated = arguments | {"seen": {"mine": {"identity": identity, "problem": problem}}}
    facts = module_promises.run_action("resolve", gated, check=False)["ansible_facts"]
    codes = {one["code"] for one in facts["thor_problems"]}
    assert {"THOR-MODEL-GATED", "THOR-PROFILE-UNKNOWN"} <= codes
    assert facts["thor_looks"] == [], "once is enough"


def test_what_was_looked_at_is_handed_to_the_fetch() -> None:
    mine = {"mine": {"huggingface": "acme/mine", "file": "m.gguf"}}
    profiles = [{"model": "mine", "engine": "llama.cpp"}]
    arguments = {"catalog": str(FILES), "profiles": profiles, "extra_models": mine, "refuse": False}
    (look,) = module_promises.run_action("resolve", arguments, check=False)["ansible_facts"]["thor_looks"]
    origin = {"hub": "huggingface", "id": "acme/mine", "revision": "main", "commit": "a" * 40}
    seen = {"mine": {"identity": look["identity"], "about": About(format="gguf").to_facts(), "bytes": 5, **origin}}
    facts = module_promises.run_action("resolve", arguments | {"seen": seen}, check=False)["ansible_facts"]
    assert facts["thor_sources"] == {"/models/acme/mine": [origin]}
    # With thor_update_models what is on the disk is looked at again.
    entry = {"source": "hub", **origin, "exclude": [], "lock": "", "include": ["m.gguf"], "bytes": 5, "intact": True}
    held = {"/models/acme/mine": entry | {"files": ["m.gguf"], "about": {"m.gguf": seen["mine"]["about"]}}}
    for update, looked in ((False, []), ("true", ["mine"])):
        there = arguments | {"held": held, "update_models": update}
        facts = module_promises.run_action("resolve", there, check=False)["ansible_facts"]
        assert [one["key"] for one in facts["thor_looks"]] == looked
