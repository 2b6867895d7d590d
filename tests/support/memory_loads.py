# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Loads of known models: what their memory is computed from."""

from __future__ import annotations

from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.models.config_geometry import geometry_of_config
from ansible_collections.jetson.thor.plugins.module_utils.models.geometry import Geometry
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.memory_load import GIB, Load


def geometry(config: dict[str, Any]) -> Geometry:
    """The geometry of a configuration, which must be known."""
    found, reason = geometry_of_config(config)
    assert found is not None, reason
    return found


def load(like: str, config: dict[str, Any], options: dict[str, Any] | None = None, **more: Any) -> Load:
    """A load on a T5000, without weights and process, unless it is said."""
    common = {"device_bytes": 122 * GIB, "overhead_bytes": 0, "weights": 0, "options": options or {}}
    return Load(**{"like": like, **common, "geometry": geometry(config), **more})
