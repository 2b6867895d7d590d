# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Plan what has to be done, and refuse what cannot work (documented in plugins/modules/preflight.py)."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.files import ROLES
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.plan import plan, plan_anew
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import PLANNED, Settings
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.step import Plan
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.text import lines

ARGUMENTS: dict[str, Any] = {
    "services": {"type": "list", "elements": "dict", "required": True},
    "host": {"type": "dict"},
    "problems": {"type": "list", "elements": "dict", "default": []},
    "roles": {"type": "list", "elements": "str"},
    "parts": {"type": "list", "elements": "str", "default": []},
    "refuse": {"type": "bool", "default": True},
}


class ActionModule(ActionBase):
    """Compare thor_services with thor_host; runs on the controller."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return thor_plan as a fact; fail with every problem of this host in one message."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        settings = Settings.of_roles({role: self._planned(role, variables) for role in PLANNED})
        found = [Problem(**one) for one in args["problems"]]
        name = variables.get("inventory_hostname", "")
        if args["roles"] is None:
            planned = plan(name, args["services"], args["host"], settings, found, args["parts"] or None)
            fact = {**planned.as_dict(), "text": lines(planned)}
        else:
            planned = plan_anew(name, args["services"], args["host"], settings, args["roles"])
            fact = {**variables.get("ansible_facts", {}).get("thor_plan", {}), **planned.sections(*args["roles"])}
        result["changed"] = False
        if planned.problems and args["refuse"]:
            result.update(failed=True, msg=planned.refusal)
        else:
            result["ansible_facts"] = {"thor_plan": fact}
            if args["roles"] is None:
                result.update(_groups(planned))
        return result

    def _planned(self, role: str, variables: dict[str, Any]) -> dict[str, Any]:
        """What the plan has to know of a role: its own ``__ROLE_planned``, by its defaults and what the host has been given."""
        folder = ROLES / role
        defaults, internals = (
            self._loader.load_from_file(str(folder / part / "main.yml"), trusted_as_template=True)
            for part in ("defaults", "vars")
        )
        own = {"role_path": str(folder), "ansible_search_path": [str(folder)]}
        templar = self._templar.copy_with_new_env(available_variables={**defaults, **variables, **internals, **own})
        planned: dict[str, Any] = templar.template(internals[f"__{role}_planned"])
        return planned


def _groups(planned: Plan) -> dict[str, Any]:
    """What Ansible's group_by returns: the host becomes a member of thor_due, and of thor_due_ROLE for each role that is due."""
    if not planned.due:
        return {}
    parents = ["thor_due", *(f"thor_due_{role}" for role in planned.due)]
    return {"add_group": f"thor_plan_{'_'.join(planned.due)}", "parent_groups": parents}
