# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Plan what has to be done, and refuse what cannot work (documented in plugins/modules/preflight.py)."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.plugin_utils import planned
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import role_settings
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.plan import plan, plan_anew
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import PLANNED
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
# Ansible imports this file in its main process, and forks a process for each host after that: what is read here is read once.
planned.read(PLANNED)


class ActionModule(ActionBase):
    """Compare thor_services with thor_host; runs on the controller."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return thor_plan as a fact; fail with every problem of this host in one message."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(argument_spec=ARGUMENTS)
        variables = task_vars or {}
        settings = role_settings.settings(variables, self._templar)
        found = [Problem(**one) for one in args["problems"]]
        name = variables.get("inventory_hostname", "")
        if args["roles"] is None:
            decided = plan(name, args["services"], args["host"], settings, found, args["parts"] or None)
            fact = {**decided.as_dict(), "text": lines(decided)}
        else:
            decided = plan_anew(name, args["services"], args["host"], settings, args["roles"])
            fact = {**variables.get("ansible_facts", {}).get("thor_plan", {}), **decided.sections(*args["roles"])}
        result["changed"] = False
        if decided.problems and args["refuse"]:
            result.update(failed=True, msg=decided.refusal)
        else:
            result["ansible_facts"] = {"thor_plan": fact}
            if args["roles"] is None:
                result.update(_groups(decided))
        return result


def _groups(decided: Plan) -> dict[str, Any]:
    """What Ansible's group_by returns: the host becomes a member of thor_due, and of thor_due_ROLE for each role that is due."""
    if not decided.due:
        return {}
    parents = ["thor_due", *(f"thor_due_{role}" for role in decided.due)]
    return {"add_group": f"thor_plan_{'_'.join(decided.due)}", "parent_groups": parents}
