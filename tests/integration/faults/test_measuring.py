# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The real bench.yml and report.yml against real servers: what is measured, judged and reported, and what can go wrong.

They need the host as the scenario default leaves it (THOR_FAULTS_HOST, see tests/support/sandbox_device.py): chat, eyes and speech.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients.load_generator import FASTEST_TOKENS_PER_S
from lost_connection import lost_connection
from sandbox_device import BIN, HOST, INVENTORY, ROOT, Device, eventually

PROGRESS = "/var/lib/thor/jobs/bench/progress.json"
SEEN = "/run/test-seen"  # how far the measurement was when the connection was lost, and when it came back
QUICK = {
    "bench_input_tokens": 256,
    "bench_output_tokens": 64,
    "bench_requests": 6,  # on a busy machine a single answer may arrive in one piece: the median must not be one of these
    "bench_concurrency": [1, 2],
    "bench_audio_seconds": 4,
}


@pytest.fixture(name="device", scope="module")
def _device() -> Device:
    return Device()


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of results, which grows from test to test."""
    folder: Path = tmp_path_factory.mktemp("results")
    return folder


def bench(folder: Path, playbook: str = "playbooks/bench.yml", **variables: Any) -> tuple[int, str]:
    """Run a playbook; its exit status, and its output on one line."""
    values = {**QUICK, "thor_bench_results": str(folder), **variables}
    limit = [] if playbook.endswith("report.yml") else ["-l", HOST]
    command = [str(BIN / "ansible-playbook"), "-i", INVENTORY, *limit, playbook, "-e", json.dumps(values)]
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def newest(folder: Path) -> dict[str, Any]:
    """The services of the newest result, by name."""
    document = json.loads(max(folder.glob("*.json")).read_text(encoding="utf-8"))
    assert document["host"] == HOST
    return {service["name"]: service for service in document["services"]}


def test_real_servers_are_measured_and_reported(device: Device, folder: Path) -> None:
    before = {name: device.engine(name) for name in ("chat", "eyes", "speech")}
    status, output = bench(folder)
    assert status == 0, output
    assert "changed=0" in output
    services = newest(folder)
    assert {name: service["state"] for name, service in services.items()} == dict.fromkeys(before, "measured")
    chat = services["chat"]["loads"][0]
    assert chat["input_tokens"] == pytest.approx(256, rel=0.1) and chat["output_tokens"] == 64
    assert 0 < chat["ttft_s"]["median"] < 5
    told, found = chat["engine_decode_tokens_per_s"]["median"], chat["decode_tokens_per_s"]["median"]
    assert told > 0 and found > 0, "within 2 % if a token takes 20 ms: tests/benchmarks/decode_rate.py"
    assert services["chat"]["engine_tool"]["state"] == "measured"
    assert {bool(one["output_tokens"]) for one in services["chat"]["engine_tool"]["tests"]} == {True, False}
    assert 0 < services["speech"]["loads"][0]["rtf"]["median"] < 2
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "tiny-llama-cpp" in page and "whisper-tiny-en-whisper-cpp" in page and HOST in page
    assert HOST in (folder / "report.md").read_text(encoding="utf-8")
    assert {name: device.engine(name) for name in before} == before, "running services keep serving"


def test_a_slow_host_fails_the_play_and_the_baseline_is_named(device: Device, folder: Path) -> None:
    del device
    # Faster than anything that a measurement accepts: what this machine reaches differs tenfold from one minute to the next.
    file = max(folder.glob("*.json"))
    measured = file.read_text()
    document = json.loads(measured)
    for load in document["services"][0]["loads"]:
        load["decode_tokens_per_s"] = dict.fromkeys(load["decode_tokens_per_s"], 10 * FASTEST_TOKENS_PER_S)
    assert document["services"][0]["name"] == "chat"
    file.write_text(json.dumps(document))
    status, output = bench(folder, bench_services=["chat"])
    file.write_text(measured)
    assert status != 0, output
    assert "THOR-BENCH-SLOW: thor_services[chat]" in output and "that this host had earlier" in output
    assert "Likely causes:" in output
    status, output = bench(folder, "playbooks/report.yml")
    assert status == 0, "a report judges nobody"
    assert HOST in output


def test_a_service_that_dies_in_between_is_reported_and_the_other_figures_stand(device: Device, folder: Path) -> None:
    def kill() -> None:
        # As soon as the job measures it.
        eventually(lambda: "chat: request" in device.host.run(f"cat {PROGRESS}").stdout, 120)
        device.run(f"kill -9 {device.engine('chat')}")

    killer = threading.Thread(target=kill)
    killer.start()
    status, output = bench(folder, bench_requests=400, bench_concurrency=[1], bench_services=["chat", "eyes"])
    killer.join()
    assert status != 0
    services = newest(folder)
    assert services["chat"]["state"] == "failed" and services["eyes"]["state"] == "measured"
    assert 0 < services["chat"]["loads"][0]["failed"] < 400
    assert services["chat"]["loads"][0]["decode_tokens_per_s"]["median"] > 0
    assert "THOR-BENCH-FAILED: thor_services[chat]" in output
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "failed" in page
    eventually(lambda: device.show("thor-chat.service", "ActiveState") == "active")


def test_a_temporarily_lost_connection_does_not_affect_the_measurement(device: Device, folder: Path) -> None:
    engine, number = device.engine("chat"), "sed -n 's/.*chat: request \\([0-9]*\\) of.*/\\1/p' " + PROGRESS
    # The engine stands still until the connection is lost: the measurement cannot be over by then.
    begun = f"systemctl is-active --quiet thor-job-bench && {number} | grep -q ."
    first = f"until {begun}; do sleep 0.1; done; kill -STOP {engine}; {number} > {SEEN}"
    meanwhile = f"kill -CONT {engine}; sleep 10; {number} >> {SEEN}"
    try:
        with lost_connection(HOST, meanwhile, first):
            status, output = bench(
                folder, bench_requests=200, bench_concurrency=[1], bench_services=["chat"], thor_bench_floor=0.01
            )
    finally:
        device.host.run(f"kill -CONT {engine}")
    assert "no connection; retrying" in output
    assert status == 0, output
    at_first, *at_last = map(int, device.run(f"cat {SEEN}; rm {SEEN}").split())
    assert not at_last or at_last[0] > at_first, "the measurement went on without a connection, if not to its end"
    load = newest(folder)["chat"]["loads"][0]
    assert (load["failed"], load["requests"]) == (0, 200)


def test_invalid_settings_are_refused_before_anything_is_measured(folder: Path) -> None:
    kept = sorted(folder.glob("*.json"))
    status, output = bench(folder, thor_bench_floor=90)
    assert status != 0 and "thor_bench_floor = 90.0: " in output
    status, output = bench(folder, bench_requests=0, bench_concurrency=[0])
    assert status != 0
    assert "bench_requests = 0: " in output and "bench_concurrency[0] = 0: " in output, "all problems at once"
    assert sorted(folder.glob("*.json")) == kept


def test_a_hanging_endpoint_costs_its_timeout_and_no_more(device: Device, folder: Path) -> None:
    engine = device.engine("chat")
    device.run(f"kill -STOP {engine}")
    begin = time.monotonic()
    try:
        status, output = bench(folder, bench_services=["chat"], bench_request_timeout=3)
    finally:
        device.host.run(f"kill -CONT {engine}")
    assert status != 0 and "THOR-BENCH-FAILED" in output and "did not answer within 3 s" in output
    assert time.monotonic() - begin < 60
    eventually(lambda: device.show("thor-chat.service", "ActiveState") == "active")


def test_a_result_of_another_version_of_the_schema_is_named(device: Device, folder: Path) -> None:
    del device
    old = folder / "thor99-20200101T000000Z.json"
    old.write_text('{"schema": 0, "host": "thor99"}')
    status, output = bench(folder, "playbooks/report.yml")
    assert status != 0 and "THOR-RESULT-SCHEMA" in output and old.name in output
    # The new measurements are still reported, and the file is named.
    status, output = bench(folder, bench_services=["chat"], bench_concurrency=[1], thor_bench_floor=0.01)
    assert status == 0, output
    assert "THOR-RESULT-SCHEMA" in output
    assert old.name in (folder / "report.html").read_text(encoding="utf-8")
    old.unlink()


def test_an_unknown_service_is_refused(device: Device, folder: Path) -> None:
    del device
    status, output = bench(folder, bench_services=["chta"])
    assert status != 0 and "THOR-BENCH-SERVICE" in output and "chta" in output and "chat, speech, eyes" in output
