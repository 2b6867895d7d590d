# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The action of the module host_status: a host that cannot be read is a result, too."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.jetson.thor.plugins.action import host_facts

# As group_by does: playbooks/status.yml ends with an error for these hosts.
UNREAD = {"add_group": "thor_status_unread", "parent_groups": []}


class ActionModule(host_facts.ActionModule):
    """Run the module, and return why where it cannot run."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module returns."""
        ActionBase.run(self, tmp, task_vars)
        variables = task_vars or {}
        arguments = {
            **self._task.args,
            **self._digests(variables),
            **self._local_models(variables),
            **self._gateway(variables),
        }
        try:
            found = self._execute_module(module_args=arguments, task_vars=task_vars)
        except AnsibleConnectionFailure as error:
            return {"changed": False, "reason": f"unreachable: {_line(error)}", **UNREAD}
        except AnsibleError as error:
            return {"changed": False, "reason": f"unreadable: {_line(error)}", **UNREAD}
        if found.get("failed") or "host" not in found:
            said = found.get("msg") or found.get("module_stderr") or found.get("module_stdout") or "no answer"
            return {"changed": False, "reason": f"unreadable: {_line(said)}", **UNREAD}
        clock = found["host"].get("clock")
        if clock:
            clock["behind_s"] = round(time.time() - clock["time"])
        return {key: found[key] for key in ("changed", "reason", "host", "status", "warnings") if key in found}


def _line(said: object) -> str:
    """What was said, as one line that fits a table."""
    return " ".join(str(said).split())[:300]
