# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Where requests go: the services with their models and paths, and the pages of metrics."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients.api import API_PATHS
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service

# What each kind of service is asked for below /v1, the endpoint of API_PATHS first.
ENDPOINTS = {
    "chat": ("chat/completions", "completions", "responses", "messages"),
    "transcription": ("audio/transcriptions",),
    "embedding": ("embeddings",),
    "rerank": ("rerank",),
}
NODE_EXPORTER_PORT = 9100  # of Debian's prometheus-node-exporter
NODE_EXPORTER = f"127.0.0.1:{NODE_EXPORTER_PORT}"


def services(found: Sequence[Service]) -> list[dict[str, Any]]:
    """What the gateway knows of each service."""
    return [
        {
            "name": service.name,
            "backend": _where(service.address, service.port),
            "engine": _engine(service) if service.on_demand else None,
            "paths": paths(service),
            "models": [
                {"id": name, "entry": entry(service, name)}
                for name in (service.served_name, *(lora.name for lora in service.loras))
            ],
        }
        for service in found
    ]


def metrics(found: Sequence[Service], node: bool) -> dict[str, Any]:
    """The pages below /metrics; the gateway's own is not among them. An engine's page is read at the engine itself, which wakes nobody."""
    pages = {service.name: _page(_engine(service), service.metrics_path) for service in found if service.metrics_path}
    return {**({"node": _page(NODE_EXPORTER, "/metrics")} if node else {}), **pages}


def paths(service: Service) -> dict[str, str]:
    """The engine's path for each endpoint that the service has. A prefix of the engine holds for all of them."""
    first, *others = ENDPOINTS[service.api]
    path = "/" + service.api_path.lstrip("/")
    usual = API_PATHS[service.api]
    if not path.endswith(usual):
        return {first: path}
    prefix = path.removesuffix(usual)
    return {first: path, **{endpoint: f"{prefix}/v1/{endpoint}" for endpoint in others}}


def entry(service: Service, name: str) -> str:
    """The entry of /v1/models. OpenAI's has a time; clients with strict types want one."""
    return json.dumps(
        {
            "id": name,
            "object": "model",
            "created": 0,
            "owned_by": service.engine,
            "api": service.api,
            "context": service.context,
            "vision": service.vision is not None,
            "tools": service.tools,
            "thinking": service.thinking,
        }
    )


def _page(backend: str, path: str) -> dict[str, str]:
    return {"backend": backend, "path": path}


def _engine(service: Service) -> str:
    """The engine's own address, which differs from the service's where something stands in front of it."""
    return _where(service.engine_address, service.engine_port)


def _where(address: str, port: int | None) -> str:
    """Address and port as nginx takes them. A service that listens on all addresses is asked on loopback."""
    host = ipaddress.ip_address(address)
    if host.is_unspecified:
        host = ipaddress.ip_address("127.0.0.1" if host.version == 4 else "::1")
    return f"[{host}]:{port}" if host.version == 6 else f"{host}:{port}"
