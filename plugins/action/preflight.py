# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Refuse what cannot work, before the first change (documented in plugins/modules/preflight.py)."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, fail_text
from ansible_collections.jetson.thor.plugins.plugin_utils.plan import builds
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.preflight import Settings, judge, unsaid

ARGUMENTS: dict[str, Any] = {
    "services": {"type": "list", "elements": "dict", "required": True},
    "host": {"type": "dict", "required": True},
    "problems": {"type": "list", "elements": "dict", "default": []},
    "memory_reserve_gib": {"type": "float", "required": True},
    "disk_reserve_gib": {"type": "float", "required": True},
    "supported_os": {"type": "list", "elements": "str", "required": True},
    "minimum_l4t": {"type": "str", "required": True},
    "builds": {"type": "dict", "required": True},
    "install_programs": {"type": "bool", "default": True},
    "container_runtime": {"type": "dict", "default": {}},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Hold thor_services against thor_host; runs on the controller."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fail with every problem of this host in one message."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, args = self.validate_argument_spec(argument_spec=ARGUMENTS)
        services, host, found = args.pop("services"), args.pop("host"), args.pop("problems")
        args["builds"] = builds.settings(args["builds"])
        problems = [Problem(**one) for one in found]
        problems += unsaid(judge(services, host, Settings(**args)), problems)
        result["changed"] = False
        if problems:
            name = (task_vars or {}).get("inventory_hostname", "")
            result.update(failed=True, msg=fail_text(name, problems))
        return result
