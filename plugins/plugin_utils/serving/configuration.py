# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the supervisor reads of a service: ``/etc/thor/services/NAME.json``."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import container
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings

COPIED = (
    *("name", "api", "api_path", "served_name", "address", "port", "memory_gib", "start_timeout", "progress", "gpu"),
)


def configuration(service: Service, settings: Settings) -> dict[str, Any]:
    """The configuration as plain data."""
    facts = service.to_facts()
    config: dict[str, Any] = {
        **{key: facts[key] for key in COPIED},
        "require_gpu": settings.require_gpu,
        "stop_timeout": settings.stop_timeout,
        "liveness": {
            "interval": settings.liveness_interval,
            "timeout": settings.liveness_timeout,
            "failures": settings.liveness_failures,
        },
    }
    if service.api_key:
        # The variable that holds the key which the engine asks for, and which the supervisor's own requests carry.
        config["api_key"] = service.api_key
    if service.kind == "image":
        config["container"] = {
            "name": container.name(service),
            "label": container.label(service),
            "socket": container.SOCKET,
        }
        config["memory"] = facts["memory"]
        config["generation_config"] = (
            {**facts["generation_config"], "written": container.written_generation_config(service)}
            if service.generation_config
            else None
        )
    return config


def text(service: Service, settings: Settings) -> str:
    """The file."""
    return json.dumps(configuration(service, settings), indent=2, sort_keys=True) + "\n"
