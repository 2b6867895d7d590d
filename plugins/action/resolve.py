# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From thor_profiles to thor_services, on the controller (documented in plugins/modules/resolve.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.module_utils import problems
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import entries, files, package_locks, role_variables
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.artifacts import with_geometry
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs, checked
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.resolve import Resolution, resolve
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.schema import HOST, NOUNS, SWITCH
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import abouts

ARGUMENTS: dict[str, Any] = {
    "catalog": {"type": "path", "required": True},
    "profiles": {"type": "raw"},
    "extra_engines": {"type": "raw"},
    "extra_models": {"type": "raw"},
    "extra_profiles": {"type": "raw"},
    # Their types are checked together with their ranges, so that both get an error code.
    **{key: {"type": "raw", "default": getattr(Inputs([]), key)} for key in HOST},
    "held": {"type": "dict", "default": {}},
    "seen": {"type": "dict", "default": {}},
    "update_models": {"type": "raw", "default": False},
    "refuse": {"type": "bool", "default": True},
}


class ActionModule(ActionBase):
    """Resolve the profiles of one host; needs no connection to it."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the facts thor_services and thor_problems; fail with all problems unless they are left to preflight."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(argument_spec=ARGUMENTS)
        resolution, looks = self._resolve(args, task_vars or {})
        sources = abouts.sources(resolution.services, args["seen"])
        result["changed"] = False
        if resolution.problems and args["refuse"]:
            host = (task_vars or {}).get("inventory_hostname", "")
            result.update(failed=True, msg=problems.fail_text(host, resolution.problems))
        else:
            result["ansible_facts"] = {
                "thor_services": resolution.facts,
                "thor_problems": [problem.as_dict() for problem in resolution.problems],
                "thor_looks": looks,
                "thor_sources": sources,
            }
            if looks:
                # As group_by does: playbooks/preflight.yml looks at the models of these hosts.
                result.update(add_group="thor_models_unknown", parent_groups=[])
        return result

    def _resolve(
        self, args: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> tuple[Resolution, list[dict[str, Any]]]:
        """The services, and the problems with names of variables, with entries, with values of variables and with services.

        Beside them the models that have to be looked at before it is known what the services need.
        """
        unknown = files.unknown_variables(variables)
        in_doubt = frozenset(name.removeprefix("thor_") for name in unknown.meant)
        extra = {noun: args[f"extra_{noun}"] for noun in NOUNS}
        merged, of_entries = entries.build(
            files.files(args["catalog"]), extra, {noun for noun in NOUNS if f"extra_{noun}" in in_doubt}
        )
        merged.flags = files.flags(args["catalog"])
        merged.models = {key: with_geometry(key, one, merged.lock) for key, one in merged.models.items()}
        merged.architectures = files.architectures(args["catalog"])
        merged.transformers = files.architectures(args["catalog"], "transformers")
        given = {key: role_variables.coerce(args[key], spec) for key, spec in HOST.items()}
        own = given["package_locks"] if str(given["package_locks"]).startswith("/") else ""  # anything else is refused
        merged.locks = files.locks(args["catalog"], own)
        inputs = Inputs(args["profiles"], **given, in_doubt=in_doubt)
        said = abouts.known(merged, checked(inputs, merged).inputs.hubs, args["held"], args["seen"])
        merged.models = {key: abouts.with_bytes(model, said.get(key)) for key, model in merged.models.items()}
        resolution = resolve(replace(inputs, about={key: one["about"] for key, one in said.items()}), merged)
        found = [
            *unknown.problems,
            *of_entries,
            *package_locks.folder_problems(own),
            *role_variables.problems(variables, self._templar.template),
            # A variable that is missing because its name was misspelled is one problem, not two.
            *(problem for problem in resolution.problems if problem.variable not in unknown.meant),
        ]
        # Another value than a switch is a problem of its own (role_variables), and nothing is updated then.
        update = role_variables.coerce(args["update_models"], SWITCH) is True
        # Also beside other problems: those of the models come with them.
        unknown_models = abouts.looks(resolution.services, merged, args["held"], args["seen"], update)
        found += abouts.problems(resolution.services, args["seen"])
        return Resolution(resolution.services, found), unknown_models
