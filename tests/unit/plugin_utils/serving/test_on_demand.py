# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The units of a service that starts on demand, as systemd reads them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import resolved
from ansible_collections.jetson.thor.plugins.module_utils.services import parts
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import configuration, definitions, on_demand
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings

HOST = {"device_nodes": ["/dev/nvmap"], "groups": ["render", "video"], "systemd": 255}
NAP: dict[str, Any] = {"name": "nap", "port": 8000, "on_demand": {"idle": "15m"}}


def test_a_service_that_always_runs_has_no_further_units() -> None:
    assert on_demand.parts_of(resolved.service()) == {}
    (files,) = definitions.wanted([resolved.service(name="chat")], HOST, Settings(), {}).services
    assert files.parts == {} and "WantedBy=thor.target" in files.unit and "StopWhenUnneeded" not in files.unit


def test_the_socket_has_the_port_and_the_engine_none_of_its_own_start() -> None:
    service = resolved.service(**NAP)
    (files,) = definitions.wanted([service], HOST, Settings(), {}).services
    assert set(files.parts) == {"thor-nap.socket", "thor-nap-proxy.service"}
    assert all(text.startswith(parts.MARKER) for text in files.parts.values())
    socket, proxy = files.parts["thor-nap.socket"], files.parts["thor-nap-proxy.service"]
    assert "\nListenStream=127.0.0.1:8000\n" in socket and "WantedBy=thor.target" in socket and "FreeBind" not in socket
    assert "systemd-socket-proxyd --exit-idle-time=900s --connections-max=4096 127.0.0.1:18000\n" in proxy
    assert "\nRequires=thor-nap.service\n" in proxy and "[Install]" not in proxy and "/dev/tcp/127.0.0.1/8000" in proxy
    assert "\nStopWhenUnneeded=yes\n" in files.unit and "[Install]" not in files.unit
    config = json.loads(files.config)
    assert (config["address"], config["port"], config["public_port"]) == ("127.0.0.1", 18000, 8000)
    assert files.enabled_unit == "thor-nap.socket" and files.definition.ports == {8000, 18000}


def test_one_that_takes_turns_has_a_turn_before_its_engine_and_a_door_that_can_be_drained() -> None:
    service = resolved.service(**NAP, exclusive="big")
    (files,) = definitions.wanted([service], HOST, Settings(), {}).services
    turn, proxy = files.parts["thor-nap-exclusive.service"], files.parts["thor-nap-proxy.service"]
    assert (
        "/opt/thor/supervisor --turn nap\n" in turn
        and "\nStopWhenUnneeded=yes\n" in turn
        and "RemainAfterExit=yes" in turn
    )
    assert "\nRequires=thor-nap-exclusive.service\nAfter=thor-nap-exclusive.service\n" in files.unit
    assert "/opt/thor/supervisor --proxy 900 127.0.0.1 18000\n" in proxy and "ExecStartPost" not in proxy
    assert "\nWants=thor-nap.service\n" in proxy and "Requires=thor-nap.service" not in proxy
    assert json.loads(files.config)["exclusive"] == "big"


def test_an_address_of_the_network_is_bound_before_the_network_has_it() -> None:
    socket = on_demand.parts_of(resolved.service(**NAP, address="10.0.0.7"))["thor-nap.socket"]
    assert "\nListenStream=10.0.0.7:8000\n" in socket and "\nFreeBind=yes\n" in socket
    both = on_demand.parts_of(resolved.service(**NAP, address="::"))
    assert (
        "\nListenStream=[::]:8000\n" in both["thor-nap.socket"]
        and "/dev/tcp/::1/8000" in both["thor-nap-proxy.service"]
    )


@pytest.mark.parametrize("profile", [resolved.LLAMA, resolved.VLLM, resolved.SGLANG, resolved.WHISPER])
def test_engines_of_every_kind_listen_on_the_internal_port(profile: str) -> None:
    service = resolved.service(profile, **NAP)
    (files,) = definitions.wanted([service], HOST, Settings(), {}).services
    assert (
        "18000" in files.unit
        and "8000 " not in files.unit.replace("18000", "")
        and "StopWhenUnneeded=yes" in files.unit
    )
    packaged = resolved.packaged(resolved.VLLM, **NAP)
    assert "18000" in packaged.argv and configuration.configuration(packaged, Settings())["port"] == 18000


def test_systemd_accepts_them(tmp_path: Path) -> None:
    service = resolved.service(**NAP, exclusive="big")
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    for name, text in on_demand.parts_of(service).items():
        (units / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, units.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    unknown = [line for line in done.stderr.splitlines() if "Unknown" in line or "Failed to parse" in line]
    assert unknown == []
