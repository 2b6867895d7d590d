# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What engines say of their speculation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import speculation
from ansible_collections.jetson.thor.plugins.module_utils.clients.load_generator import Sample
from ansible_collections.jetson.thor.plugins.module_utils.clients.speculation import Counters
from streaming_engine import Engine, running

# vLLM 0.33.0, v1/spec_decode/metrics.py, as prometheus_client writes counters.
LABELS = 'engine="0",model_name="m"'
METRICS = f"""\
# HELP vllm:spec_decode_num_drafts_total Number of spec decoding drafts.
# TYPE vllm:spec_decode_num_drafts_total counter
vllm:spec_decode_num_drafts_total{{{LABELS}}} 100.0
# TYPE vllm:spec_decode_num_drafts_created gauge
vllm:spec_decode_num_drafts_created{{{LABELS}}} 1.76e+09
vllm:spec_decode_num_draft_tokens_total{{{LABELS}}} 300.0
vllm:spec_decode_num_draft_tokens_total{{engine="1",model_name="m"}} 200.0
vllm:spec_decode_num_accepted_tokens_total{{{LABELS}}} 120.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{{{LABELS},position="0"}} 70.0
vllm:spec_decode_num_accepted_tokens_created{{{LABELS}}} 1.76e+09
"""


@pytest.fixture
def engine() -> Iterator[Engine]:
    with running() as engine:
        yield engine


def test_vllm_counts_in_its_metrics(engine: Engine) -> None:
    engine.pages["/metrics"] = METRICS
    assert speculation.read(engine.service(engine="vllm")) == Counters(steps=100, drafted=500, accepted=120)
    engine.pages["/metrics"] = "vllm:num_requests_running 0\nvllm:spec_decode_num_drafts_total x\n"
    assert speculation.read(engine.service(engine="vllm")) == Counters()


def test_sglang_says_it_in_its_server_info(engine: Engine) -> None:
    info = {"internal_states": [{"avg_spec_accept_length": 2.5}, {"avg_spec_accept_length": 3.5}, {}, 1]}
    engine.pages["/server_info"] = json.dumps(info)
    sglang = engine.service(engine="sglang")
    assert speculation.read(sglang) == Counters(tokens_per_step=3.0)
    engine.pages = {"/get_server_info": json.dumps(info)}
    assert speculation.read(sglang) == Counters(tokens_per_step=3.0), "0.5.3 has only the older page"
    odd: list[Any] = [
        {"internal_states": [{}]},
        {"internal_states": 1},
        {},
        [],
        {"internal_states": [{"avg_spec_accept_length": "x"}]},
    ]
    for other in odd:
        engine.pages["/server_info"] = json.dumps(other)
        assert speculation.read(sglang) == Counters()
    engine.pages["/server_info"] = "x"
    assert speculation.read(sglang) == Counters()


def test_an_engine_that_says_nothing_is_not_asked_twice(engine: Engine) -> None:
    assert speculation.read(engine.service(engine="vllm")) == Counters()
    assert speculation.read(engine.service(engine="sglang")) == Counters()
    assert speculation.read(engine.service(engine="llama.cpp")) == Counters()
    assert engine.looked == ["/metrics", "/server_info", "/get_server_info"]
    assert speculation.read({**engine.service(engine="vllm"), "port": 1}) == Counters()


def test_llama_cpp_says_it_with_each_answer() -> None:
    samples = [Sample(seconds=1, output_tokens=16, drafted=20, accepted=6), Sample(seconds=1, output_tokens=16)]
    samples.append(Sample(seconds=1, output_tokens=20, drafted=20, accepted=10))
    assert speculation.summary(samples, Counters(), Counters()) == {
        "drafted_tokens": 40,
        "accepted_tokens": 16,
        "acceptance": 0.4,
        "tokens_per_step": 1.8,
    }
    assert speculation.summary([Sample(seconds=1, output_tokens=16)], Counters(), Counters()) is None


def test_of_vllm_only_what_it_counted_meanwhile() -> None:
    before, after = Counters(10, 30, 20), Counters(110, 330, 140)
    assert speculation.summary([], before, after) == {
        "drafted_tokens": 300,
        "accepted_tokens": 120,
        "acceptance": 0.4,
        "tokens_per_step": 2.2,
    }
    assert speculation.summary([], after, before) is None, "it has started again"
    assert speculation.summary([], after, after) is None, "it drafted nothing"
    # The first draft may come during the first load.
    assert speculation.summary([], Counters(), after) is not None


def test_of_sglang_the_mean_since_its_start() -> None:
    found = speculation.summary([], Counters(), Counters(tokens_per_step=2.34567))
    assert found == {"drafted_tokens": None, "accepted_tokens": None, "acceptance": None, "tokens_per_step": 2.346}
