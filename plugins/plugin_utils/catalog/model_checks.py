# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether a service can have its models: their hubs may be asked, their folders are seen, their names can be used."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.draft import Draft
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.named_files import is_hidden
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import HubArtifact, LocalArtifact
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.shapes import SERVED_NAME, check


def source_problems(draft: Draft) -> list[Problem]:
    """Models that come from no hub that may be asked, or from a folder that the service does not see."""
    problems: list[Problem] = []
    for one in (draft.artifact, *draft.files):
        if isinstance(one, HubArtifact) and "hubs" not in draft.inputs.in_doubt:
            named = [source.hub for source in one.sources]
            if not set(named) & set(draft.inputs.hubs):
                reason = f"The model {one.key} is on {' and '.join(named)}, which thor_hubs leaves out."
                remedy = "Add that hub to thor_hubs, or name the model's id on another one (thor_extra_models)."
                problems.append(Problem("THOR-HUB-EXCLUDED", draft.place, one.key, reason, remedy))
        elif isinstance(one, LocalArtifact) and is_hidden(one.path, in_container=False):
            reason = "The service cannot see this folder: its unit hides home folders, /tmp and /var/tmp."
            remedy = "Move it below /models, or to any other place."
            where = f"thor_extra_models[{one.key!r}].local"
            problems.append(Problem("THOR-MODEL-HIDDEN", where, one.path, reason, remedy))
    return problems


def served_name_problems(draft: Draft) -> list[Problem]:
    """A name that comes from the model and that clients could not use."""
    if draft.setting("served_name"):
        return []
    where, whose, remedy = f"{draft.place}.served_name", "The model's own name: ", "Set it."
    if draft.said_by_option("served_name"):
        where, whose, remedy = draft.where("options", draft.key_options["served_name"]), "", "Choose such a name."
    return [
        Problem("THOR-NAME-INVALID", where, draft.served_name, f"{whose}{one.reason}", remedy)
        for one in check(draft.served_name, SERVED_NAME, "")
    ]
