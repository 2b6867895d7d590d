# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The real Prometheus reads a host through the real nginx: every rule works, every query of the dashboard finds something.

Doubles: the engine, with metrics named as llama.cpp names them; sensors (sensor_files.py), systemd's answer, verify's and bench's records.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import gateway_run
import nvpmodel
import prometheus
import pytest
import recording_engine
import resolved
from ansible_collections.jetson.thor.plugins.module_utils import records, systemd
from ansible_collections.jetson.thor.plugins.module_utils.metrics import services, textfile
from ansible_collections.jetson.thor.plugins.module_utils.observe import nvidia_smi
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import routes
from playbook_run import play
from sensor_files import THOR, write

ROBOT, EYES = "robot-" + "a" * 20, "eyes-" + "b" * 20
UNIT = {"ActiveState": "active", "SubState": "running", "NRestarts": "0", "ActiveEnterTimestampMonotonic": "1000000"}
STATUS = "serving x; last answer in 0.123 s at 2026-11-26T12:00:00Z"


def page() -> bytes:
    """What llama.cpp shows (tools/server/server-context.cpp), for 20 tokens a second."""
    lines = {
        "llamacpp:tokens_predicted_total": 20 * time.monotonic(),
        "llamacpp:tokens_predicted_seconds_total": time.monotonic(),
        "llamacpp:requests_processing": 1,
        "llamacpp:requests_deferred": 0,
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items()).encode()


@pytest.fixture
def textfiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the timer's program writes on a device that offers everything."""
    device, last = tmp_path / "device", tmp_path / "last"
    write(device, THOR)
    last.mkdir()
    nvpmodel.install(tmp_path, monkeypatch)
    (tmp_path / "mode").write_text("MAXN")
    verified = {"name": "chat", "ok": True, "seconds": 0.5, "tokens_per_second": 48}
    benched = {"name": "chat", "loads": [{"concurrency": 1, "decode_tokens_per_s": {"median": 50}}]}
    for name, result in {"verify": verified, "bench": benched}.items():
        records.write(last / f"{name}.json", {"at": time.time(), "results": [result]})
    monkeypatch.setattr(services, "LAST", last)
    monkeypatch.setattr(nvidia_smi, "load", lambda: 0.37)
    monkeypatch.setattr(systemd, "observe", lambda units, *_: {unit: {**UNIT, "StatusText": STATUS} for unit in units})
    monkeypatch.setattr(textfile, "CONFIGURATION", tmp_path / "metrics.json")
    monkeypatch.setattr(textfile, "CERTIFICATE", tmp_path / "tls.crt")
    (tmp_path / "tls.crt").write_text(Path(gateway_run.write_certificate(tmp_path)[0]).read_text())
    chat = {"name": "chat", "unit": "thor-chat.service", "on_demand": False, "floor_share": 0.9}
    found = tmp_path / "textfiles"
    found.mkdir()
    records.write(
        tmp_path / "metrics.json",
        {"textfile": str(found / "thor.prom"), "facts_root": str(device), "services": [chat]},
    )
    assert textfile.main() == 0
    return found


def configure(folder: Path, port: int, certificate: str) -> Path:
    """The folder that playbooks/monitoring.yml writes, faster than it is on a device."""
    host = {"ansible_host": "localhost", "thor_gateway": {"port": port}, "thor_metrics": True}
    profiles = [{"profile": "qwen3-8b-q5-k-m-llama-cpp", "name": "chat"}]
    inventory = {"thor": {"hosts": {"thor01": {**host, "thor_profiles": profiles}}}}
    (folder / "hosts.yml").write_text(json.dumps(inventory), encoding="utf-8")
    where = f"thor_monitoring_dir={folder}/monitoring"
    done = play("playbooks/monitoring.yml", "-e", where, inventory=str(folder / "hosts.yml"), timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    written = folder / "monitoring"
    (written / "metrics.key").write_text(EYES)
    (written / "ca.crt").write_text(Path(certificate).read_text())
    text = (written / "prometheus.yml").read_text()
    assert text.count("30s") == 2
    (written / "prometheus.yml").write_text(text.replace("30s", "1s"))
    return written


def test_prometheus_sees_it_all(tmp_path: Path, textfiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as stack:
        node, _pid = stack.enter_context(prometheus.node_exporter(textfiles))
        monkeypatch.setattr(routes, "NODE_EXPORTER", node)
        engine = stack.enter_context(recording_engine.running())
        engine.page = page
        profile = {"profile": resolved.LLAMA, "name": "chat", "served_name": "chat", "port": engine.server_port}
        served = resolved.services(profile, metrics=True)
        clients = [
            gateway_run.client("robot7", ROBOT, models=None),
            gateway_run.client("prometheus", EYES, metrics=True),
        ]
        gateway = stack.enter_context(gateway_run.running(served, clients))
        address = stack.enter_context(prometheus.server(configure(tmp_path, gateway.port, gateway.gateway.certificate)))
        found: list[str] = ["everything"]
        for _ in range(30):
            assert gateway.chat(ROBOT).status == 200
            assert gateway.chat("nobody-" + "c" * 20).status == 401
            time.sleep(1)
            found = prometheus.lacking(address, prometheus.queries())
            if not found:
                break
        assert found == []
        targets = prometheus.ask(address, "targets")["activeTargets"]
        assert {(one["labels"]["job"], one["health"]) for one in targets} == {
            ("thor-node", "up"),
            ("thor-gateway", "up"),
            ("thor-service", "up"),
        }
        groups = prometheus.ask(address, "rules")["groups"]
        assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
        # What is asked for in vain elsewhere: 20 tokens a second, and a floor of 45.
        (slow,) = prometheus.ask(address, "query", query="thor:service_tokens_per_second")["result"]
        assert (slow["metric"]["instance"], slow["metric"]["service"]) == ("thor01", "chat")
        assert float(slow["value"][1]) == pytest.approx(20, rel=0.05)
        # The gateway's own certificate in this test is one of two days.
        expected = {"ThorServiceSlow", "ThorCertificateEnds"}
        deadline = time.monotonic() + 60
        while (told := alerts(address)) != expected and time.monotonic() < deadline:
            assert textfile.main() == 0  # what the timer does every minute
            time.sleep(1)
        assert told == expected


def alerts(address: str) -> set[str]:
    """The alerts whose condition holds now; rules_test.yml tests for how long it has to.

    The disk is this machine's, and other tests may be filling it.
    """
    rules = [rule for group in prometheus.ask(address, "rules")["groups"] for rule in group["rules"]]
    return {
        rule["name"]
        for rule in rules
        if rule["type"] == "alerting"
        and rule["name"] != "ThorDiskFull"
        and prometheus.ask(address, "query", query=rule["query"])["result"]
    }
