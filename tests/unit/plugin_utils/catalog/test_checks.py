# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Single keys of a service that are refused."""

from __future__ import annotations

from real_catalog import CHAT, only, run

EAR = "whisper-large-v3-turbo-whisper-cpp"


def test_a_broken_profile_is_refused_unless_the_version_fixes_it_or_it_is_allowed() -> None:
    problem = only(run("qwen3-8b-fp8-vllm"))
    assert problem.code == "THOR-STATUS-BROKEN"
    assert "vllm 0.10.2 (25.10)" in problem.reason and "!!!!" in problem.reason
    assert not run("qwen3-8b-fp8-vllm", engine_versions={"vllm": "0.33.0"}).problems
    assert not run("qwen3-8b-fp8-vllm", allow_broken=True).problems


def test_an_address_open_to_others_must_be_allowed() -> None:
    assert only(run(CHAT, address="0.0.0.0")).variable == "thor_address"
    service = run(CHAT, address="0.0.0.0", allow_unauthenticated=True).services[0]
    assert "--host 0.0.0.0" in " ".join(service.argv)


def test_whisper_server_stays_on_the_loopback_whatever_is_allowed() -> None:
    problem = only(run({"profile": EAR, "address": "192.0.2.7"}, allow_unauthenticated=True))
    assert (problem.code, problem.variable, problem.value) == (
        "THOR-ADDRESS-LOOPBACK",
        "thor_profiles[0].address",
        "192.0.2.7",
    )
    assert "/load" in problem.reason
