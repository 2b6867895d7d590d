# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The role monitoring: what it writes, judged by Prometheus' own tool, and whether its queries name what is really there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import prometheus
import pytest
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.metrics.exposition import FAMILIES, Sample, text

ROOT = prometheus.ROOT
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(prometheus.RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]
# What engines show, by where it is read: tools/server/server-context.cpp of llama.cpp 0c1e570, v1/metrics/loggers.py of vLLM 0.32.0 and
# 0.10.2, srt/metrics/collector.py of SGLang.
ENGINES = {
    *("llamacpp:tokens_predicted_total", "llamacpp:tokens_predicted_seconds_total"),
    *("llamacpp:requests_processing", "llamacpp:requests_deferred"),
    *("vllm:num_requests_running", "vllm:num_requests_waiting"),
    *("vllm:inter_token_latency_seconds_sum", "vllm:inter_token_latency_seconds_count"),
    *("vllm:time_per_output_token_seconds_sum", "vllm:time_per_output_token_seconds_count"),
    *("sglang:inter_token_latency_seconds_sum", "sglang:inter_token_latency_seconds_count"),
    *("sglang:num_running_reqs", "sglang:num_queue_reqs"),
}
INVENTORY: dict[str, Any] = {
    "thor": {
        "vars": {"thor_metrics": True, "thor_gateway": True, "thor_profiles": ["qwen3-8b-q5-k-m-llama-cpp"]},
        "hosts": {
            "thor01": {"ansible_host": "192.0.2.1"},
            "thor02": {
                "ansible_host": "2001:db8::2",
                "thor_gateway": {"port": 8443},
                "thor_profiles": [
                    {"profile": "qwen3-8b-vllm", "name": "chat"},
                    {"profile": "whisper-large-v3-turbo-whisper-cpp", "name": "ear"},
                ],
            },
            "thor03": {"thor_gateway": False},
            "thor04": {"thor_metrics": False},
        },
    }
}


def run(folder: Path, inventory: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
    """Run playbooks/monitoring.yml."""
    (folder / "hosts.yml").write_text(json.dumps(inventory), encoding="utf-8")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "LC_ALL": "C.UTF-8"}
    program = Path(sys.executable).with_name("ansible-playbook")
    command = [str(program), "-i", "hosts.yml", str(ROOT / "playbooks/monitoring.yml"), *options]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inventory")
    done = run(folder, INVENTORY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"thor01 .* changed=3 ", done.stdout), "the folder, and two tasks with two files each"
    return folder / "monitoring"


def test_each_page_of_a_host_is_a_target(written: Path) -> None:
    found = json.loads((written / "targets.json").read_text())
    assert [(one["targets"][0], one["labels"]["job"], one["labels"]["__metrics_path__"]) for one in found] == [
        ("192.0.2.1:443", "thor-node", "/metrics/node"),
        ("192.0.2.1:443", "thor-gateway", "/metrics/gateway"),
        ("192.0.2.1:443", "thor-service", "/metrics/qwen3-8b-q5-k-m-llama-cpp"),
        ("[2001:db8::2]:8443", "thor-node", "/metrics/node"),
        ("[2001:db8::2]:8443", "thor-gateway", "/metrics/gateway"),
        ("[2001:db8::2]:8443", "thor-service", "/metrics/chat"),
    ]
    assert {one["labels"]["instance"] for one in found} == {"thor01", "thor02"}
    assert found[-1]["labels"]["service"] == "chat" and "service" not in found[0]["labels"]


def test_prometheus_accepts_configuration_and_rules(written: Path) -> None:
    # Only that the files exist is checked of them.
    for name in ("ca.crt", "metrics.key"):
        (written / name).write_text("x")
    said = prometheus.promtool("check", "config", "prometheus.yml", folder=written)
    assert f"{len(RULES)} rules found" in said and "SUCCESS" in said


def test_a_second_run_changes_nothing(written: Path) -> None:
    done = run(written.parent, INVENTORY)
    assert done.returncode == 0 and not re.search(r"changed=[1-9]", done.stdout), done.stdout


