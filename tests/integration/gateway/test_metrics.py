# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The distribution's Prometheus, on another machine, reads the host through its gateway; every query of the dashboard finds something.

A sandbox host has no sensors, nvidia-smi or nvpmodel, and nobody has measured it: for these tests it gets stand-ins, which go again.
"""

from __future__ import annotations

import json
import shlex
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import client_machine
import gateway_scene
import playbook_run
import prometheus
import pytest
from sensor_files import THOR

FOLDER = "prometheus"
API = "http://127.0.0.1:9090/api/v1"
STAND_INS = {
    "/usr/local/bin/nvidia-smi": "#!/bin/sh\necho 37\n",
    "/usr/local/bin/nvpmodel": "#!/bin/sh\necho 'NV Power Mode: MAXN'\necho 0\n",
}
BENCH = "/var/lib/thor/last/bench.json"
RATE = {"concurrency": 1, "decode_tokens_per_s": {"median": 1.0}}
RESULT = {"name": "chat", "state": "measured", "ok": True, "wrong": [], "loads": [RATE]}


def sudo(host: Any, command: str) -> str:
    """The output of a command as root, which must succeed."""
    done = host.run(f"sudo sh -euc {shlex.quote(command)}")
    assert done.rc == 0, done.stdout + done.stderr
    return str(done.stdout)


# Before the stand-ins are there, which the plan would take for a device's own tools.
@pytest.mark.usefixtures("host")  # which keeps the order of the tests
def test_a_host_that_is_measured_has_nothing_to_do(tmp_path: Path) -> None:
    inventories = gateway_scene.INVENTORIES
    plan = tmp_path / "plan.json"
    options = [
        *inventories[2:],
        "-l",
        gateway_scene.HOST,
        "-e",
        "thor_plan_contact=true",
        "-e",
        f"thor_plan_file={plan}",
    ]
    done = playbook_run.play("playbooks/plan.yml", *options, inventory=inventories[1], timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "prometheus-node-exporter" not in done.stdout and "thor-metrics" not in done.stdout


def test_the_exporter_listens_on_loopback_alone(host: Any) -> None:
    sockets = sudo(host, "ss -Hltn sport = :9100").split()
    assert [word for word in sockets if word.endswith(":9100")] == ["127.0.0.1:9100"]


def test_what_the_units_may_is_limited(host: Any) -> None:
    for unit, limit in {"thor-metrics.service": 3.0, "prometheus-node-exporter.service": 5.5}.items():
        said = sudo(host, f"systemd-analyze security --no-pager {unit} | tail -n 1")
        exposure = float(said.split("level for")[1].split(":")[1].split()[0])
        assert exposure <= limit, said


@pytest.mark.usefixtures("host")  # which keeps the order of the tests
def test_a_client_with_models_reads_no_metrics_and_one_with_metrics_asks_nothing() -> None:
    gateway_scene.set_up()
    status = "curl -sS -o /dev/null -w '%{http_code}' --cacert thor-ca.crt"
    base = f"https://{gateway_scene.NAME}"
    keys = {name: f"-H 'Authorization: Bearer {gateway_scene.key(name)}'" for name in ("robot7", "prometheus")}
    assert client_machine.check(f"{status} {keys['prometheus']} {base}/metrics/node") == "200"
    assert client_machine.check(f"{status} {keys['robot7']} {base}/metrics/node") in ("403", "404")
    assert client_machine.check(f"{status} {base}/metrics/node") == "401"
    body = '-H \'Content-Type: application/json\' -d \'{"model": "chat", "messages": []}\''
    refused = client_machine.check(f"{status} {keys['prometheus']} {body} {base}/v1/chat/completions")
    assert refused in ("403", "404")


@pytest.fixture(scope="module")
def device(host: Any) -> Iterator[Any]:
    """The host, with sensors."""
    before = sudo(host, f"cat {BENCH} 2>/dev/null || :")
    files = {f"/opt/facts/{name}": f"{value}\n" for name, value in THOR.items() if not name.startswith("proc/")}
    record = json.dumps({"schema": 1, "at": time.time(), "results": [RESULT]})
    lines = [f"install -D -m 755 /dev/null {path}\n" for path in STAND_INS]
    lines += [f"install -D -m 644 /dev/null {path}\n" for path in [*files, BENCH]]
    lines += [
        f"printf %s {shlex.quote(text)} > {path}\n" for path, text in {**files, **STAND_INS, BENCH: record}.items()
    ]
    sudo(host, "".join(lines))
    sudo(host, "systemctl start thor-metrics.service")
    yield host
    sudo(host, f"rm -rf /opt/facts/sys {' '.join(STAND_INS)} {BENCH}")
    if before:
        sudo(host, f"printf %s {shlex.quote(before)} > {BENCH}")
    sudo(host, "systemctl start thor-metrics.service")


@pytest.fixture(scope="module")
def server(device: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Prometheus on the client, with what playbooks/monitoring.yml writes, faster than it is on a device."""
    del device
    gateway_scene.set_up()
    folder = tmp_path_factory.mktemp("monitoring")
    arguments = [*gateway_scene.INVENTORIES[2:], "-l", gateway_scene.HOST, "-e", f"thor_monitoring_dir={folder}"]
    done = playbook_run.play(
        "playbooks/monitoring.yml", *arguments, inventory=gateway_scene.INVENTORIES[1], timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    client_machine.check(f"rm -rf {FOLDER} && mkdir {FOLDER}")
    for path in (folder / "prometheus.yml", folder / "targets.json", folder / "rules.yml"):
        client_machine.write(f"{FOLDER}/{path.name}", path.read_text(encoding="utf-8").replace(": 30s", ": 2s"))
    client_machine.write(f"{FOLDER}/metrics.key", gateway_scene.key("prometheus"))
    client_machine.write(f"{FOLDER}/ca.crt", gateway_scene.CA.read_text(encoding="utf-8"))
    options = "--config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address=127.0.0.1:9090"
    client_machine.check(
        f"cd {FOLDER} && promtool check config prometheus.yml && "
        f"(setsid prometheus {options} > log 2>&1 < /dev/null & echo $! > pid) && "
        "for _ in $(seq 60); do curl -sf http://127.0.0.1:9090/-/ready && exit 0; sleep 0.5; done; cat log; exit 1"
    )
    yield
    client_machine.check(f"kill $(cat {FOLDER}/pid)")


def ask(path: str, **parameters: str) -> Any:
    """The data of an answer of Prometheus' API."""
    address = f"{API}/{path}?{urllib.parse.urlencode(parameters)}"
    return json.loads(client_machine.check(f"curl -sS {shlex.quote(address)}"))["data"]


def lacking() -> list[str]:
    """The queries of the dashboard that find nothing, all asked in one go."""
    queries = prometheus.queries()
    addresses = [f"{API}/query?{urllib.parse.urlencode({'query': query})}" for query in queries]
    lines = "".join(f"curl -sS {shlex.quote(address)}; echo\n" for address in addresses)
    answers = client_machine.check(lines).splitlines()
    return [query for query, answer in zip(queries, answers, strict=True) if not json.loads(answer)["data"]["result"]]


@pytest.mark.usefixtures("server")
def test_every_query_of_the_dashboard_finds_something() -> None:
    door = gateway_scene.Door(gateway_scene.key("robot7"))
    url = shlex.quote(f"{door.url}/chat/completions")
    body = shlex.quote('{"model": "chat", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 32}')
    chat = f"curl -sS --cacert thor-ca.crt -H 'Content-Type: application/json' -d {body} {url}"
    found: list[str] = []
    client_machine.check(f"{chat} -H 'Authorization: Bearer nobody-0123456789-0123456789' | grep -q error")
    for _ in range(25):
        client_machine.check(f"{chat} -H 'Authorization: Bearer {door.key}' | grep -q usage")
        time.sleep(2)
        found = lacking()
        if not found:
            break
    assert found == []


@pytest.mark.usefixtures("server")
def test_prometheus_reaches_every_page_and_every_rule_works() -> None:
    found = {one["scrapeUrl"]: (one["health"], one["lastError"]) for one in ask("targets")["activeTargets"]}
    # whisper.cpp has no metrics, and a service that is asleep does not answer.
    pages = ["node", "gateway", "chat", "caller", "eyes", "embedder"]
    addresses = [f"https://{gateway_scene.HOST}:443/metrics/{page}" for page in pages]
    assert {address: found.get(address) for address in addresses} == dict.fromkeys(addresses, ("up", ""))
    groups = ask("rules")["groups"]
    assert {
        (rule["name"], rule["health"]) for group in groups for rule in group["rules"] if rule["health"] != "ok"
    } == set()
