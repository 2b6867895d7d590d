# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""When the role metrics is due, and what it puts on a host."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.observe import metrics as observed
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.routes import NODE_EXPORTER_PORT
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import metrics
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.metrics import MetricsSettings

ON, OFF = MetricsSettings(enabled=True), MetricsSettings()
CHAT = {"name": "chat", "unit": "thor-chat.service"}
SOMEBODY = {"address": "0.0.0.0", "port": 9100, "pid": 7, "process": "node_exporter", "unit": None}


def host(files: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    there = {"timer": False, "exporter": False, "installed": False, "textfiles": False, **changes}
    return {"metrics": {"files": files or {}, **there}, "listening": []}


def measured(**changes: Any) -> dict[str, Any]:
    """A host in the desired state."""
    files = metrics.files([CHAT], host(), ON)
    sums = {one.path: hashlib.sha256(one.content.encode()).hexdigest() for one in files}
    return host(sums, **{"timer": True, "exporter": True, "installed": True, "textfiles": True, **changes})


def told(found: dict[str, Any], settings: MetricsSettings = ON) -> list[str]:
    return [f"{step.kind} {step.subject}" for step in metrics.share([CHAT], found, settings).steps]


def test_a_fresh_host_gets_all_of_it() -> None:
    share = metrics.share([CHAT], host(), ON)
    assert told(host()) == ["install node exporter", "write metrics", "start thor-metrics.timer"]
    assert share.section == {"state": "present", "install": True, "exporter": True}
    assert told({}) == ["install metrics"], "before anybody has looked"


def test_a_host_that_is_measured_has_nothing_to_do() -> None:
    assert told(measured()) == []


@pytest.mark.parametrize(
    ("change", "step"),
    [({"timer": False}, "start thor-metrics.timer"), ({"exporter": False}, "start prometheus-node-exporter")],
)
def test_what_does_not_run_is_started(change: dict[str, Any], step: str) -> None:
    assert told(measured(**change)) == [step]


def test_another_service_or_an_old_file_is_a_reason_to_write() -> None:
    found = measured()
    assert [step.kind for step in metrics.share([CHAT, {**CHAT, "name": "x"}], found, ON).steps] == ["write"]
    found["metrics"]["files"][f"{observed.PROGRAM}/old.py"] = "0"
    (step,) = metrics.share([CHAT], found, ON).steps
    assert step.reason == f"{observed.PROGRAM}/old.py"


def test_off_removes_what_was_there_and_nothing_else() -> None:
    assert told(host(), OFF) == [] and told({}, OFF) == []
    assert told(measured(), OFF) == ["remove metrics"]
    assert metrics.share([CHAT], measured(), OFF).section["state"] == "absent"


def test_an_exporter_of_a_person_stays_and_shows_our_file() -> None:
    theirs = host(installed=True, exporter=True, textfiles=True)
    share = metrics.share([CHAT], theirs, ON)
    assert share.section == {"state": "present", "install": False, "exporter": False}
    assert "stays as it is" in share.notes[0]
    files = {one.path: one.content for one in metrics.files([CHAT], theirs, ON)}
    assert observed.DROP_IN not in files
    assert json.loads(files[observed.CONFIGURATION])["textfile"] == "/var/lib/prometheus/node-exporter/thor.prom"


def test_whatever_else_has_the_port_stays_and_a_note_says_what_to_do() -> None:
    theirs = {**host(), "listening": [SOMEBODY]}
    share = metrics.share([CHAT], theirs, ON)
    assert "install node exporter" not in told(theirs)
    assert "node_exporter has port 9100" in share.notes[0] and "--collector.textfile.directory" in share.notes[0]


def test_a_run_that_was_interrupted_before_the_package_came_goes_on() -> None:
    (drop_in,) = (one for one in metrics.files([], host(), ON) if one.path == observed.DROP_IN)
    begun = host({observed.DROP_IN: hashlib.sha256(drop_in.content.encode()).hexdigest()})
    assert metrics.share([], begun, ON).section == {"state": "present", "install": True, "exporter": True}


def test_our_exporter_listens_on_loopback_alone() -> None:
    (drop_in,) = (one for one in metrics.files([], host(), ON) if one.path == observed.DROP_IN)
    lines = [line for line in drop_in.content.splitlines() if line.startswith("ExecStart=")]
    assert lines[0] == "ExecStart=" and len(lines) == 2, "the distribution's own command is dropped"
    assert f"--web.listen-address=127.0.0.1:{NODE_EXPORTER_PORT} " in drop_in.content


def test_a_service_on_demand_is_told_so() -> None:
    files = {one.path: one.content for one in metrics.files([{**CHAT, "on_demand": {"idle": 1}}], host(), ON)}
    (service,) = json.loads(files[observed.CONFIGURATION])["services"]
    assert service == {"name": "chat", "unit": "thor-chat.service", "on_demand": True, "floor_share": 0.9}


@pytest.mark.parametrize(("written", "is_on"), [(True, True), ("yes", True), ("no", False), ("perhaps", False)])
def test_a_switch_is_read_as_ansible_reads_it(written: Any, is_on: bool) -> None:
    given = {"enabled": written, "bench_floor": 0.9, "facts_root": ""}
    assert MetricsSettings.of(given).enabled is is_on
