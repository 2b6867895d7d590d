# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The units of a service that starts on demand, beside its engine's: what the templates in ``roles/serving/templates`` are filled with."""

from __future__ import annotations

import ipaddress
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.services.parts import exclusive_of, proxy_of, socket_of
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import OnDemand, Service
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.support_files import SUPERVISOR
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.unit import description_of, template

PROXY = "/usr/lib/systemd/systemd-socket-proxyd"
CONNECTIONS = 4096  # its own limit is 256
SUPERVISOR_COMMAND = ("/usr/bin/python3", "-I", SUPERVISOR)


def parts_of(service: Service) -> dict[str, str]:
    """The text of each further unit, by its name; empty for a service that always runs."""
    if service.on_demand is None:
        return {}
    common = {"description": f"jetson.thor: {description_of(service)}", "identifier": f"thor-{service.name}"}
    parts = {
        socket_of(service.name): template("socket.j2").render(**common, **_socket(service)),
        proxy_of(service.name): template("proxy.j2").render(**common, **_proxy(service, service.on_demand)),
    }
    if service.exclusive:
        command = [*SUPERVISOR_COMMAND, "--turn", service.name]
        text = template("exclusive.j2").render(**common, group=service.exclusive, command=command)
        parts[exclusive_of(service.name)] = text
    return parts


def _socket(service: Service) -> dict[str, Any]:
    return {
        "listen": _endpoint(service.address, service.port),
        "free_bind": not ipaddress.ip_address(service.address).is_loopback,
        "proxy": proxy_of(service.name),
    }


def _proxy(service: Service, on_demand: OnDemand) -> dict[str, Any]:
    host, port, idle = service.engine_address, str(on_demand.engine_port), str(on_demand.idle_seconds)
    # The distribution's cannot be drained (roles/serving/files/supervisor/thor_supervisor/proxy.py).
    own = [*SUPERVISOR_COMMAND, "--proxy", idle, host, port]
    systemds = [PROXY, f"--exit-idle-time={idle}s", f"--connections-max={CONNECTIONS}", f"{host}:{port}"]
    return {
        "socket": socket_of(service.name),
        "engine": service.unit,
        "outlives_engine": service.exclusive is not None,
        "command": own if service.exclusive else systemds,
        "poke": None if service.exclusive else _poke(service),
    }


def _poke(service: Service) -> list[str]:
    """Open a connection to the service, and close it."""
    address = ipaddress.ip_address(service.address)
    loopback = "127.0.0.1" if address.version == 4 else "::1"
    return ["/bin/bash", "-c", f"exec 3<>/dev/tcp/{loopback if address.is_unspecified else address}/{service.port}"]


def _endpoint(address: str, port: int | None) -> str:
    return f"[{address}]:{port}" if ipaddress.ip_address(address).version == 6 else f"{address}:{port}"
