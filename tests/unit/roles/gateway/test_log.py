# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the gateway writes down: the access log, its counters, and what is in neither."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import gateway_run
import pytest
from gateway_run import RunningGateway
from gateway_services import ALL, ENGINE_KEY, EYES, ONE, clients, services_on
from recording_engine import Engine


@pytest.fixture(scope="module")
def used(engine: Engine) -> Iterator[RunningGateway]:
    """A gateway that has had requests of every kind."""
    with gateway_run.running(services_on(engine.server_port), clients(), {"vectors": ENGINE_KEY}) as gateway:
        prompt = [{"role": "user", "content": "PROMPT-TEXT"}]
        gateway.chat(ALL, "qwen3", messages=prompt)
        gateway.chat(ALL, "qwen3", messages=prompt, stream=3)
        gateway.ask("POST", "/v1/embeddings", ALL, {"model": "embed", "input": "PROMPT-TEXT"})
        gateway.chat(ONE, "nosuch-SECRET-MODEL", messages=prompt)
        gateway.chat("WRONG-KEY-" + "x" * 20, "qwen3")
        gateway.ask("GET", "/PATH-OF-A-STRANGER?key=WRONG-KEY", ALL)
        gateway.ask("GET", "/v1/models", ALL)
        gateway.chat(ALL, "down", messages=prompt)
        yield gateway


def test_each_request_is_a_line(used: RunningGateway) -> None:
    records = used.records(8)
    told = [
        (one["client"], one["service"], one["model"], one["endpoint"], one["status"], one["error"]) for one in records
    ]
    # Two workers write them, each when it has finished.
    assert sorted(told[:8]) == sorted(
        [
            ("all", "chat", "qwen3", "chat/completions", 200, ""),
            ("all", "chat", "qwen3", "chat/completions", 200, ""),
            ("all", "vectors", "embed", "embeddings", 200, ""),
            ("one", "", "", "chat/completions", 404, "model_not_found"),
            ("", "", "", "", 401, "invalid_api_key"),
            ("all", "", "", "", 404, "unknown_path"),
            ("all", "", "", "models", 200, ""),
            ("all", "down", "down", "chat/completions", 503, "engine_unavailable"),
        ]
    )
    assert all(one["address"] == "127.0.0.1" and one["complete"] == "OK" for one in records)
    assert len({one["request_id"] for one in records}) == len(records)


def test_tokens_and_times_are_those_of_the_answer(used: RunningGateway) -> None:
    records = used.records(8)
    answers = [one for one in records if one["service"] == "chat"]
    assert len(answers) == 2, "one whole, one streamed"
    for one in answers:
        assert (one["prompt_tokens"], one["completion_tokens"]) == (9, 3)
        assert 0 <= one["first_byte_seconds"] <= one["seconds"] < 5
        assert one["bytes_received"] > 100 and one["bytes_sent"] > 100
    (refused,) = (one for one in records if one["error"] == "model_not_found")
    assert refused["prompt_tokens"] is None and refused["first_byte_seconds"] is None


def test_prompts_answers_and_keys_are_written_nowhere(used: RunningGateway) -> None:
    used.records(8)
    written = used.log.read_text(encoding="utf-8") + used.ask("GET", "/metrics/gateway", EYES).body.decode()
    assert "qwen3" in written
    for secret in (ALL, ONE, ENGINE_KEY, "PROMPT-TEXT", "token1", "WRONG-KEY", "SECRET-MODEL", "STRANGER"):
        assert secret not in written
    errors = used.errors.read_text(encoding="utf-8")
    assert not [secret for secret in (ALL, ONE, ENGINE_KEY, "PROMPT-TEXT", "WRONG-KEY") if secret in errors]


def test_no_process_of_it_names_a_key(used: RunningGateway) -> None:
    assert used.process
    for pid in (used.process.pid, *used.workers()):
        shown = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        assert not [secret for secret in (ALL, ENGINE_KEY) if secret.encode() in shown]


