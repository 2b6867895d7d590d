# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a plan depends on besides services and host, of the variables of a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils import planned
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import wanted
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import PLANNED, Settings

GATEWAY = "gateway"


def settings(variables: Mapping[str, Any], templar: Any) -> Settings:
    """All of it. ``templar`` is the action's."""
    return with_gateway(shared(variables, templar), variables, templar)


def shared(variables: Mapping[str, Any], templar: Any) -> Settings:
    """What hosts with the same variables have in common: everything but the gateway, whose certificate has the host's name."""
    return Settings.of_roles({role: planned.of_role(role, variables, templar) for role in PLANNED if role != GATEWAY})


def with_gateway(found: Settings, variables: Mapping[str, Any], templar: Any) -> Settings:
    """The same with the gateway of a host; reads its certificate on the control machine."""
    given = planned.of_role(GATEWAY, variables, templar)
    return replace(found, gateway=wanted.of_variables(given, datetime.now(UTC)))
