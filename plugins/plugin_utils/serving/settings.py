# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The variables of the role serving that shape units, containers and the supervisor's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.role_variables import VARIABLES, coerce


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One field for each variable, without its prefix ``serving_``; the defaults are the role's (a test holds it)."""

    require_gpu: bool = True
    liveness_interval: int = 60
    liveness_timeout: int = 60
    liveness_failures: int = 3
    stop_timeout: int = 30
    container_ipc: str = "private"
    container_shm_size: str = "8g"
    container_ulimits: Mapping[str, int | str] = field(
        default_factory=lambda: {"memlock": -1, "stack": 67108864, "core": 0}
    )

    @classmethod
    def from_variables(cls, variables: Mapping[str, Any]) -> Settings:
        """Read what is set of ``serving_*``; other names are ignored, and what is not set has its default."""
        names = {f"serving_{one.name}": one.name for one in fields(cls)}
        return cls(
            **{key: coerce(variables[name], VARIABLES[name]) for name, key in names.items() if name in variables}
        )
