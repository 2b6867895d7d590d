# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The files of the gateway: nginx's configuration, the scripts, and the tables with services, clients and keys that these read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import lua_table, routes
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.gateway import (
    BODIES_BYTES,
    BUFFERED_BYTES,
    CLIENT_BODIES_BYTES,
    Client,
    Gateway,
    GatewayFile,
)

ROLE = Path(__file__).resolve().parents[3] / "roles" / "gateway"
LOGROTATE = "/etc/logrotate.d/thor-gateway"
HEADING = "-- jetson.thor: {}. A run of site.yml overwrites changes.\nreturn "


def files(gateway: Gateway, services: Sequence[Service], engine_keys: Mapping[str, str]) -> tuple[GatewayFile, ...]:
    """All files but the certificate and its key, each after what it needs. ``engine_keys`` has keys by name of service."""
    folder = gateway.paths.configuration
    names = {service.name for service in services}
    keys = {name: key for name, key in sorted(engine_keys.items()) if name in names}
    return (
        *(_file(f"{folder}/lua/{path.name}", _text(path)) for path in sorted((ROLE / "files" / "lua").glob("*.lua"))),
        _table(f"{folder}/lua/services.lua", "services, in the order of /v1/models", routes.services(services)),
        _table(f"{folder}/lua/metrics.lua", "pages of metrics", routes.metrics(services, gateway.metrics)),
        _table(f"{folder}/lua/bodies.lua", "bytes of bodies", _bodies(gateway)),
        _secret(f"{folder}/lua/clients.lua", "clients by the SHA-256 of their keys", _clients(gateway, services)),
        _secret(f"{folder}/lua/engine_keys.lua", "keys that engines ask for", keys),
        _file(f"{folder}/nginx.conf", _render("nginx.conf.j2", gateway)),
        _file(LOGROTATE, _render("logrotate.j2", gateway)),
    )


def _bodies(gateway: Gateway) -> dict[str, int]:
    return {
        "buffered": BUFFERED_BYTES,
        "largest": gateway.body_bytes,
        "memory": BODIES_BYTES,
        "of_one_client": CLIENT_BODIES_BYTES,
    }


def _clients(gateway: Gateway, services: Sequence[Service]) -> dict[str, Any]:
    return {client.sha256.lower(): _client(client, services) for client in gateway.clients}


def _client(client: Client, services: Sequence[Service]) -> dict[str, Any]:
    named = set(client.models or ())
    whole = [service.name for service in services if named & {service.name, service.served_name}]
    return {
        "name": client.name,
        "all": client.models is None and not client.metrics,
        "services": dict.fromkeys(whole, True),
        "models": dict.fromkeys(sorted(named), True),
        "metrics": client.metrics,
        "requests_per_minute": client.requests_per_minute,
        "concurrency": client.concurrency,
    }


def _file(path: str, content: str) -> GatewayFile:
    return GatewayFile(path=path, content=content, mode="0644", secret=False)


def _table(path: str, what: str, content: Any) -> GatewayFile:
    return _file(path, f"{HEADING.format(what)}{lua_table.text(content)}\n")


def _secret(path: str, what: str, content: Any) -> GatewayFile:
    """For root alone: nginx reads it before its workers give up root's rights."""
    return GatewayFile(
        path=path, content=f"{HEADING.format(what)}{lua_table.text(content)}\n", mode="0600", secret=True
    )


def _render(template: str, gateway: Gateway) -> str:
    address = f"[{gateway.address}]" if ":" in gateway.address else gateway.address
    return (
        _environment()
        .get_template(template)
        .render(gateway=gateway, address=address, paths=gateway.paths, buffered=BUFFERED_BYTES)
    )


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
