# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The engines' own metrics: which engine has a page, and with which option."""

from __future__ import annotations

from typing import Any

import pytest
from real_catalog import only, run

LLAMA = "qwen3-coder-30b-a3b-q5-k-m-llama-cpp"
WHISPER = "whisper-large-v3-turbo-whisper-cpp"


@pytest.mark.parametrize(
    ("profile", "option"), [(LLAMA, "--metrics"), ("qwen3-8b-fp8-sglang", "--enable-metrics"), ("qwen3-8b-vllm", None)]
)
def test_thor_metrics_switches_the_page_of_an_engine_on(profile: str, option: str | None) -> None:
    (plain,) = run(profile).services
    assert plain.metrics_path is None
    (service,) = run(profile, metrics=True).services
    assert service.metrics_path == "/metrics"
    assert set(service.argv) - set(plain.argv) == ({option} if option else set())


def test_an_engine_without_a_page_gets_no_option() -> None:
    (plain,) = run(WHISPER).services
    (service,) = run(WHISPER, metrics=True).services
    assert (service.metrics_path, service.argv) == (None, plain.argv)


def test_a_service_may_stay_without_its_page() -> None:
    entry: dict[str, Any] = {"profile": LLAMA, "options": {"metrics": None}}
    (service,) = run(entry, metrics=True).services
    assert service.metrics_path is None and "--metrics" not in service.argv
    mine = {"profile": LLAMA, "options": {"metrics": True}}
    (service,) = run(mine).services
    assert service.metrics_path is None, "the page is the person's own: thor_metrics is off"


def test_another_value_than_a_switch_is_refused() -> None:
    problem = only(run(LLAMA, metrics="prometheus"))
    assert (problem.code, problem.variable) == ("THOR-TYPE-INVALID", "thor_metrics")
