# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the supervisor reads of a service: ``/etc/thor/services/NAME.json``."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import docker_api
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.kinds import BUILD, IMAGE
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from ansible_collections.jetson.thor.plugins.plugin_utils.serving import container
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings

COPIED = (*("name", "api", "api_path", "served_name", "memory_gib", "start_timeout", "progress", "gpu"),)


def configuration(service: Service, settings: Settings) -> dict[str, Any]:
    """The configuration as plain data."""
    facts = service.to_facts()
    config: dict[str, Any] = {
        **{key: facts[key] for key in COPIED},
        "address": service.engine_address,
        "port": service.engine_port,
        "require_gpu": settings.require_gpu,
        "stop_timeout": settings.stop_timeout,
        "liveness": {
            "interval": settings.liveness_interval,
            "timeout": settings.liveness_timeout,
            "failures": settings.liveness_failures,
        },
    }
    if service.on_demand:
        config["public_port"] = service.port
    if service.exclusive:
        config["exclusive"] = service.exclusive
    if service.api_key:
        # The variable that holds the key which the engine asks for, and which the supervisor's own requests carry.
        config["api_key"] = service.api_key
    if service.kind == IMAGE:
        config["container"] = {
            "name": container.name(service),
            "label": container.label(service),
            "socket": docker_api.SOCKET,
        }
    if service.kind != BUILD:
        config["memory"] = facts["memory"]
        config["generation_config"] = _generation_config(service)
    return config


def _generation_config(service: Service) -> dict[str, Any] | None:
    """What the supervisor lays over the model's generation_config.json, and where it writes that."""
    if service.generation_config is None:
        return None
    values = {"path": service.generation_config.path, "values": dict(service.generation_config.values)}
    if service.kind == IMAGE:
        return {**values, "written": container.written_generation_config(service)}
    # A folder of links to the model, with this file; the path stays the same, because caches of compiled code depend on it.
    return {**values, "folder": f"/var/cache/thor/{service.name}/model"}


def text(service: Service, settings: Settings) -> str:
    """The file."""
    return json.dumps(configuration(service, settings), indent=2, sort_keys=True) + "\n"