def test_check_mode_writes_nothing_and_shows_all(tmp_path: Path) -> None:
    done = run(tmp_path, INVENTORY, "--check", "--diff")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ThorServiceDown" in done.stdout and not (tmp_path / "monitoring").exists()


def test_certificates_that_are_trusted_anyway_need_no_file(tmp_path: Path) -> None:
    done = run(tmp_path, INVENTORY, "-e", "monitoring_ca_file=''", "-e", "monitoring_key_file=/etc/prometheus/thor.key")
    assert done.returncode == 0, done.stdout + done.stderr
    (scrape,) = yaml.safe_load((tmp_path / "monitoring/prometheus.yml").read_text())["scrape_configs"]
    assert "tls_config" not in scrape
    assert scrape["authorization"] == {"type": "Bearer", "credentials_file": "/etc/prometheus/thor.key"}


def test_an_inventory_without_anything_to_reach_is_refused(tmp_path: Path) -> None:
    hosts = {"thor01": {"thor_profiles": [], "thor_metrics": True}}
    done = run(tmp_path, {"thor": {"hosts": hosts}})
    assert done.returncode != 0 and "THOR-MONITORING-NONE" in done.stdout and "Traceback" not in done.stdout
    assert not (tmp_path / "monitoring").exists()


def test_rules_say_what_they_should_and_are_silent_otherwise() -> None:
    said = prometheus.promtool("test", "rules", "rules_test.yml", folder=Path(__file__).parent)
    assert "SUCCESS" in said


def test_every_alert_is_tested() -> None:
    tested = yaml.safe_load(Path(__file__).with_name("rules_test.yml").read_text(encoding="utf-8"))["tests"]
    fired = {case["alertname"] for one in tested for case in one.get("alert_rule_test", ()) if case.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in RULES if "alert" in rule}


def gateway_families() -> set[str]:
    """What the gateway's page has, from its program."""
    source = (ROOT / "roles/gateway/files/lua/counters.lua").read_text(encoding="utf-8")
    found = re.findall(r'{ "(\w+)", "(counter|summary)"', source)
    assert len(found) > 4
    pages = set(re.findall(r"# TYPE (thor_gateway_\w+) ", source))
    for name, kind in found:
        pages |= {f"thor_gateway_{name}{end}" for end in (("",) if kind == "counter" else ("_sum", "_count"))}
    return pages


@pytest.fixture(scope="module")
def node_families(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What the real node exporter shows with our options, a file of ours among it."""
    folder = tmp_path_factory.mktemp("textfiles")
    samples = [Sample(name, 1.5, {"zone": 'a"\\b'}) for name in FAMILIES]
    (folder / "thor.prom").write_text(text(samples), encoding="utf-8")
    with prometheus.node_exporter(folder) as (address, _process):
        page = prometheus.fetched(f"http://{address}/metrics")
    return set(re.findall(r"^(\w+)(?:\{.*\})? \S+$", page, re.MULTILINE))


def test_every_query_names_metrics_that_are_there(node_families: set[str]) -> None:
    there = node_families | gateway_families() | ENGINES | {"up"}
    there |= {rule["record"] for rule in RULES if "record" in rule}
    asked = prometheus.names([*(rule["expr"] for rule in RULES), *prometheus.queries()])
    assert asked - there == set()
    assert set(FAMILIES) - node_families == set(), "the real exporter shows each family of ours"
    # Each family is looked at somewhere, but for those that only explain others.
    assert set(FAMILIES) - asked <= {"thor_service_answered_seconds", "thor_service_start_seconds"}


def test_the_exporter_shows_only_what_is_looked_at(node_families: set[str]) -> None:
    assert not [name for name in node_families if name.startswith(("go_", "process_", "node_systemd", "node_arp"))]


def test_promtool_likes_our_names() -> None:
    samples = [Sample(name, 1) for name in FAMILIES]
    said = prometheus.promtool("check", "metrics", text=text(samples))
    assert said.strip() == ""


def test_the_dashboard_asks_for_something_in_every_chart() -> None:
    panels = json.loads(prometheus.DASHBOARD.read_text(encoding="utf-8"))["panels"]
    charts = [panel for panel in panels if panel["type"] != "row"]
    assert len(charts) > 20 and all(panel["targets"] for panel in charts)
