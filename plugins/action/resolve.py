# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""From thor_profiles to thor_services, on the controller (documented in plugins/modules/resolve.py)."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.module_utils import problems
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.inputs import Inputs
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.schema import HOST
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import abouts
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.resolution import resolve_host

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
# Ansible imports this file in its main process, and forks a process for each host after that: what is read here is read once.
files.read(files.CATALOG)


class ActionModule(ActionBase):
    """Resolve the profiles of one host; needs no connection to it."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the facts thor_services and thor_problems; fail with all problems unless they are left to preflight."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(argument_spec=ARGUMENTS)
        found = resolve_host(args, task_vars or {}, self._templar.template)
        resolution, looks = found.resolution, found.looks
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
