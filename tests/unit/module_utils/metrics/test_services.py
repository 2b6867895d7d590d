# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The metrics of services: what systemd says, and what verify and bench saw last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import systemd
from ansible_collections.jetson.thor.plugins.module_utils.metrics import services

CHAT = {"name": "chat", "unit": "thor-chat.service", "on_demand": False, "floor_share": 0.9}
NIGHT = {"name": "night", "unit": "thor-night.service", "on_demand": True, "floor_share": 0.9}
RUNS = {"ActiveState": "active", "SubState": "running", "NRestarts": "2", "ActiveEnterTimestampMonotonic": "1000000"}
BENCH = {"name": "chat", "loads": [{"concurrency": 8}, {"concurrency": 1, "decode_tokens_per_s": {"median": 50.0}}]}


def seen(
    monkeypatch: pytest.MonkeyPatch, last: Path, units: dict[str, Any], *given: dict[str, Any]
) -> dict[str, float]:
    """The samples by name and labels, the states that are 0 left out."""
    monkeypatch.setattr(systemd, "observe", lambda names, *_: {name: units[name] for name in names if name in units})
    samples = list(services.samples(given, last))
    return {
        " ".join([one.name.removeprefix("thor_service_"), *one.labels.values()]): one.value
        for one in samples
        if one.value or one.name != "thor_service_state"
    }


def test_a_service_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = seen(monkeypatch, tmp_path, {"thor-chat.service": RUNS}, CHAT)
    assert found.pop("start_seconds chat") > 1_000_000_000
    assert found == {"up chat": 1, "state chat running": 1, "restarts_total chat": 2}


@pytest.mark.parametrize(
    ("active", "sub", "socket", "state", "up"),
    [
        ("inactive", "dead", "active", "asleep", 1),
        ("inactive", "dead", "inactive", "stopped", 0),
        ("failed", "failed", "active", "failed", 0),
        ("activating", "auto-restart", "active", "restarting", 0),
        ("activating", "start", "active", "starting", 0),
        ("deactivating", "stop-sigterm", "active", "stopping", 0),
        ("active", "running", "active", "running", 1),
    ],
)
def test_a_service_on_demand_that_sleeps_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, active: str, sub: str, socket: str, state: str, up: int
) -> None:
    units = {
        "thor-night.service": {"ActiveState": active, "SubState": sub},
        "thor-night.socket": {"ActiveState": socket},
    }
    found = seen(monkeypatch, tmp_path, units, NIGHT)
    assert (found[f"state night {state}"], found["up night"]) == (1, up)


def test_a_service_that_is_not_on_demand_does_not_sleep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    units = {"thor-chat.service": {"ActiveState": "inactive"}, "thor-chat.socket": {"ActiveState": "active"}}
    assert seen(monkeypatch, tmp_path, units, CHAT)["up chat"] == 0


def test_the_last_answer_is_the_later_one_of_supervisor_and_verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = "serving x on 127.0.0.1:8000, first answer after 7 s; last answer in 0.123 s at 2026-11-26T12:00:00Z"
    units = {"thor-chat.service": {**RUNS, "StatusText": status}}
    found = seen(monkeypatch, tmp_path, units, CHAT)
    assert (found["answer_seconds chat"], found["answered_seconds chat"]) == (0.123, 1795694400)
    verified = {"name": "chat", "ok": True, "seconds": 2.5, "tokens_per_second": 48.5}
    (tmp_path / "verify.json").write_text(json.dumps({"at": 1795694500, "results": [verified]}))
    found = seen(monkeypatch, tmp_path, units, CHAT)
    assert (found["answer_seconds chat"], found["tokens_per_second chat verify"]) == (2.5, 48.5)
    wrong = {"at": 1795694500, "results": [{**verified, "ok": False}]}
    (tmp_path / "verify.json").write_text(json.dumps(wrong))
    found = seen(monkeypatch, tmp_path, units, CHAT)
    assert found["answer_seconds chat"] == 0.123 and "tokens_per_second chat verify" not in found


def test_the_floor_is_a_share_of_what_bench_measured_for_one_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bench.json").write_text(json.dumps({"at": 1.5, "results": [BENCH]}))
    found = seen(monkeypatch, tmp_path, {"thor-chat.service": RUNS}, CHAT)
    assert (found["tokens_per_second chat bench"], found["floor_tokens_per_second chat"]) == (50, 45)


@pytest.mark.parametrize("text", ["{", '{"at": "x", "results": []}', '{"at": 1, "results": [{"name": "chat"}]}', "[]"])
def test_a_damaged_or_poorer_record_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    for name in ("verify.json", "bench.json"):
        (tmp_path / name).write_text(text)
    found = seen(monkeypatch, tmp_path, {"thor-chat.service": RUNS}, CHAT)
    assert not [name for name in found if "answer" in name or "tokens" in name]


def test_a_host_without_systemd_has_no_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(monkeypatch, tmp_path, {}, CHAT) == {}
