# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a role says of itself for the plan: its internals, by its defaults and what a host has been given."""

from __future__ import annotations

from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.jetson.thor.plugins.plugin_utils import planned


def of_role(role: str, **variables: Any) -> dict[str, Any]:
    """What the role says on a host with these variables."""
    loader = DataLoader()
    return planned.of_role(role, variables, loader, Templar(loader=loader))


def test_a_default_counts_until_somebody_sets_the_variable() -> None:
    assert of_role("metrics")["enabled"] is False
    assert of_role("metrics", thor_metrics=True)["enabled"] is True
    assert of_role("metrics", thor_metrics=True, metrics_enabled=False)["enabled"] is False


def test_nobody_overrides_what_is_internal() -> None:
    loader = DataLoader()
    variables = {"rollout_waves": [2], "__rollout_waves": [9], "__rollout_said": {"waves": [9]}}
    said = planned.value("rollout", "__rollout_said", variables, loader, Templar(loader=loader))
    assert said["waves"] == [2]
