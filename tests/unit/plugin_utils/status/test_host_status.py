# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The status of a host as data, and the table of all hosts."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sample_host
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Kind, Plan, Share, Step
from ansible_collections.jetson.thor.plugins.plugin_utils.status import table
from ansible_collections.jetson.thor.plugins.plugin_utils.status.host_status import host_status, pin, unread

NOW = 1795737600
UNIT = {
    "active": "active",
    "sub": "running",
    "enabled": "enabled",
    "for_s": 90000,
    "restarts": 0,
    "status": "",
    "memory_bytes": 5 * 2**30,
}
SERVICE = {**sample_host.SERVICE, "name": "chat", "port": 8000}


def status(**more: Any) -> dict[str, Any]:
    last = {
        "verify": {
            "at": NOW - 7200,
            "results": [{"name": "chat", "state": "failed", "wrong": ["THOR-ANSWER-WRONG"], "seconds": 2.5}],
        },
        "bench": {
            "at": NOW - 200000,
            "results": [
                {
                    "name": "chat",
                    "state": "measured",
                    "loads": [
                        {"concurrency": 8, "decode_tokens_per_s": {"median": 20.0}},
                        {"concurrency": 1, "decode_tokens_per_s": {"median": 41.25}},
                    ],
                }
            ],
        },
    }
    return {
        "at": NOW,
        "uptime_s": 180000,
        "units": {"thor-chat.service": UNIT},
        "drop_ins": {},
        "memory": {"total": 122 * 2**30, "available": 61 * 2**30, "free": 5, "page_cache": 6},
        "temperatures": {"cpu-thermal": 44.0, "gpu-thermal": 54.4},
        "hot": [],
        "throttled": [],
        "certificate": None,
        "last": last,
        **more,
    }


def host(**more: Any) -> dict[str, Any]:
    return {
        **sample_host.HOST,
        "jetpack": "7.0",
        "os": {"id": "ubuntu", "version_id": "24.04", "name": "Ubuntu 24.04.3 LTS"},
        "power": {"mode": {"name": "MAXN", "id": 0}},
        "units": {"thor-chat.service": {"serves": "chat, a/b@main with llama.cpp 0c1e570"}},
        "serving": {"services": ["chat"], "drift": {}},
        **more,
    }


def shown(*hosts: dict[str, Any]) -> list[str]:
    return table.lines(hosts, NOW)


def up(services: Any = (SERVICE,), steps: tuple[Step, ...] = (), there: Any = None, seen: Any = None) -> dict[str, Any]:
    return host_status(
        "thor01", services, Plan("thor01", True, (Share("serving", steps),)), there or host(), seen or status()
    )


def test_a_host_and_its_service_are_rows() -> None:
    found = up()
    json.dumps(found)
    (service,) = found["services"]
    assert service["since"] == "2026-11-25T23:00:00Z" and service["serves"] == "a/b@main with llama.cpp 0c1e570"
    assert service["wanted"]["pin"] and service["wanted"]["version"] == "0c1e570"
    titles, first, second = shown(found)
    assert titles.split()[:5] == ["host", "service", "state", "for", "serves"]
    for text in (
        "thor01",
        " up ",
        "2 d 2 h",
        "JetPack 7.0, L4T 38.2.0",
        "61 of 122 GiB",
        "MAXN",
        "54 °C",
        "as in the inventory",
    ):
        assert text in first
    for text in (
        "chat",
        "running",
        "1 d 1 h",
        "5.0 GiB",
        "failed THOR-ANSWER-WRONG, 2 h ago",
        "41.2 tok/s, 2 d ago",
        "port 8000",
    ):
        assert text in second


def test_differences_are_below_the_table() -> None:
    step = Step(Kind.SWITCH, "serving", "chat", "its definition has changed")
    lines = shown(up(steps=(step,), seen=status(throttled=["gpu at step 3 of 5"])))
    assert "differs: 1 point" in lines[1] and "throttled" in lines[1]
    assert lines[3:] == [
        "",
        "thor01: site.yml would replace chat (its definition has changed)",
        "thor01: slowed down: gpu at step 3 of 5",
    ]