def test_counters_are_by_client_service_and_model(used: RunningGateway) -> None:
    used.records(8)
    page = used.ask("GET", "/metrics/gateway", EYES).body.decode()
    labels = 'client="all",service="chat",model="qwen3"'
    assert f'thor_gateway_requests_total{{{labels},status="200"}} 2\n' in page
    assert f"thor_gateway_prompt_tokens_total{{{labels}}} 18\n" in page
    assert f"thor_gateway_completion_tokens_total{{{labels}}} 6\n" in page
    assert f"thor_gateway_first_byte_seconds_count{{{labels}}} 2\n" in page
    assert 'thor_gateway_requests_total{client="all",service="down",model="down",status="503"} 1\n' in page
    assert 'thor_gateway_refused_total{client="one",reason="model_not_found"} 1\n' in page
    assert 'thor_gateway_active_requests{client="all"} 0\n' in page


def test_the_page_is_what_prometheus_reads(used: RunningGateway) -> None:
    answer = used.ask("GET", "/metrics/gateway", EYES)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    sample = re.compile(r'[a-z_]+\{([a-z]+="[^"]*",?)+\} -?[0-9.e+-]+')
    helped = set()
    for line in answer.body.decode().splitlines():
        if line.startswith("# "):
            helped.add(line.split()[2])
        else:
            assert sample.fullmatch(line), line
            name = line.split("{")[0]
            assert name in helped or re.sub("_(sum|count)$", "", name) in helped


def test_an_answer_without_a_count_costs_no_time(own_gateway: RunningGateway) -> None:
    def spent() -> float:
        shown = [Path(f"/proc/{pid}/schedstat").read_text(encoding="utf-8") for pid in own_gateway.workers()]
        return sum(int(line.split()[0]) for line in shown) / 1e9

    own_gateway.chat(ALL, "qwen3", stream=200, uncounted=True)
    before = spent()
    for _ in range(10):
        assert own_gateway.chat(ALL, "qwen3", stream=100, uncounted=True).status == 200
    assert all(record["prompt_tokens"] is None for record in own_gateway.records(11))
    assert spent() - before < 0.3


def test_counters_outlive_a_change_of_keys(own_gateway: RunningGateway) -> None:
    own_gateway.chat(ALL, "qwen3")
    own_gateway.records(1)
    own_gateway.reload()
    page = own_gateway.ask("GET", "/metrics/gateway", EYES).body.decode()
    assert 'model="qwen3",status="200"} 1\n' in page


def test_metrics_are_for_their_own_key_alone(used: RunningGateway, engine: Engine) -> None:
    refused = used.ask("GET", "/metrics/gateway", ALL)
    assert (refused.status, refused.error["code"]) == (403, "metrics_not_allowed")
    assert used.chat(EYES, "qwen3").status == 403
    page = used.ask("GET", "/metrics/chat", EYES)
    assert (page.status, page.body, engine.asked[-1].path) == (200, b"engine_metric 1\n", "/metrics")
    assert used.ask("GET", "/metrics/vectors", EYES).status == 200
    assert engine.asked[-1].headers["authorization"] == f"Bearer {ENGINE_KEY}"
    for path in ("/metrics/ears", "/metrics/nosuch", "/metrics/"):
        assert used.ask("GET", path, EYES).error["code"] == "unknown_path"
    assert used.ask("POST", "/metrics/chat", EYES, {}).status == 405


def test_a_full_disk_does_not_stop_it(own_gateway: RunningGateway) -> None:
    own_gateway.log.unlink()
    own_gateway.log.symlink_to("/dev/full")  # every write fails with ENOSPC
    own_gateway.reload()
    assert [own_gateway.chat(ALL, "qwen3").status for _ in range(5)] == [200] * 5
    assert "No space left on device" in own_gateway.errors.read_text(encoding="utf-8")


def test_a_log_that_was_moved_is_begun_anew(own_gateway: RunningGateway) -> None:
    assert own_gateway.process
    own_gateway.log.rename(own_gateway.log.with_suffix(".1"))
    own_gateway.process.send_signal(10)  # USR1, as logrotate's script sends it

    def begun() -> bool:
        own_gateway.chat(ALL, "qwen3")
        return own_gateway.log.exists() and own_gateway.log.read_text(encoding="utf-8") != ""

    gateway_run.wait_for(begun, "no new log")
    assert json.loads(own_gateway.log.read_text(encoding="utf-8").splitlines()[0])["model"] == "qwen3"
