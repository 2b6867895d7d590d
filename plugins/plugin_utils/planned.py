# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the plan has to know of a role: its own ``__ROLE_planned``, for actions that run outside of the role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.files import ROLES


def of_role(role: str, variables: Mapping[str, Any], loader: Any, templar: Any) -> dict[str, Any]:
    """By the role's defaults and what the host has been given. ``loader`` and ``templar`` are those of the action."""
    planned: dict[str, Any] = value(role, f"__{role}_planned", variables, loader, templar)
    return planned


def value(role: str, wanted: Any, variables: Mapping[str, Any], loader: Any, templar: Any) -> Any:
    """The value that an internal variable, or a template, has within a role."""
    folder = ROLES / role
    defaults, internals = (
        loader.load_from_file(str(folder / part / "main.yml"), trusted_as_template=True)
        for part in ("defaults", "vars")
    )
    own = {"role_path": str(folder), "ansible_search_path": [str(folder)]}
    with_role = templar.copy_with_new_env(available_variables={**defaults, **variables, **internals, **own})
    return with_role.template(internals[wanted] if isinstance(wanted, str) else wanted)
