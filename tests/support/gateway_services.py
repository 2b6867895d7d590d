# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Services of every kind for a gateway whose engine is a double, and clients with every kind of right."""

from __future__ import annotations

from dataclasses import replace

import gateway_run
import resolved
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Lora, OnDemand, Service
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.gateway import Client

ALL, ONE, LORA, EYES = ("all-" + "a" * 20, "one-" + "b" * 20, "lora-" + "c" * 20, "eyes-" + "d" * 20)
ENGINE_KEY = "engine-" + "e" * 20


def services_on(port: int) -> list[Service]:
    """A service of each kind. `sleeper` is on demand, with nobody on its own port and the engine on its engine's."""
    chat = replace(
        resolved.service(resolved.LLAMA, name="chat"), served_name="qwen3", port=port, metrics_path="/metrics"
    )
    adapter = Lora(name="drives", key="drives", path="/models/drives")
    ears = replace(resolved.service(resolved.WHISPER, name="ears"), served_name="whisper", port=port)
    sleeper = replace(
        chat,
        name="sleeper",
        served_name="big",
        port=gateway_run.free_port(),
        on_demand=OnDemand(idle_seconds=60, engine_port=gateway_run.free_port()),
    )
    return [
        replace(chat, loras=(adapter,)),
        ears,
        replace(chat, name="vectors", served_name="embed", api="embedding", api_path="/v1/embeddings"),
        replace(chat, name="down", served_name="down", port=gateway_run.free_port()),
        sleeper,
    ]


def clients() -> list[Client]:
    """A client for everything, one for one service, one for one adapter, one for metrics."""
    return [
        gateway_run.client("all", ALL, models=None),
        gateway_run.client("one", ONE, models=("qwen3",)),
        gateway_run.client("lora", LORA, models=("drives",)),
        gateway_run.client("eyes", EYES, metrics=True),
    ]
