# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""``{environment}``, the folder of a Python environment, which only variables of such an engine may name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.kinds import PACKAGES, ROLES

# Filled in by plugin_utils/serving/python_environment.py: the folder has the lock's fingerprint in its name.
ENVIRONMENT = "{environment}"


def placeholder_problems(draft: Draft) -> list[Problem]:
    """Variables and options that would reach the engine with the word itself in them."""
    keys = ("options",) if draft.kind == PACKAGES else ("environment", "options")
    return [
        Problem("THOR-VALUE-INVALID", f"{place}[{name!r}]", value, *_why(draft, key))
        for key in keys
        for name, (place, value) in _winners(draft, key).items()
        if ENVIRONMENT in (value if isinstance(value, str) else json.dumps(value, default=str))
    ]


def _why(draft: Draft, key: str) -> tuple[str, str]:
    """Reason and remedy."""
    if key == "options":
        reason = f"{ENVIRONMENT} is filled in for variables of Python environments only, and this is an option."
        return reason, "Write the path itself."
    what = "an image" if draft.kind in ROLES else "built"
    reason = (
        f"{ENVIRONMENT} is the folder of a Python environment, and {draft.engine_name} {draft.version} is {what}, so the word would "
        "reach the engine as it is."
    )
    return reason, (
        "Write the path itself, or set the variable for Python packages only: "
        f"thor_extra_engines[{draft.engine_name!r}].packages.environment."
    )


def _winners(draft: Draft, key: str) -> dict[str, tuple[str, Any]]:
    """Each variable's or option's value, and the place that set it: a later layer wins, as in assemble.py and draft.py."""
    engine = f"thor_extra_engines[{draft.engine_name!r}]"
    profile = f"{draft.place} (from the profile {draft.profile_name}) "
    layers: Iterable[tuple[str, Mapping[str, Any]]] = (
        (f"{engine}.", draft.engine),
        (f"{engine}.{draft.kind}.", (draft.engine.get(draft.kind) or {}) if draft.kind in ROLES else {}),
        (f"{engine}.versions[{draft.version!r}].", draft.known),
        (profile, draft.profile),
        (f"{draft.place}.", draft.entry),
    )
    found = {name: (f"{place}{key}", one) for place, layer in layers for name, one in (layer.get(key) or {}).items()}
    if key == "options":
        # Mappings are merged, and options_thinking and options_not_thinking stand beside: the value that counts is the draft's.
        return {name: (found.get(name, (f"{profile}options",))[0], one) for name, one in draft.options.items()}
    return found
