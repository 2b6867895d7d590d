# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From thor_profiles to thor_services, on the controller (documented in plugins/modules/resolve.py)."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.module_utils import problems
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import entries, files, role_variables, schema
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import resolve

ARGUMENTS: dict[str, Any] = {
    "catalog": {"type": "path", "required": True},
    "profiles": {"type": "raw"},
    "extra_engines": {"type": "raw"},
    "extra_models": {"type": "raw"},
    "extra_profiles": {"type": "raw"},
    # Their types are checked with their ranges, so that both have a code.
    **{key: {"type": "raw", "default": getattr(Inputs([]), key)} for key in schema.HOST},
    "refuse": {"type": "bool", "default": True},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Resolve the profiles of one host; needs no connection to it."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return thor_services and thor_problems as facts; fail with all problems unless told to leave that to preflight."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(argument_spec=ARGUMENTS)
        extra = {noun: args[f"extra_{noun}"] for noun in schema.NOUNS}
        unread = files.unknown_variables(task_vars or {})
        in_doubt = frozenset(name.removeprefix("thor_") for name in unread.meant)
        nouns = {noun for noun in schema.NOUNS if f"extra_{noun}" in in_doubt}
        merged, found = entries.build(files.files(args["catalog"]), extra, nouns)
        merged.flags = files.flags(args["catalog"])
        given = {key: role_variables.coerce(args[key], spec) for key, spec in schema.HOST.items()}
        resolution = resolve(Inputs(args["profiles"], **given, in_doubt=in_doubt), merged)
        found += role_variables.problems(task_vars or {}, self._templar.template)
        # A variable that is missing because its name was mistyped is one problem, not two.
        found += [problem for problem in resolution.problems if problem.variable not in unread.meant]
        found = unread.problems + found
        result["changed"] = False
        if found and args["refuse"]:
            host = (task_vars or {}).get("inventory_hostname", "")
            result.update(failed=True, msg=problems.fail_text(host, found))
        else:
            result["ansible_facts"] = {
                "thor_services": resolution.facts,
                "thor_problems": [problem.as_dict() for problem in found],
            }
        return result
