# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a plan depends on besides services and host: what people set of the roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import DEVICE_MEMORY_GIB
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.wanted import Wanted
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.builds import RECIPES, BuildSettings
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.environments import EnvironmentSettings
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.metrics import MetricsSettings
from ansible_collections.jetson.thor.plugins.plugin_utils.serving.settings import Settings as ServingSettings

# The roles whose vars/main.yml has a variable __ROLE_planned: what a plan depends on.
PLANNED = (
    "preflight",
    "proxy",
    "power",
    "container_runtime",
    "llama_cpp",
    "whisper_cpp",
    "python_engine",
    "engine_image",
    "model_store",
    "serving",
    "gateway",
    "metrics",
    "restart",
)


@dataclass(frozen=True)
class Settings:
    """The settings of the roles that plan and act. Those of a role that is None are not planned for."""

    memory_reserve_gib: float
    disk_reserve_gib: float
    supported_os: Sequence[str]
    minimum_l4t: str
    builds: Mapping[str, BuildSettings]  # by role
    device_memory_gib: float = DEVICE_MEMORY_GIB  # of a device that was not observed
    installs_programs: Sequence[str] = ("whisper_cpp",)  # roles that install the programs that their engine starts
    environments: EnvironmentSettings = field(default_factory=EnvironmentSettings)
    container_runtime: Mapping[str, Any] = field(default_factory=dict)
    proxy: Mapping[str, Any] = field(default_factory=dict)  # see plan/proxy.py
    power: Mapping[str, Any] | None = None
    require_gpu: bool = True
    prune_images: bool = False
    verify_checksums: bool = False
    update_models: bool = False  # whether branches of models are looked up again
    hub_clients: Mapping[str, str] = field(default_factory=dict)  # by hub, the version of its client that is wanted
    serving: ServingSettings | None = None
    gateway: Wanted | None = None  # the action adds it, because it reads the certificate
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    restart: Sequence[str] = ()  # names of the services to restart; empty: all

    @classmethod
    def of_roles(cls, given: Mapping[str, Mapping[str, Any]]) -> Settings:
        """From what each role says for itself (:data:`PLANNED`)."""
        build = {role: dict(given[role]) for role in RECIPES}
        return cls(
            **given["preflight"],
            installs_programs=[role for role in RECIPES if build[role].pop("install_programs", False)],
            builds={role: BuildSettings(**settings) for role, settings in build.items()},
            environments=EnvironmentSettings(**given["python_engine"]),
            container_runtime=given["container_runtime"],
            proxy=given["proxy"],
            power=given["power"],
            **given["engine_image"],
            **given["model_store"],
            serving=ServingSettings.from_variables(given["serving"]),
            metrics=MetricsSettings.of(given["metrics"]),
            restart=given["restart"]["services"],
        )