def test_a_host_that_is_down_is_a_row_in_its_place() -> None:
    lines = shown(unread("thor00", "unreachable: No route to host"), up(), unread("thor02", "unreadable: no python3"))
    assert [line.split()[:3] for line in lines[1:]] == [
        ["thor00", "-", "down"],
        ["thor01", "-", "up"],
        ["thor01", "chat", "running"],
        ["thor02", "-", "unreadable"],
    ]
    assert lines[1].endswith("unreachable: No route to host")


def test_services_of_only_one_side_are_named() -> None:
    there = host(
        serving={"services": ["old"], "drift": {}}, units={"thor-old.service": {"serves": "old, x with vllm 1"}}
    )
    found = up(there=there, seen=status(units={"thor-old.service": UNIT}))
    assert [(one["name"], one["state"], one["wanted"] is None) for one in found["services"]] == [
        ("chat", "not deployed", False),
        ("old", "running", True),
    ]
    assert "not in the inventory" in shown(found)[3]


def test_a_service_on_demand_is_asleep_while_its_socket_waits() -> None:
    asleep = {**UNIT, "active": "inactive", "sub": "dead"}
    units = {"thor-chat.service": asleep, "thor-chat.socket": UNIT}
    demanded = {**SERVICE, "on_demand": {"idle_seconds": 900, "engine_port": 18000}}
    found = up(services=[demanded], seen=status(units=units))
    assert found["services"][0]["state"] == "asleep" and found["services"][0]["on_demand"] is True
    assert "asleep" in shown(found)[2] and "on demand" in shown(found)[2]


@pytest.mark.parametrize(
    ("certificate", "text"),
    [
        ({"starts": 0, "ends": 1803513600, "days": 90}, "certificate until 2027-02-25 (90 days)"),
        ({"starts": 0, "ends": NOW + 86400 * 3, "days": 3}, "certificate until 2026-11-30 (3 days, soon)"),
        ({"starts": 0, "ends": NOW - 86400, "days": -1}, "the certificate has ended on 2026-11-26"),
        ({"fault": "it is damaged"}, "certificate: it is damaged"),
        (None, "there is no certificate"),
    ],
)
def test_the_gateway_and_its_certificate(certificate: Any, text: str) -> None:
    listening = [{"port": 443, "address": "0.0.0.0", "pid": 5, "process": "nginx", "unit": "thor-gateway.service"}]
    seen = status(units={"thor-gateway.service": UNIT, "thor-metrics.timer": UNIT}, certificate=certificate)
    lines = shown(up(services=[], there=host(listening=listening, serving={"services": [], "drift": {}}), seen=seen))
    assert "gateway  running" in lines[2] and "port 443" in lines[2] and text in lines[2]
    assert "metrics  running" in lines[3]


def test_pins_of_every_kind() -> None:
    assert pin({"kind": "image", "image_digest": "sha256:ab"}) == "sha256:ab"
    assert pin({"kind": "build", "source": {"commit": "abc", "sha256": None}}) == "abc"
    assert pin({"kind": "packages", "packages": {"locks": {"cp312-aarch64": {"sha256": "ff"}}}}) == "sha256:ff"
    assert pin({"kind": "packages", "packages": None}) is None


def test_the_code_for_the_gpu_of_an_installed_engine_is_told() -> None:
    lacks = [{"path": "vllm/fa3.so", "lost": "FlashAttention 3"}]
    found = {"architecture": "110", "runs": ["vllm/_C.so", "torch/lib/libtorch_cuda.so"], "lacks": lacks}
    there = host(environments={"vllm": {"0.33.0": {"cuda_code": found}}})
    told = up([{**SERVICE, "engine": "vllm", "version": "0.33.0"}], there=there)
    assert told["services"][0]["cuda_code"] == "2 of 3 CUDA libraries run on Thor; no code for it in: FlashAttention 3"
    assert "; 2 of 3 CUDA libraries run on Thor" in shown(told)[2] and "FlashAttention" not in shown(told)[2]
    assert up()["services"][0]["cuda_code"] is None and "CUDA" not in shown(up())[2]


def test_without_hosts_there_is_no_table() -> None:
    assert table.lines([], NOW) == []
